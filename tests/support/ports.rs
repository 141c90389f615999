//! Ports for listeners of tests in the namespace of the test runner. In a network namespace of its own a
//! test takes whatever port it likes.

use std::net::TcpListener;
use std::process::id;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port nobody listens on, below the range that the kernel gives to clients.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(id() % 500).expect("below 500") * 20;
    loop {
        // Relaxed: only each caller's own number matters.
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
