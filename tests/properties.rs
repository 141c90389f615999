//! What holds for every course of clocks, restarts, hand-overs and traffic.
//!
//! The daemon's own state machine runs here on a simulated clock and seeded randomness; where the
//! promise is about concurrency, on real threads. A failing case is printed, made as small as it
//! goes, and its seed kept in `tests/properties.regressions`, which the next run tries first.

#[path = "properties/clocks.rs"]
mod clocks;
#[path = "properties/conservation.rs"]
mod conservation;
#[path = "properties/environment.rs"]
mod environment;
#[path = "properties/handover.rs"]
mod handover;
#[path = "properties/noninterference.rs"]
mod noninterference;
#[path = "properties/outside.rs"]
mod outside;
#[path = "properties/release.rs"]
mod release;
mod support;
