//! What a manual page shows under EXAMPLES: lines that can be typed, for each command.
//!
//! Examples alone. Names come by standard input, as everywhere; addresses are those kept for documentation or the
//! ones of the delivered configuration.

/// A command's words, a line for it, and what it does. A family's page shows the lines of all its commands.
const EXAMPLES: [(&str, &str, &str); 65] = [
    ("", "blindmeter demo", "See the whole product for half a minute, on made-up accounts."),
    (
        "",
        "blindmeter gen config --interface wg0 > /etc/blindmeter/blindmeter.toml",
        "Write a configuration for what is found on this host.",
    ),
    ("", "blindmeter check", "Read every file that the configuration names, before a start."),
    ("", "systemctl enable --now blindmeter", "Start the service, now and at each boot."),
    ("", "blindmeter status", "See that every interface is attached."),
    ("run", "blindmeter run", "Run the daemon with /etc/blindmeter/blindmeter.toml, as the unit does."),
    ("run", "blindmeter run --dry-run", "Print what would be attached and published."),
    (
        "run",
        "blindmeter run --interface wg0",
        "Count the peers of a WireGuard device without a configuration.",
    ),
    (
        "run",
        "blindmeter run --accept-loss",
        "Start from zero, where the saved state is gone for good; the only way past that refusal.",
    ),
    ("demo", "blindmeter demo --seconds 0", "Run until Ctrl-C."),
    ("demo", "blindmeter demo --seconds 10 --json", "Print one report at the end, for a script."),
    ("check", "blindmeter check", "Check as the user of the installed unit would read the files; as root."),
    (
        "check",
        "blindmeter check --config /etc/blindmeter/par2/blindmeter.toml",
        "Check the configuration of blindmeter@par2.service.",
    ),
    ("check", "blindmeter check --as-user blindmeter --json", "The same as another user, for a script."),
    (
        "fleet demo",
        "blindmeter fleet demo",
        "See one account move between three nodes, and what each party is told of it.",
    ),
    (
        "fleet install",
        "blindmeter fleet install",
        "Load the functions where they are missing, or replace an older version.",
    ),
    (
        "fleet install",
        "blindmeter fleet install --print A > functions.lua",
        "Print those of a cluster, for whoever runs its servers.",
    ),
    (
        "fleet check",
        "blindmeter fleet check",
        "Look for anything on the servers that keeps a history or opens a door.",
    ),
    ("fleet check", "blindmeter fleet check --json", "The same for a script; the exit status tells as well."),
    (
        "fleet show",
        "blindmeter fleet show - < name",
        "Show an account's band and flags over all nodes; names come by standard input.",
    ),
    (
        "fleet show",
        "blindmeter fleet show - --confirmed < name",
        "See how many nodes have followed the account's last erasure.",
    ),
    (
        "fleet export",
        "blindmeter fleet export",
        "Serve the fleet's totals on http://127.0.0.1:9778/metrics, with the configuration of a node.",
    ),
    (
        "fleet export",
        "blindmeter fleet export --listen 192.0.2.7:9778 --state /srv/blindmeter-fleet",
        "The same for another host's Prometheus, with another folder.",
    ),
    (
        "fleet resend",
        "blindmeter fleet resend",
        "Send the last refresh again, after a cluster has lost its memory.",
    ),
    ("meter", "blindmeter meter capture.pcap --roster roster.csv", "Count a capture file."),
    (
        "meter",
        "tcpdump -w - -i wg0 -c 1000 | blindmeter meter - --roster roster.csv",
        "Count packets as they are captured; nothing of them is kept.",
    ),
    ("flags", "blindmeter flags counters.csv", "Show the flags that a table of counters would have raised."),
    (
        "flags",
        "blindmeter flags counters.csv --preset sensitive --list contact",
        "The same, raised more readily.",
    ),
    (
        "roster assign",
        "blindmeter roster assign - < lines",
        "Give addresses to accounts; each line is such as 10.8.0.6,alice.",
    ),
    (
        "roster unassign",
        "blindmeter roster unassign - < lines",
        "Take addresses back; each line is such as 10.8.0.6.",
    ),
    (
        "roster sync",
        "blindmeter roster sync - < roster.csv",
        "Replace all that the control socket assigned, in one step.",
    ),
    (
        "roster counts",
        "blindmeter roster counts",
        "See whether every source works; numbers, never addresses.",
    ),
    (
        "hook openvpn",
        "learn-address \"/usr/bin/blindmeter hook openvpn\"",
        "A line of OpenVPN's configuration, beside script-security 2.",
    ),
    (
        "hook ocserv",
        "exec /usr/bin/blindmeter hook ocserv",
        "The script that connect-script and disconnect-script of ocserv.conf name.",
    ),
    ("hook ipsec", "updown = /usr/bin/blindmeter hook ipsec", "A line of a child in swanctl.conf."),
    ("hook ipsec", "leftupdown=\"/usr/bin/blindmeter hook ipsec\"", "The same in ipsec.conf."),
    (
        "hook ppp",
        "exec /usr/bin/blindmeter hook ppp up \"$@\"",
        "The script /etc/ppp/ip-pre-up.d/blindmeter.",
    ),
    (
        "hook ppp",
        "exec /usr/bin/blindmeter hook ppp down \"$@\"",
        "The script /etc/ppp/ip-down.d/blindmeter.",
    ),
    ("hook failed", "blindmeter hook failed", "Tell of a log-in that failed, from a server's own script."),
    (
        "accounts show",
        "blindmeter accounts show -",
        "One usage band; the account's name is typed or piped in.",
    ),
    ("accounts flagged", "blindmeter accounts flagged", "Whom to write to, with what to do."),
    ("accounts export", "blindmeter accounts export - --dry-run", "What an export would give and use up."),
    (
        "accounts export",
        "blindmeter accounts export - --open-epoch",
        "Everything that is held of an account, exact.",
    ),
    ("accounts export", "blindmeter accounts export --node", "The node's own counts, exact."),
    (
        "accounts correct",
        "blindmeter accounts correct - --up 0 --down 0 --reason misattributed",
        "Set closed epochs of an account right, with a receipt.",
    ),
    ("accounts erase", "blindmeter accounts erase -", "Erase what is held of an account, with a receipt."),
    ("accounts pending", "blindmeter accounts pending", "What waits for a second officer."),
    ("accounts approve", "blindmeter accounts approve 7", "The second officer's word."),
    ("accounts audit", "blindmeter accounts audit", "What staff did, never of which account."),
    ("status", "blindmeter status", "See that every interface is attached and every source is read."),
    (
        "status",
        "blindmeter status --config /etc/blindmeter/par2/blindmeter.toml",
        "The same of the node that blindmeter@par2.service runs.",
    ),
    (
        "reload",
        "blindmeter reload",
        "Read the files again; ends with 78 and the reason when that is refused.",
    ),
    (
        "detach",
        "blindmeter detach",
        "Remove what a dead daemon left, where no next start is to come; what it counted since the last save is lost.",
    ),
    ("doctor", "blindmeter doctor", "See what else on this host would void the privacy claim."),
    ("inventory", "blindmeter inventory", "List every datum that is held: where, how long, who may see it."),
    (
        "verify",
        "blindmeter verify",
        "Print version, commit, policy digest and SHA-256 of the program that runs.",
    ),
    (
        "verify",
        "blindmeter verify RECEIPT --key RW...",
        "Compare it with a release's signed receipt, by the release's public key; ends with 2 where something differs.",
    ),
    (
        "audit-kit",
        "blindmeter audit-kit --load ./load.sh --needles needles --also /var/log",
        "Answer what auditors ask, with a load of the probe account's that a script makes; as root.",
    ),
    (
        "audit-kit",
        "blindmeter audit-kit --out report",
        "Ask for the load at the terminal, and write report/audit.md and report/audit.json.",
    ),
    ("gen man", "blindmeter gen man pages", "Write every page into the folder pages."),
    (
        "gen config",
        "blindmeter gen config --interface wg0 > /etc/blindmeter/blindmeter.toml",
        "Write a configuration for what is found on this host.",
    ),
    (
        "gen config",
        "blindmeter gen config --interface wg1 --instance par2 > /etc/blindmeter/par2/blindmeter.toml",
        "The same for blindmeter@par2.service, beside other nodes on this host.",
    ),
    (
        "gen completions",
        "blindmeter gen completions bash > /etc/bash_completion.d/blindmeter",
        "Install completions for bash.",
    ),
    (
        "gen completions",
        "blindmeter gen completions zsh > /usr/local/share/zsh/site-functions/_blindmeter",
        "The same for zsh.",
    ),
    (
        "gen completions",
        "blindmeter gen completions fish > /etc/fish/completions/blindmeter.fish",
        "The same for fish.",
    ),
];

