//! A simulated node: the daemon's own engine on a clock, a disk and randomness that belong to a test.
//!
//! What runs is `engine::assemble`, `Engine::step`, `Daemon::reload`, `server::exchange` and
//! `http::router`, as in the daemon; what is simulated is the environment below them ([`environment`]),
//! the files ([`setup`]) and the packets ([`packets`]). There is no network, no tap and no waiting: an
//! hour of a node is as long as its steps take.
//! Everything follows from a seed. Shared by the targets of `tests/leakage/`; holds no check.
#![allow(dead_code, reason = "each target of the harness uses its own part of the simulation")]

#[path = "../../store/disk.rs"]
pub(crate) mod disk;
pub(crate) mod environment;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod packets;
pub(crate) mod setup;
pub(crate) mod watched;

use log::Log;
use std::thread;
use tokio::runtime::{Builder, Runtime};

/// Runs simulations on a thread of their own, whose standard error is a log that the simulation
/// reads. A panic there is a panic here.
pub(crate) fn apart<T: Send>(work: impl FnOnce(&mut Log) -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| work(&mut Log::divert()));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// What an engine's futures run on: this thread, and one beside it for saves. It has a clock for the
/// bounds of the control socket, none of which is ever reached.
pub(crate) fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_time().build();
    runtime.expect("a runtime can be made")
}
