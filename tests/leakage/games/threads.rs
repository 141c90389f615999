//! Plays many games on both processors.

use std::panic::resume_unwind;
use std::thread;

/// What becomes of each, in their order.
pub(crate) fn on_two_threads<T: Sync, R: Send>(all: &[T], play: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let play = &play;
    thread::scope(|scope| {
        let halves = all.chunks(all.len().div_ceil(2));
        let threads: Vec<_> =
            halves.map(|half| scope.spawn(move || half.iter().map(play).collect::<Vec<_>>())).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|found| found.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