/// The lines of a command, or of all commands of a family; those of the program for no words.
pub(super) fn of(words: &[&str]) -> Vec<(&'static str, &'static str)> {
    let path = words.join(" ");
    let family = format!("{path} ");
    let is_its = |of: &str| of == path || (!path.is_empty() && of.starts_with(&family));
    EXAMPLES.iter().filter(|(of, ..)| is_its(of)).map(|(_, line, what)| (*line, *what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    /// Paths of all commands that have no command below them.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name());
            if below.has_subcommands() {
                leaves(below, &path, found);
            } else {
                found.push(path.trim_start().to_owned());
            }
        }
    }

    #[test]
    fn every_command_has_an_example_and_no_other_has() {
        let mut found = Vec::new();
        leaves(&Cli::command().disable_help_subcommand(true), "", &mut found);
        for path in &found {
            assert!(!of(&path.split(' ').collect::<Vec<_>>()).is_empty(), "{path} has no example");
        }
        for (path, line, _) in EXAMPLES {
            assert!(path.is_empty() || found.iter().any(|known| known == path), "{path}: {line}");
            assert!(path.is_empty() || line.contains(&format!("blindmeter {path}")), "{path}: {line}");
        }
        assert!(of(&["roster"]).len() >= 4 && of(&[]).len() >= 4);
    }

    #[test]
    fn every_example_can_be_typed() {
        let mut tried = 0;
        for (_, line, _) in EXAMPLES {
            let Some((_, typed)) = line.split_once("blindmeter ") else { continue };
            // What a shell takes for itself, and a name that holds the program's.
            let typed = typed.replace("\"$@\"", "");
            let words = typed.split([' ', '"']).filter(|word| !word.is_empty());
            let words = words.take_while(|word| !["<", ">", "|"].contains(word));
            let words: Vec<&str> = std::iter::once("blindmeter").chain(words).collect();
            Cli::try_parse_from(&words).map(|_| ()).unwrap_or_else(|error| panic!("{line}: {error}"));
            tried += 1;
        }
        assert!(tried > 40, "{tried}");
    }
}
