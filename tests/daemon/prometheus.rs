//! A real Prometheus that scrapes a daemon: its start, and its end with the test.

use std::io;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::{Site, http};
use crate::support::wait::wait_for;

/// A running Prometheus; killed when it is dropped.
pub(crate) struct Prometheus(Child);

impl Prometheus {
    /// Starts one on this port with the site's `prometheus.yml`, and waits until it is ready. `spawn` and
    /// `ask` say in which namespace it runs and is asked.
    pub(crate) fn start(
        site: &Site,
        port: u16,
        spawn: impl FnOnce(Command) -> io::Result<Child>,
        ask: impl Fn(&'static str) -> Option<http::Answer>,
    ) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "prometheus", "--log.level=error"]);
        command.arg(format!("--config.file={}", site.name("prometheus.yml")));
        command.arg(format!("--storage.tsdb.path={}", site.name("tsdb")));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut prometheus = Self(spawn(command).expect("setpriv of util-linux can be run"));
        wait_for("Prometheus is ready", || {
            let end = prometheus.0.try_wait().expect("it is our child");
            assert!(end.is_none(), "this test needs a working Prometheus: apt-get install prometheus");
            ask("/-/ready").filter(|answer| answer.status == 200)
        });
        prometheus
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Where it has ended already, both calls only say so.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the one on this port answers; none while nobody listens.
pub(crate) fn get(port: u16, path: &str) -> Option<http::Answer> {
    TcpStream::connect(("127.0.0.1", port)).ok()?;
    // HTTP/1.0, so that no answer comes in chunks.
    http::parse(&http::exchange(port, format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()))
}
