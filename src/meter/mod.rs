//! The blind core: totals per account, the close of an epoch, and what may be published of it.
//!
//! Holds no clock, no address, no account name, no file, socket, thread, log or printing: it
//! compiles with `core` and `alloc` alone (`tests/blind_core.rs` proves it), and nothing in here
//! knows which account a [`slot::Slot`] stands for.
//! Order of the flow: [`counters`] -> [`ledger`] -> [`epoch`] -> [`release`].
#![forbid(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod band;
pub mod budget;
pub mod clamp;
pub mod counters;
pub mod epoch;
pub mod flag_counts;
pub mod floors;
pub mod ledger;
pub mod noise;
pub mod policy;
pub mod release;
pub mod slot;
pub mod tags;
pub mod units;
