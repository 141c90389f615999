//! A configuration back as text, and which parts a running daemon cannot change.
//!
//! Prints no pool's addresses and no account.

use super::Config;
use super::quantity::{BitsPerSecond, Bytes, Seconds};
use super::tap::{Hook, TapKind};
use crate::meter::policy::{Mode, Noise};
use std::path::Path;

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
        put(format!("\n[control]\nsocket = \"{}\"", self.control_socket.display()));
        let roles = &self.roles;
        put(format!(
            "[control.roles]\nroster = [{}]\nsupport = [{}]\nprivacy = [{}]",
            list(&mut roles.roster.iter().cloned()),
            list(&mut roles.support.iter().cloned()),
            list(&mut roles.privacy.iter().cloned()),
        ));
        put(format!("\n[epoch]\nlength = \"{}\"", Seconds(policy.epoch_seconds)));
        put(format!("\n[release]\nmode = \"{}\"", policy.mode.as_str()));
        if let Mode::Noisy(Noise { epsilon, clamp_bytes }) = policy.mode {
            put(format!("epsilon = {}\nclamp = \"{}\"", epsilon.decimal(), Bytes(clamp_bytes)));
        }
        put(format!(
            "crowd = {}\nlink_capacity = \"{}\"",
            policy.crowd,
            BitsPerSecond(policy.link_bits_per_second),
        ));
        put(format!("\n[support]\nrefresh = \"{}\"", Seconds(policy.refresh_seconds)));
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
        let sources = self.roster_file.is_some() == new.roster_file.is_some();
        [
            (tap, "[tap]"),
            (self.node_name == new.node_name, "[node]"),
            (self.policy == new.policy, "[epoch], [release], [store] period or [support] refresh"),
            (self.capacity == new.capacity && self.store == new.store, "[store]"),
            (sources && self.pools == new.pools, "[roster] sources or pools"),
            (self.control_socket == new.control_socket, "[control] socket"),
        ]
        .into_iter()
        .find(|(same, _)| !same)
        .map(|(_, table)| table)
    }
}
