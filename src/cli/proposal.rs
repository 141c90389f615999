//! A configuration for what is found on this host: for `gen config` with comments, ready for `check`; for
//! `run --interface` bare.
//!
//! Text alone; whoever reads it back finds what is wrong with it.

use super::host::{Found, Server};
use crate::config::DEFAULT_SOCKET;
use std::fmt::Write;
use std::path::Path;

/// What a node has of its own, as the delivered units have it.
struct Places {
    /// Keys of `[tap]` and `[node]` that a single node leaves to their defaults.
    pin: String,
    node: String,
    socket: String,
    /// The root key's place.
    key: String,
    store: String,
    /// What to do about the address of the page.
    remark: &'static str,
}

impl Places {
    fn of(instance: Option<&str>) -> Self {
        let Some(name) = instance else {
            return Self {
                pin: String::new(),
                node: String::new(),
                socket: DEFAULT_SOCKET.to_owned(),
                key: "/etc/blindmeter/ledger.key".to_owned(),
                store: String::new(),
                remark: "",
            };
        };
        Self {
            pin: format!("pin = \"/sys/fs/bpf/blindmeter-{name}\"\n"),
            node: format!("\n[node]\nname = {}\n", quoted(name)),
            socket: format!("/run/blindmeter-{name}/control.sock"),
            key: format!("/etc/blindmeter/{name}/ledger.key"),
            store: format!("path = \"/var/lib/blindmeter-{name}/ledger.sealed\"\n"),
            remark: "     # a port of its own for each node of this host",
        }
    }
}

/// Accounts that there is room for in a start without a configuration: a WireGuard server may have many, and
/// one costs a hundred bytes.
const CAPACITY: usize = 65_536;

/// What `run --interface` runs on.
pub(super) fn bare(found: &[Found], probe: Option<&str>) -> String {
    let mut text = format!("[tap]\ninterfaces = [{}]\n[roster]\n", list(names(found)));
    if let Some(probe) = probe {
        put(&mut text, &format!("probe_account = {}", quoted(probe)));
    }
    put(&mut text, &format!("pools = [{}]", list(pools(found))));
    for one in found {
        if let Server::WireGuard { names, .. } = &one.server {
            put(&mut text, &wireguard(&one.interface, names.as_deref()));
        }
    }
    put(&mut text, &format!("[store]\nmode = \"memory\"\ncapacity = {CAPACITY}"));
    text
}

/// What `gen config` writes.
/// `instance` is the name of a node that is one of several on this host.
pub(super) fn commented(found: &[Found], instance: Option<&str>) -> String {
    let Places { pin, node, socket, key, store, remark } = Places::of(instance);
    let mut text =
        "# For what was found on this host. After every change, run: blindmeter check\n\n[tap]\n".to_owned();
    put(&mut text, &format!("interfaces = [{}]      # names or globs", list(names(found))));
    text += &pin;
    text += &node;
    put(&mut text, "\n[roster]");
    put(
        &mut text,
        &format!(
            "pools = [{}]           # ranges that are handed out, at most 2^20 addresses each",
            list(pools(found))
        ),
    );
    put(
        &mut text,
        "# file = \"/etc/blindmeter/roster.csv\"      # prefix,account: for addresses that no server below names",
    );
    for one in found {
        text.push('\n');
        server(&mut text, one);
    }
    put(
        &mut text,
        &format!("\n[control]\nsocket = \"{socket}\"\n[control.roles]          # Unix users or @groups"),
    );
    put(&mut text, "roster = [\"root\"]\nsupport = [\"root\"]\nprivacy = [\"root\"]\n");
    put(
        &mut text,
        "[release]\ncrowd = 20               # accounts that an epoch needs to be released, at least 10",
    );
    put(
        &mut text,
        &format!("link_capacity = \"1Gbit/s\"\n\n[web]\nlisten = [\"127.0.0.1:9776\"]{remark}\n\n[store]"),
    );
    text += &store;
    if Path::new(&key).exists() {
        put(&mut text, &format!("mode = \"sealed\"\nkey_file = \"{key}\""));
    } else {
        put(
            &mut text,
            "mode = \"memory\"          # totals end with the process; to keep them, make a key and write:",
        );
        put(
            &mut text,
            &format!("# mode = \"sealed\"\n# key_file = \"{key}\"     # head -c 32 /dev/urandom, mode 0600"),
        );
    }
    put(&mut text, "capacity = 4096          # accounts");
    text
}

