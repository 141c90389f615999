//! The servers of a fleet: real clusters of six on loopback, with the configuration that is shipped.
//!
//! `functions` has what they answer, `users` who may call what, `checked` what `fleet check` and `fleet install` find and
//! do, `kills` what becomes of what they hold when they fail, `figures` what they cost.

mod fleet;
mod support;

#[path = "fleet_servers/checked.rs"]
mod checked;
#[path = "fleet_servers/figures.rs"]
mod figures;
#[path = "fleet_servers/functions.rs"]
mod functions;
#[path = "fleet_servers/kills.rs"]
mod kills;
#[path = "fleet_servers/users.rs"]
mod users;
