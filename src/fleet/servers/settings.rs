//! How a server is to be set: each setting that would keep a history or open a door, with what it would do. One table,
//! which deploy/fleet/server.conf keeps to.

use super::finding::Finding;
use std::collections::HashMap;

/// A setting.
pub(super) struct Rule {
    /// Its name.
    pub(super) name: &'static str,
    /// How it is to be.
    wanted: Wanted,
    /// What it does where it is not so.
    does: &'static str,
}

/// How a setting is to be.
#[derive(Clone, Copy)]
enum Wanted {
    /// One of these words; the first is the one that is shipped.
    Is(&'static [&'static str]),
    /// The same, for servers that others can reach by the network.
    IsOutside(&'static str),
    /// A number of bytes that is not zero.
    Some,
    /// So many bytes at most.
    AtMost(u64),
}

const fn rule(name: &'static str, wanted: Wanted, does: &'static str) -> Rule {
    Rule { name, wanted, does }
}

const NO: Wanted = Wanted::Is(&["no"]);
const YES: Wanted = Wanted::Is(&["yes"]);
const NOTHING: Wanted = Wanted::Is(&[""]);
const NEVER: Wanted = Wanted::Is(&["-1"]);
const ZERO: Wanted = Wanted::Is(&["0"]);

/// Every setting that is looked at.
pub(super) const RULES: [Rule; 26] = [
    rule("save", NOTHING, "writes all it holds to a file, again and again"),
    rule("appendonly", NO, "writes every sending of every node to a file, in order"),
    rule("repl-diskless-sync", YES, "a master writes all it holds to a file when a replica joins"),
    rule(
        "repl-diskless-load",
        Wanted::Is(&["swapdb"]),
        "a replica writes all it holds to a file when it joins",
    ),
    rule(
        "slowlog-log-slower-than",
        NEVER,
        "keeps slow calls, with their arguments, times and clients' addresses",
    ),
    rule("slowlog-max-len", ZERO, "has room for slow calls, with their times and clients' addresses"),
    rule(
        "commandlog-request-larger-than",
        NEVER,
        "keeps large calls, with their times and clients' addresses",
    ),
    rule(
        "commandlog-reply-larger-than",
        NEVER,
        "keeps calls with large answers, their times and clients' addresses",
    ),
    rule("latency-monitor-threshold", ZERO, "keeps when calls were slow"),
    rule("latency-tracking", NO, "keeps how long calls of each kind took"),
    rule("acllog-max-len", ZERO, "keeps what was refused, with times and clients' addresses"),
    rule("notify-keyspace-events", NOTHING, "tells subscribers of every change as it happens"),
    rule("crash-log-enabled", NO, "logs the running call and its client's address at a crash"),
    rule("loglevel", Wanted::Is(&["notice", "warning", "nothing"]), "logs clients as they come and go"),
    rule(
        "repl-backlog-size",
        Wanted::AtMost(16 << 20),
        "keeps the last sendings in order, for longer than a replica needs",
    ),
    rule("enable-debug-command", NO, "lets a user with DEBUG read and change everything"),
    rule("enable-module-command", NO, "lets a user with MODULE load any program"),
    rule("enable-protected-configs", NO, "lets a user with CONFIG SET move its files"),
    rule("protected-mode", YES, "answers strangers where no user is set up"),
    rule("unixsocket", NOTHING, "has a second door, to whoever is on its host"),
    rule("tls-cluster", Wanted::IsOutside("yes"), "tells other members in clear whose words lie where"),
    rule("tls-replication", Wanted::IsOutside("yes"), "sends all it holds to replicas in clear"),
    rule("port", Wanted::IsOutside("0"), "lets clients speak in clear, passwords included"),
    rule("cluster-enabled", YES, "is no member of a cluster"),
    rule("maxmemory", Wanted::Some, "fills the host's memory, until the kernel ends it and all is lost"),
    rule(
        "maxmemory-policy",
        Wanted::Is(&["noeviction"]),
        "forgets accounts when it is full, and keeps when each was last asked for",
    ),
];

/// What is wrong with the settings of a server; others can reach it unless it `is_here`.
pub(super) fn findings(address: &str, settings: &HashMap<String, String>, is_here: bool) -> Vec<Finding> {
    let wrong = |rule: &Rule| {
        // What a server does not know, it does not do.
        let set = settings.get(rule.name)?;
        let right = right(rule.wanted, set, is_here)?;
        Some(Finding::void(
            address,
            &format!("{} = \"{set}\"", rule.name),
            rule.does,
            &format!("set `{} {right}`, as in deploy/fleet/server.conf", rule.name),
        ))
    };
    RULES.iter().filter_map(wrong).collect()
}

/// How a setting that is not right is to be.
fn right(wanted: Wanted, set: &str, is_here: bool) -> Option<String> {
    let shown = |text: &str| if text.is_empty() { "\"\"".to_owned() } else { text.to_owned() };
    match wanted {
        Wanted::Is(words) => (!words.contains(&set)).then(|| shown(words[0])),
        Wanted::IsOutside(word) => (!is_here && set != word).then(|| shown(word)),
        Wanted::Some => (set == "0").then(|| "1gb".to_owned()),
        Wanted::AtMost(bytes) => {
            (set.parse::<u64>().ok()? > bytes).then(|| format!("{}mb or less", bytes >> 20))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_held_to_its_rule() {
        let right = |wanted, set| right(wanted, set, false);
        assert_eq!(right(NOTHING, "3600 1"), Some("\"\"".to_owned()));
        assert_eq!((right(NOTHING, ""), right(NO, "no"), right(Wanted::Some, "1")), (None, None, None));
        assert_eq!(right(Wanted::Some, "0"), Some("1gb".to_owned()));
        assert_eq!(right(Wanted::AtMost(1 << 24), "16777216"), None);
        assert_eq!(right(Wanted::AtMost(1 << 24), "16777217"), Some("16mb or less".to_owned()));
        assert_eq!(right(Wanted::IsOutside("yes"), "no"), Some("yes".to_owned()));
        assert_eq!(super::right(Wanted::IsOutside("yes"), "no", true), None);
    }

    /// What is shipped keeps to the table, by name and value.
    #[test]
    fn the_shipped_file_keeps_to_every_rule() {
        let file = include_str!("../../../deploy/fleet/server.conf");
        let set = |name: &str| {
            let line = file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map(|value| value.trim_matches('"').replace("1mb", "1048576").replace("1gb", "1073741824"))
        };
        let by_default = ["commandlog-request-larger-than", "commandlog-reply-larger-than", "unixsocket"];
        for rule in RULES {
            match set(rule.name) {
                Some(value) => assert_eq!(right(rule.wanted, &value, false), None, "{}", rule.name),
                None => assert!(by_default.contains(&rule.name), "{} is not set", rule.name),
            }
        }
    }
}
