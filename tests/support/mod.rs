//! What tests, the leakage harness and benches share, below any harness of a daemon: a seeded generator,
//! builders of packets, bounded waits, free ports. Holds no promise and nothing of the product's.
#![allow(dead_code, reason = "each target uses its own part")]

pub(crate) mod frames;
pub(crate) mod ports;
pub(crate) mod rng;
pub(crate) mod wait;
