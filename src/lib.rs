//! # Blindmeter
//!
//! Counts each VPN account's total bandwidth on a node, and keeps no addresses, no times and no
//! traffic. Data flows one way:
//!
//! ```text
//! packet -> tap -> (roster: whose?) -> meter::counters -> meter::ledger -> close of an epoch
//!        -> meter::release -> publish: /metrics, and one account's band for support
//! ```
//!
//! - [`tap`] sees packets and knows directions and lengths. It asks the roster for a slot and adds
//!   to a counter; it keeps nothing.
//! - Only [`roster`] holds addresses and account names. It cannot count.
//! - [`meter`] is blind: slots and totals, no clock, no address, no I/O; it compiles without `std`.
//! - [`node`] is the state machine of one node, with clocks and randomness passed in: when an epoch
//!   ends, what is released, how often staff may ask. [`store`] keeps its state in one sealed blob.
//! - [`publish`] sees a `Release` and the health of the parts, never a live counter.
//! - [`engine`] is the running meter: it assembles these parts, ticks, saves, and owns what outlives
//!   the process.
//! - [`control`] is the socket for administrators, hooks, support and privacy officers, [`desk`] is the same
//!   as pages for those of them who answer users; [`daemon`] is the process: start, reload, stop; [`cli`]
//!   is the command line.
//! - [`fleet`] sends what each account moved to the clusters of a fleet once a week, and this node's share of each
//!   epoch, and adds nodes up. [`exporter`] is the process that opens a fleet's epochs and serves them.
//! - [`doctor`] finds what on a host voids the privacy claim, [`inventory`] lists all data held.
//! - [`system`] is the process and the system it runs on, only [`clock`] reads a clock, [`environment`]
//!   is the rest of the outside, [`log`] is everything that is ever logged, [`exit`] is how a command
//!   fails.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod desk;
pub mod doctor;
pub mod engine;
pub mod environment;
pub mod exit;
pub mod exporter;
pub mod fleet;
pub mod inventory;
pub mod log;
pub mod meter;
pub mod node;
pub mod publish;
pub mod roster;
pub mod store;
pub mod system;
pub mod tap;

extern crate alloc;
