//! What the outside sees: the metrics page over HTTP.
//!
//! `/metrics` is two immutable buffers: one changes when an epoch is released, the other on events
//! that traffic cannot cause. Nothing here sees a packet, an address or a live counter.

pub mod exposition;
pub mod http;
pub mod listeners;
mod open_metrics;
pub mod web;
