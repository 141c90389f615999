//! What passes while others hold the kernel's one lock on interfaces is counted, and whoever asks is answered.
//!
//! The lock is the whole host's, so that these tests run alone (`tests/run`).

mod netns;
mod support;

use std::time::Duration;

use netns::beside::Fixture;
use netns::kernel_lock::KernelLock;
use support::wait::let_pass;

#[test]
fn ring_counts_and_answers_while_others_hold_the_kernels_lock_on_interfaces() {
    locked("ring");
}

#[test]
fn pnet_counts_and_answers_while_others_hold_the_kernels_lock_on_interfaces() {
    locked("pnet");
}

#[test]
fn tcx_counts_and_answers_while_others_hold_the_kernels_lock_on_interfaces() {
    locked("tcx");
}

/// Any user of the host can hold it for as long as he likes.
fn locked(tap: &'static str) {
    let mut fixture = Fixture::new(tap);
    let daemon = fixture.start();
    fixture.counts(&daemon, 1);
    let lock = KernelLock::take();
    for _ in 0..4 {
        let_pass(Duration::from_millis(700), "it would read the device's counters");
        fixture.counts(&daemon, 200);
    }
    drop(lock);
    daemon.stop();
}
