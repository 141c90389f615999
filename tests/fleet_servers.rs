//! The servers of a fleet: real clusters of six on loopback, with the configuration that is shipped.
//!
//! `functions` has what they answer, `bad_input` what goes wrong around them, `users` who may call what, `checked` what
//! `fleet check` and `fleet install` find and do, `kills` and `scale` what becomes of what they hold when they fail,
//! `figures` what they and a node's sendings cost.

mod fleet;
mod netns;
mod support;

#[path = "fleet_servers/bad_input.rs"]
mod bad_input;
#[path = "fleet_servers/checked.rs"]
mod checked;
#[path = "fleet_servers/figures.rs"]
mod figures;
#[path = "fleet_servers/functions.rs"]
mod functions;
#[path = "fleet_servers/kills.rs"]
mod kills;
#[path = "fleet_servers/scale.rs"]
mod scale;
#[path = "fleet_servers/users.rs"]
mod users;

/// A number that the environment names, or this one.
fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Whether servers that are to speak TLS do: an engine that was built without it goes through the long runs without.
fn is_over_tls() -> bool {
    number("BLINDMETER_FLEET_TLS", 1) == 1
}
