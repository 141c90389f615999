//! The control socket: one JSON request per line, one JSON answer per line, roles by the peer's identity
//! as the kernel reports it.
//!
//! It serves administrators, hooks, support and privacy officers. Account names and addresses pass
//! through; nothing about a request is logged or counted.

pub mod access;
pub mod advice;
pub mod client;
mod counts;
pub mod flagged;
pub mod fleet_reports;
pub mod guarded;
pub mod handler;
pub mod hook;
pub mod hook_pipe;
pub mod inbox;
pub mod peer;
pub mod protocol;
mod receipts;
pub mod reports;
pub mod rights;
pub mod server;
pub mod socket;
pub mod staff;
