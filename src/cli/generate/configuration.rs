//! The manual page of the configuration, blindmeter.toml(5): every key, what it means, and its default.
//!
//! Words alone; what a key may be is decided where the configuration is read. A test holds the table against the
//! keys that are read there and against the delivered example.

use super::page::{escaped, head, section, verbatim};
use std::io::{self, Write};

/// The name of the page's file.
pub(super) const FILE: &str = "blindmeter.toml.5";

/// The configuration that is delivered, with its comments.
const DELIVERED: &str = include_str!("../../../deploy/blindmeter.toml");

/// A table of the file, and its keys with their meanings.
type Table = (&'static str, &'static [(&'static str, &'static str)]);

/// Every key.
const TABLES: [Table; 18] = [
    (
        "[tap]",
        &[
            ("interfaces", "Names or globs of the interfaces to meter; the one key that has no default."),
            (
                "backend",
                "auto, kernel, ring or pnet: what sees the packets. auto takes the first that works.",
            ),
            ("hook", "auto, tcx or clsact: where the kernel tap attaches."),
            ("pin", "Folder on a bpffs where the kernel tap outlives the process: /sys/fs/bpf/blindmeter."),
            ("memory_budget", "Most that the kernel tap takes for counters of each processor: 64MiB."),
        ],
    ),
    ("[node]", &[("name", "What this node is called: node.")]),
    (
        "[roster]",
        &[
            ("pools", "Ranges that the VPN server hands out, at most 2^20 addresses each."),
            ("file", "CSV with the header prefix,account or prefix,account,interface."),
            ("probe_account", "An account that may be exported without limit, to try a new node."),
        ],
    ),
    (
        "[[roster.wireguard]]",
        &[
            ("interface", "A WireGuard device that is asked for its peers."),
            (
                "accounts",
                "File that says whose a peer is: public_key,account, or a wg-quick file with names.",
            ),
            ("poll", "How often the device is asked: 5s."),
            ("grace", "For how many polls in a row an address may be missing: 2."),
        ],
    ),
    (
        "[[roster.openvpn]]",
        &[
            ("status", "The file of an OpenVPN server's status line."),
            ("poll", "How often it is read: 10s."),
            ("grace", "For how many reads in a row an address may be missing: 2."),
        ],
    ),
    (
        "[[roster.strongswan]]",
        &[
            ("socket", "The vici socket of strongSwan."),
            ("identity", "eap, xauth, ike or any: which identity is the account's name: any."),
            ("poll", "How often it is asked: 5s."),
            ("grace", "For how many polls in a row an address may be missing: 2."),
        ],
    ),
    (
        "[[roster.radius]]",
        &[
            ("listen", "Address and port for accounting requests."),
            ("secret_file", "File with the secret that the server shares."),
            ("account", "user-name or class: the attribute that names the account: user-name."),
        ],
    ),
    ("[control]", &[("socket", "The control socket: /run/blindmeter/control.sock.")]),
    (
        "[control.roles]",
        &[
            ("roster", "Unix users or @groups that may change whose an address is: root."),
            ("support", "Those that may see usage bands and flags: root."),
            ("privacy", "Those that may export, correct and erase: root."),
        ],
    ),
    ("[epoch]", &[("length", "Time between two releases: 24h, the least is 1h.")]),
    (
        "[release]",
        &[
            (
                "scope",
                "node or fleet: node. Over what totals are released; fleet needs [fleet] nodes and two clusters.",
            ),
            ("mode", "noisy or coarse: noisy."),
            ("epsilon", "Budget for the bytes of an account-day: 1.0, which is the most."),
            ("clamp", "Most that an account counts for in an epoch: 50GiB."),
            ("crowd", "Active accounts that a release needs: 20, the least is 10."),
            ("link_capacity", "What the node can carry, which sets the rounding: 1Gbit/s."),
        ],
    ),
    (
        "[support]",
        &[
            ("refresh", "How often the bands are made anew: 7d, which is the least."),
            ("listen", "Address and port of the desk; no desk without it."),
            ("config_file", "Log-ins and TLS of the desk."),
            ("language", "en or fr: of advice, receipts and the desk."),
            ("two_person", "Whether exports, corrections and erasures wait for a second officer: false."),
        ],
    ),
    (
        "[support.roles]",
        &[
            ("support", "Log-ins of the desk, or common names of client certificates."),
            ("privacy", "The same for privacy officers."),
            ("persons", "Names that are one person, who has one limit under all of them."),
        ],
    ),
    (
        "[irregularity]",
        &[
            ("enabled", "Whether flags are raised: true."),
            ("preset", "strict or sensitive: strict."),
            ("tick", "What some flags are judged by: 1h, which is the least."),
            ("mass_event_share", "Share of the accounts above which no list is made: 0.02."),
        ],
    ),
    (
        "[web]",
        &[
            ("listen", "Addresses and ports of the page /metrics: 127.0.0.1:9776."),
            ("config_file", "TLS and log-ins, in the web configuration format of Prometheus's exporters."),
        ],
    ),
    (
        "[store]",
        &[
            ("mode", "sealed, or memory, which keeps nothing at rest: sealed."),
            ("path", "The sealed file: /var/lib/blindmeter/ledger.sealed."),
            ("key_file", "Exactly 32 random bytes with mode 0600, or a credential of systemd of this name."),
            ("capacity", "Accounts that there is room for, which sets the size of the file: 4096."),
            ("save_every", "How often the state is saved: 5m."),
            ("period", "Time over which totals add up: 28d."),
        ],
    ),
    (
        "[fleet]",
        &[
            ("key_file", "The key that all nodes of the fleet share: exactly 32 raw bytes."),
            ("credentials_file", "ROLE:PASSWORD, a line for each role that this node has on the servers."),
            ("spread", "How long a weekly sending is spread over: 1h."),
            (
                "nodes",
                "With release.scope = fleet: the smallest number of nodes whose totals are added up, 3 to 63; no default.",
            ),
            (
                "nodes_a_day",
                "With release.scope = fleet: nodes that an account is taken to use in a day at the most: 2.",
            ),
        ],
    ),
    (
        "[[fleet.cluster]]",
        &[
            (
                "members",
                "Some of the cluster's servers, as ADDRESS:PORT; the others are found by asking them.",
            ),
            ("ca_file", "Whose certificates the servers have; needed unless they are on this host."),
            ("certificate_file", "This node's own certificate, where the servers ask for one."),
            ("private_key_file", "Its key."),
        ],
    ),
];

