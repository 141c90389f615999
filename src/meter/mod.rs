//! The blind core: totals per account, the close of an epoch, and what of it may be published.
//!
//! Holds no clock, no address, no account name, no file, socket, thread, log or printing: it compiles
//! with only `core` and `alloc` (`tests/blind_core.rs` proves it), and nothing here knows which account
//! a [`slot::Slot`] stands for.
//! The flow: [`counters`] -> [`ledger`] -> [`epoch`] -> [`release`].
#![forbid(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod band;
pub mod budget;
pub mod calendar;
pub mod clamp;
pub mod counters;
mod crowd;
pub mod epoch;
pub mod flag_counts;
mod flagging;
pub mod flags;
pub mod floors;
pub mod ledger;
pub mod node_series;
pub mod noise;
pub mod policy;
pub mod release;
pub mod scope;
pub mod share;
pub mod slot;
pub mod tags;
pub mod units;
