//! A program beside the daemon, such as a VPN server or an exporter: it ends with the test that started it.

use std::process::{Child, Command};

/// A running program, which is killed where it is dropped.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the program lives");
    }

    /// Ends it as its user would.
    pub(crate) fn end(mut self, signal: &str) {
        self.signal(signal);
        self.0.wait().expect("it ends");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that is gone already needs no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