/// What the service of several nodes needs to have of its own.
const OF_A_NODE: &str = "\
A host may run several nodes, each as blindmeter@NAME.service with /etc/blindmeter/NAME/blindmeter.toml. Each has a \
name, a pin, a control socket, an address to listen at, a store and a key of its own; `blindmeter gen config \
--interface INTERFACE --instance NAME` writes them.";

/// What is shown of exit codes: of the two commands that read the file.
const EXIT_STATUS: [(&str, &str); 2] = [
    ("0", "Of `blindmeter check`: the file and all that it names are good."),
    ("78", "Of `check`, `run` and `reload`: they are not; one line says which line, and what to do."),
];

const FILES: [(&str, &str); 2] = [
    ("/etc/blindmeter/blindmeter.toml", "Where it is by default; mode 0640, and the group is the daemon's."),
    ("/etc/blindmeter/NAME/blindmeter.toml", "Where blindmeter@NAME.service has it."),
];

const EXAMPLES: [(&str, &str); 3] = [
    ("blindmeter gen config --interface wg0", "Print a configuration for what is found on this host."),
    ("blindmeter check", "Check it, after every change."),
    ("systemctl reload blindmeter", "Have the daemon read it again."),
];

/// The page.
pub(super) fn page() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    head(&mut text, "blindmeter.toml", 5, "configuration of blindmeter")?;
    writeln!(text, ".SH DESCRIPTION")?;
    writeln!(
        text,
        "The file is TOML. Keys that are unknown are refused with their line number. Sizes are written like \
         \"50GiB\", durations like \"24h\", rates like \"1Gbit/s\". Limits on what protects account holders are \
         compiled in, and a value beyond one is refused."
    )?;
    writeln!(text, ".PP\n{}", escaped(OF_A_NODE))?;
    writeln!(text, ".PP\nWhat stands behind a colon below is the default.")?;
    TABLES.iter().try_for_each(|(name, keys)| section(&mut text, name, keys))?;
    section(&mut text, "EXIT STATUS", &EXIT_STATUS)?;
    section(&mut text, "FILES", &FILES)?;
    section(&mut text, "EXAMPLES", &EXAMPLES)?;
    writeln!(text, ".PP\nThe configuration that is delivered as an example:")?;
    verbatim(&mut text, DELIVERED)?;
    writeln!(text, ".SH \"SEE ALSO\"\nblindmeter(1), {}(1)", escaped("blindmeter-check"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that a source file of structs names: its fields, but for those that are tables themselves.
    fn fields(source: &str) -> Vec<&str> {
        let lines = source.lines().map(str::trim).filter_map(|line| line.strip_prefix("pub(super) "));
        lines.filter_map(|line| Some(line.split_once(": ")?.0)).collect()
    }

    fn keys() -> Vec<&'static str> {
        let keys = TABLES.iter().flat_map(|(_, keys)| keys.iter().map(|(key, _)| *key));
        keys.collect()
    }

    #[test]
    fn every_key_that_is_read_is_in_the_manual() {
        let read = fields(include_str!("../../config/raw.rs"));
        let keys = keys();
        let tables = [
            "tap",
            "node",
            "roster",
            "control",
            "epoch",
            "release",
            "support",
            "web",
            "store",
            "irregularity",
            "wireguard",
            "openvpn",
            "strongswan",
            "radius",
            "roles",
            "fleet",
            "cluster",
        ];
        let of_keys: Vec<&&str> = read.iter().filter(|field| !tables.contains(*field)).collect();
        assert!(of_keys.len() > 40, "{of_keys:?}");
        for field in of_keys {
            assert!(keys.contains(field), "{field} is read and not in the manual");
        }
        for key in keys {
            assert!(read.contains(&key), "{key} is in the manual and not read");
        }
    }

    #[test]
    fn the_delivered_configuration_is_shown_as_it_stands() {
        let page = String::from_utf8(page().expect("memory takes it")).expect("text");
        for heading in ["EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"] {
            assert!(page.contains(&format!(".SH \"{heading}\"")), "{heading}");
        }
        for line in DELIVERED.lines() {
            assert!(page.contains(&escaped(line)), "{line}");
        }
    }
}