/// The part for one interface.
fn server(text: &mut String, Found { interface, server, .. }: &Found) {
    match server {
        Server::WireGuard { names, why_not } => {
            put(text, &format!("# {interface}: a WireGuard device, whose peers are asked for"));
            if let Some(why) = why_not {
                put(text, &format!("# its names cannot be used: {why}"));
            }
            put(text, wireguard(interface, names.as_deref()).trim_end());
            match names {
                Some(_) => put(
                    text,
                    "# a peer is named by the comment \"# friendly_name = ...\" of its block, else by its key",
                ),
                None => put(
                    text,
                    "# accounts = \"/etc/blindmeter/peers.csv\"     # public_key,account; without it the key is the name",
                ),
            }
            put(text, "# a device of a program in user space is asked by root alone (docs/wireguard.md)");
        }
        Server::OpenVpn(file) => {
            put(text, &format!("# {interface}: OpenVPN ({}); add to its configuration:", file.display()));
            put(text, "#   script-security 2\n#   learn-address \"/usr/bin/blindmeter hook openvpn\"");
        }
        Server::Ocserv => {
            put(
                text,
                &format!(
                    "# {interface}: ocserv; write interfaces = [\"vpns*\"] above, and into ocserv.conf:"
                ),
            );
            put(
                text,
                "#   connect-script = \"/etc/ocserv/blindmeter\"\n#   disconnect-script = \"/etc/ocserv/blindmeter\"",
            );
            put(text, "#   a script that says: exec /usr/bin/blindmeter hook ocserv");
        }
        Server::Ipsec => {
            put(text, &format!("# {interface}: IPsec; add to the connection:"));
            put(text, "#   leftupdown=\"/usr/bin/blindmeter hook ipsec\"        (ipsec.conf)");
            put(text, "#   updown = /usr/bin/blindmeter hook ipsec            (swanctl.conf, in the child)");
        }
        Server::Ppp => {
            put(
                text,
                &format!(
                    "# {interface}: pppd; write interfaces = [\"ppp*\"] above, and into /etc/ppp/ip-up.d/blindmeter"
                ),
            );
            put(text, "#   exec /usr/bin/blindmeter hook ppp up \"$@\"            (in ip-down.d: down)");
        }
        Server::Unknown => {
            put(
                text,
                &format!(
                    "# {interface}: no VPN server was found for it; list its addresses in roster.file, or tell them with"
                ),
            );
            put(text, "#   blindmeter roster assign -");
        }
    }
}

fn wireguard(interface: &str, names: Option<&Path>) -> String {
    let names = names
        .map_or_else(String::new, |path| format!("accounts = {}\n", quoted(&path.display().to_string())));
    format!("[[roster.wireguard]]\ninterface = {}\n{names}", quoted(interface))
}

fn names(found: &[Found]) -> impl Iterator<Item = &String> {
    found.iter().map(|one| &one.interface)
}

fn pools(found: &[Found]) -> impl Iterator<Item = &String> {
    found.iter().flat_map(|one| &one.pools)
}

fn list<'a>(items: impl Iterator<Item = &'a String>) -> String {
    items.map(|item| quoted(item)).collect::<Vec<_>>().join(", ")
}

/// A TOML string: what JSON escapes, TOML reads.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

fn put(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn found(interface: &str, server: Server) -> Found {
        Found { interface: interface.to_owned(), server, pools: vec!["10.8.0.0/24".to_owned()] }
    }

    fn every() -> Vec<Found> {
        let mut found = vec![
            found("wg0", Server::WireGuard { names: Some("/etc/wireguard/wg0.conf".into()), why_not: None }),
            found("wg1", Server::WireGuard { names: None, why_not: Some("line 3: what".to_owned()) }),
            found("tun0", Server::OpenVpn("/etc/openvpn/server.conf".into())),
            found("vpns0", Server::Ocserv),
            found("ipsec0", Server::Ipsec),
            found("ppp0", Server::Ppp),
            found("eth9", Server::Unknown),
        ];
        found[1..].iter_mut().for_each(|one| one.pools.clear());
        found
    }

    #[test]
    fn what_is_proposed_is_a_configuration() {
        for text in [
            bare(&every(), Some("a\"b")),
            commented(&every(), None),
            commented(&every(), Some("par2")),
            bare(&every()[6..], None),
        ] {
            let config = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let devices: Vec<&str> =
                config.wireguard.iter().map(|device| device.interface.as_str()).collect();
            assert_eq!(devices.len(), if text.contains("wg0") { 2 } else { 0 });
        }
        let config = parse(&bare(&every(), Some("probe"))).expect("it is good");
        assert!(config.probe_account.is_some_and(|name| name.reveal() == "probe") && config.store.is_none());
        assert!(config.capacity == CAPACITY && config.pools.len() == 1 && config.interfaces.len() == 7);
        assert!(config.wireguard[0].accounts.as_deref() == Some(Path::new("/etc/wireguard/wg0.conf")));
        for line in ["hook openvpn", "hook ocserv", "hook ipsec", "hook ppp", "roster assign -"] {
            assert!(commented(&every(), None).contains(line), "{line}");
        }
    }

    #[test]
    fn a_node_of_several_shares_no_place_with_another() {
        let places = |text: &str| {
            let config = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            [config.pin, config.control_socket]
        };
        let all = [None, Some("par2"), Some("par3")].map(|name| places(&commented(&every(), name)));
        for at in 0..2 {
            let each: std::collections::BTreeSet<_> = all.iter().map(|places| &places[at]).collect();
            assert_eq!(each.len(), 3, "{each:?}");
        }
        let text = commented(&every(), Some("par2"));
        for place in ["/run/blindmeter-par2/", "/var/lib/blindmeter-par2/", "/etc/blindmeter/par2/ledger.key"]
        {
            assert!(text.contains(place), "{place}: {text}");
        }
    }
}
