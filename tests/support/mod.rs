//! What tests, the leakage harness and benches share: a seeded generator, builders of packets, bounded
//! waits, free ports; the daemon as a process, commands, HTTP. Holds no promise and nothing of the product.
#![allow(dead_code, reason = "each target uses its own part")]

pub(crate) mod command;
pub(crate) mod frames;
pub(crate) mod http;
pub(crate) mod memory;
pub(crate) mod pages;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod radius;
pub(crate) mod rng;
pub(crate) mod tunnels;
pub(crate) mod vici;
pub(crate) mod wait;
