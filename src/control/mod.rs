//! The control socket: one JSON request a line, one JSON answer a line, roles by the kernel's word.
//!
//! Administrators, hooks, support and privacy officers come in here. Account names and addresses
//! pass through; nothing about a request is logged or counted.

pub mod access;
pub mod client;
pub mod handler;
pub mod peer;
pub mod protocol;
pub mod reports;
pub mod server;
