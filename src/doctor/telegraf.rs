//! What a running telegraf is configured to read: interfaces, and WireGuard's peers.
//!
//! # Source
//! influxdata/telegraf, plugins/inputs/net/net.go, plugins/inputs/wireguard, docs/CONFIGURATION.md.

use super::host::Host;
use super::processes::Process;
use super::verdict::Finding;
use super::watched::Tunnel;
use crate::config::Pattern;

const FILE: &str = "/etc/telegraf/telegraf.conf";
const FOLDER: &str = "/etc/telegraf/telegraf.d";

/// What it exports of the tunnel's interfaces.
pub(super) fn findings(host: &Host, process: &Process, tunnel: &Tunnel) -> Vec<Finding> {
    let configuration = match configuration(host, process) {
        Ok(configuration) => configuration,
        Err(finding) => return vec![finding],
    };
    let mut found = Vec::new();
    for input in inputs(&configuration, "net") {
        let list = input.get("interfaces").and_then(toml::Value::as_array).into_iter().flatten();
        let wanted: Vec<Pattern> = list.filter_map(toml::Value::as_str).map(Pattern::of_name).collect();
        let is_read = |name: &str| wanted.is_empty() || wanted.iter().any(|pattern| pattern.matches(name));
        let patterns = tunnel.patterns_where(is_read);
        if !patterns.is_empty() {
            let what = format!("{} reads {} (inputs.net)", process.shown(), patterns.join(", "));
            let remedy =
                "list other interfaces in telegraf's [[inputs.net]], such as interfaces = [\"eth*\"]";
            found.push(Finding::void(what, remedy));
        }
    }
    found
}

/// Whether it reads WireGuard's peers.
pub(super) fn reads_peers(host: &Host, process: &Process) -> Vec<Finding> {
    match configuration(host, process) {
        Err(finding) => vec![finding],
        Ok(configuration) if inputs(&configuration, "wireguard").next().is_none() => Vec::new(),
        Ok(_) => {
            let what = format!("{} reads WireGuard's peers (inputs.wireguard)", process.shown());
            vec![Finding::void(what, "remove [[inputs.wireguard]] from telegraf's configuration")]
        }
    }
}

/// The tables of an input, in all files.
fn inputs<'a>(configuration: &'a [toml::Table], name: &'a str) -> impl Iterator<Item = &'a toml::Table> {
    let of = move |file: &'a toml::Table| file.get("inputs")?.get(name);
    configuration.iter().filter_map(of).flat_map(|input| match input {
        toml::Value::Array(tables) => tables.iter().filter_map(toml::Value::as_table).collect::<Vec<_>>(),
        other => other.as_table().into_iter().collect(),
    })
}

fn configuration(host: &Host, process: &Process) -> Result<Vec<toml::Table>, Finding> {
    let given = |option: &str| {
        let double = process.values_of(&format!("--{option}"));
        let single = process.values_of(&format!("-{option}"));
        [double, single].concat().into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let (mut files, mut folders) = (given("config"), given("config-directory"));
    if files.is_empty() && folders.is_empty() {
        (files, folders) = (vec![FILE.to_owned()], vec![FOLDER.to_owned()]);
    }
    for folder in folders {
        let names = host.names(&folder)?;
        let names = names.iter().filter(|name| name.ends_with(".conf"));
        files.extend(names.map(|name| format!("{folder}/{name}")));
    }
    let mut tables = Vec::new();
    for file in files {
        let text = if file.starts_with('/') { host.text(&file)? } else { None };
        let table = text.and_then(|text| text.parse().ok());
        tables.push(table.ok_or_else(|| {
            let what = format!("what {} reads: its configuration cannot be parsed here", process.shown());
            Finding::unknown(
                what,
                "make sure telegraf reads none of the tunnel's interfaces and no WireGuard peers",
            )
        })?);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::processes::Processes;
    use super::super::verdict::{State, Verdict};
    use super::*;

    fn said_of(line: &str, files: &[(&str, &str)]) -> [State; 2] {
        let line = line.replace(' ', "\0");
        let files: Vec<_> = [("/proc/1/cmdline", line.as_str())].iter().chain(files).copied().collect();
        let (_folder, host) = host_with(&files);
        let process = &Processes::of(&host).list[0];
        let tunnel = Tunnel::of(&["wg0", "tun*"].map(Pattern::of_name), &[]);
        let state = |findings| Verdict::of(1, "", "", findings).state;
        [state(findings(&host, process, &tunnel)), state(reads_peers(&host, process))]
    }

    #[test]
    fn inputs_are_found_where_they_are_configured() {
        let net = "[[inputs.net]]\n";
        for (line, file, text, states) in [
            ("telegraf", FILE, net, [State::Void, State::Ok]),
            (
                "telegraf",
                FILE,
                "[[inputs.net]]\ninterfaces = [\"eth*\", \"wg?\"]\n",
                [State::Void, State::Ok],
            ),
            ("telegraf", FILE, "[[inputs.net]]\ninterfaces = [\"eth*\"]\n", [State::Ok, State::Ok]),
            ("telegraf", FILE, "[[inputs.cpu]]\n# [[inputs.net]]\n", [State::Ok, State::Ok]),
            ("telegraf", FILE, "[[inputs.wireguard]]\n", [State::Ok, State::Void]),
            ("telegraf -config /srv/a.conf", "/srv/a.conf", net, [State::Void, State::Ok]),
            ("telegraf --config-directory=/srv", "/srv/b.conf", net, [State::Void, State::Ok]),
            ("telegraf --config https://a.invalid", FILE, net, [State::Unknown, State::Unknown]),
            ("telegraf", FILE, "not toml", [State::Unknown, State::Unknown]),
        ] {
            assert!(said_of(line, &[(file, text)]) == states, "{line}: {text}");
        }
    }
}
