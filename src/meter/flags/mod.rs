//! Irregularities: which accounts behave unlike themselves, judged from sums of bytes and packets alone.
//!
//! Holds, for each account, levels and scales of what is usual for it ([`baseline`]): no history, no time,
//! no address, no name. An epoch's sums come in, the flags raised come out, and the baselines learn once an
//! epoch, so that neither the order of accounts nor the order inside an epoch changes anything.
//! The flow: [`features`] -> [`judge`] and [`surge`] against [`baseline`] -> [`raised`]; [`detector`] does it
//! for all accounts at the length of an epoch and of a tick ([`rates`]), [`watch`] for a node. What each flag means, and how well it finds: docs/flags.md.

pub mod baseline;
pub mod constants;
pub mod detector;
pub mod features;
pub mod interruption;
mod judge;
pub mod kind;
mod numbers;
pub mod raised;
pub mod rates;
pub mod surge;
pub mod watch;
