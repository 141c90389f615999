//! The fleet: one account over many nodes, on one or two clusters of Redis or Valkey, without a history of where.
//!
//! Once a week each node writes what every account moved on it in the period, under keyed tags and split between two
//! clusters; whoever may ask adds the nodes up. Nothing here is in a packet's way, and metering never waits for it.
//! docs/fleet.md has what each party sees.

pub mod cluster;
pub mod courier;
mod epochs;
pub mod keys;
pub mod link;
pub mod look_up;
pub mod opening;
mod pace;
pub mod sending;
pub mod servers;
pub mod settings;
pub mod shares;
pub mod trouble;
pub mod wire;
pub mod words;

pub use courier::Courier;

/// What the servers run; `blindmeter fleet install` puts in which fleet and cluster it is.
pub const FUNCTIONS: &str = include_str!("functions.lua");
