//! # Blindmeter
//!
//! Counts each VPN account's total bandwidth on a node, and keeps no addresses, no times and no
//! traffic. The data walks one way:
//!
//! ```text
//! packet -> tap -> (roster: whose?) -> meter::counters -> meter::ledger -> close of an epoch
//!        -> meter::release -> publish: /metrics, and one account's band for support
//! ```
//!
//! - [`tap`] sees packets and knows directions and lengths. It asks the roster for a slot and adds
//!   to a counter; it keeps nothing.
//! - [`roster`] alone holds addresses and account names. It cannot count.
//! - [`meter`] is blind: slots and totals, no clock, no address, no I/O; it compiles without `std`.
//! - [`publish`] sees a `Release`, bands and the state of the daemon; never a live counter.
//! - [`control`] is the socket for administrators, hooks, support and privacy officers.
//! - [`node`] is the state machine over clocks and randomness that are handed in; [`schedule`]
//!   says when an epoch ends, [`limits`] how often staff may ask; [`clock`] alone reads a clock;
//!   [`world`] is the rest of the outside.
//! - [`store`] keeps the state in one sealed blob; [`keeper`] stands between it and the node.
//! - [`daemon`] puts them together; [`cli`] is the command line; [`guard`] speaks to the kernel
//!   about privileges, [`netlink`] about devices; [`log`] is everything that is ever logged.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod failure;
pub mod guard;
pub mod keeper;
pub mod limits;
pub mod log;
pub mod meter;
pub mod netlink;
pub mod node;
pub mod publish;
pub mod roster;
pub mod schedule;
pub mod store;
pub mod tap;
pub mod world;

extern crate alloc;
