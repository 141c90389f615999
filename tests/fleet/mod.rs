//! What tests of a fleet share: real clusters, and nodes that speak to them. Holds no promise.
#![allow(dead_code, reason = "each target uses its own part")]

pub(crate) mod network;
pub(crate) mod senders;
pub(crate) mod servers;
pub(crate) mod watched;
pub(crate) mod words;
