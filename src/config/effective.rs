//! A configuration back as text, and which parts a running daemon cannot change.
//!
//! Prints no pool's addresses and no account.

use super::quantity::{BitsPerSecond, Bytes, Seconds};
use super::tap::{Hook, TapKind};
use super::{Config, DeskRoles, OpenVpn, Radius, StrongSwan, WireGuard};
use crate::meter::budget::Epsilon;
use crate::meter::policy::{Flagging, Mode, Noise, Policy};
use std::path::Path;

/// How flags are raised, as TOML. A tick that is no whole number of seconds is one that the lab made.
fn irregularity(policy: &Policy) -> String {
    let Some(flags) = policy.flags else { return "\n[irregularity]\nenabled = false".to_owned() };
    let Flagging { preset, tick_nanoseconds, mass_event_millionths } = flags;
    let tick = if tick_nanoseconds.is_multiple_of(1_000_000_000) {
        format!("tick = \"{}\"", Seconds(tick_nanoseconds / 1_000_000_000))
    } else {
        format!("# tick: {} ms, a 24th of the epoch", tick_nanoseconds / 1_000_000)
    };
    let share = Epsilon::of_billionths(u64::from(mass_event_millionths).max(1) * 1000).decimal();
    format!(
        "\n[irregularity]\nenabled = true\npreset = \"{}\"\n{tick}\nmass_event_share = {share}",
        preset.as_str()
    )
}

/// Who may ask the support page, as TOML.
fn desk_roles(roles: &DeskRoles) -> String {
    let names =
        |names: &[String]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let persons: Vec<String> = roles.persons.iter().map(|person| format!("[{}]", names(person))).collect();
    format!(
        "[support.roles]\nsupport = [{}]\nprivacy = [{}]\npersons = [{}]",
        names(&roles.support),
        names(&roles.privacy),
        persons.join(", ")
    )
}

impl Config {
    /// The configuration in force, as TOML without secrets.
    #[must_use]
    pub fn effective(&self) -> String {
        let policy = &self.policy.0;
        let list = |items: &mut dyn Iterator<Item = String>| {
            items.map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ")
        };
        let mut text = String::new();
        let mut put = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        let backend = self.backend.map_or("auto", TapKind::as_str);
        put("[tap]".into());
        put(format!(
            "interfaces = [{}]",
            list(&mut self.interfaces.iter().map(|pattern| pattern.text().to_owned()))
        ));
        let hook = self.hook.map_or("auto", Hook::as_str);
        put(format!(
            "backend = \"{backend}\"\nhook = \"{hook}\"\npin = \"{}\"\nmemory_budget = \"{}\"\n\n[node]\nname = \"{}\"\n\n\
             [roster]",
            self.pin.display(),
            Bytes(self.memory_budget_bytes),
            self.node_name
        ));
        put(format!("# pools: {} in force; not printed, since they are addresses", self.pools.len()));
        if let Some(file) = &self.roster_file {
            put(format!("file = \"{}\"", file.display()));
        }
        put(self.wireguard.iter().map(WireGuard::effective).collect());
        put(self.openvpn.iter().map(OpenVpn::effective).collect());
        put(self.strongswan.iter().map(StrongSwan::effective).collect());
        put(self.radius.iter().map(Radius::effective).collect());
        put(format!("[control]\nsocket = \"{}\"", self.control_socket.display()));
        let roles = &self.roles;
        put(format!(
            "[control.roles]\nroster = [{}]\nsupport = [{}]\nprivacy = [{}]",
            list(&mut roles.roster.iter().cloned()),
            list(&mut roles.support.iter().cloned()),
            list(&mut roles.privacy.iter().cloned()),
        ));
        put(format!("\n[epoch]\nlength = \"{}\"", Seconds(policy.epoch_seconds).in_hours()));
        put(format!("\n[release]\nmode = \"{}\"", policy.mode.as_str()));
        if let Mode::Noisy(Noise { epsilon, clamp_bytes }) = policy.mode {
            put(format!("epsilon = {}\nclamp = \"{}\"", epsilon.decimal(), Bytes(clamp_bytes)));
        }
        put(format!(
            "crowd = {}\nlink_capacity = \"{}\"\nscope = \"{}\"",
            policy.crowd,
            BitsPerSecond(policy.link_bits_per_second),
            policy.scope.as_str(),
        ));
        put(format!(
            "\n[support]\nrefresh = \"{}\"\nlanguage = \"{}\"\ntwo_person = {}",
            Seconds(policy.refresh_seconds),
            self.language.code(),
            self.two_person
        ));
        self.desk.iter().for_each(|desk| put(desk.effective()));
        put(desk_roles(&self.desk_roles));
        put(irregularity(policy));
        put(format!("\n[web]\nlisten = [{}]", list(&mut self.listen.iter().map(ToString::to_string))));
        let web = self.web_config_file.as_deref().unwrap_or(Path::new(""));
        put(format!("config_file = \"{}\"", web.display()));
        put(match &self.store {
            None => "\n[store]\nmode = \"memory\"".to_owned(),
            Some(store) => format!(
                "\n[store]\nmode = \"sealed\"\npath = \"{}\"\nkey_file = \"{}\"\nsave_every = \"{}\"",
                store.path.display(),
                store.key_file.display(),
                Seconds(store.save_every.as_secs()),
            ),
        });
        put(format!("capacity = {}\nperiod = \"{}\"", self.capacity, Seconds(policy.period_seconds),));
        self.fleet.iter().for_each(|fleet| put(fleet.effective()));
        text
    }

    /// The table whose change a running daemon refuses, if any.
    #[must_use]
    pub fn restart_needed_for(&self, new: &Self) -> Option<&'static str> {
        let tap = self.interfaces == new.interfaces
            && self.backend == new.backend
            && self.hook == new.hook
            && self.pin == new.pin
            && self.memory_budget_bytes == new.memory_budget_bytes;
        let sources = self.roster_file.is_some() == new.roster_file.is_some()
            && self.wireguard == new.wireguard
            && self.openvpn == new.openvpn
            && self.strongswan == new.strongswan
            && self.radius == new.radius;
        [
            (tap, "[tap]"),
            (self.node_name == new.node_name, "[node]"),
            (
                self.policy == new.policy,
                "[epoch], [release], [irregularity], [store] period or [support] refresh",
            ),
            (self.capacity == new.capacity && self.store == new.store, "[store]"),
            (sources && self.pools == new.pools, "[roster] sources or pools"),
            (self.control_socket == new.control_socket, "[control] socket"),
            (self.fleet == new.fleet, "[fleet]"),
        ]
        .into_iter()
        .find(|(same, _)| !same)
        .map(|(_, table)| table)
    }
}
