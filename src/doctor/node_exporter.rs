//! Which of the tunnel's interfaces a running node_exporter exports, from its command line.
//!
//! # Source
//! prometheus/node_exporter, collector/netdev_common.go, device_filter.go, netclass_linux.go,
//! qdisc_linux.go, ethtool_linux.go; alecthomas/kingpin (`@FILE` stands for a file of arguments).

use super::host::Host;
use super::processes::Process;
use super::verdict::Finding;
use super::watched::{Tunnel, is_glob};
use regex_lite::Regex;

/// A node_exporter collector that has a series for each interface.
struct Collector {
    name: &'static str,
    on_by_default: bool,
    /// Options with a pattern of interfaces to leave out, and of the only ones to take; older spellings
    /// still work.
    exclude: &'static [&'static str],
    include: &'static [&'static str],
    /// For one that only lists interfaces, the option that makes it count bytes as well.
    bytes_with: Option<&'static str>,
}

const COLLECTORS: [Collector; 4] = [
    Collector {
        name: "netdev",
        on_by_default: true,
        exclude: &[
            "--collector.netdev.device-exclude",
            "--collector.netdev.device-blacklist",
            "--collector.netdev.ignored-devices",
        ],
        include: &["--collector.netdev.device-include", "--collector.netdev.device-whitelist"],
        bytes_with: None,
    },
    Collector {
        name: "netclass",
        on_by_default: true,
        exclude: &["--collector.netclass.ignored-devices"],
        include: &[],
        bytes_with: Some("--collector.netclass_rtnl.with-stats"),
    },
    Collector {
        name: "qdisc",
        on_by_default: false,
        exclude: &["--collector.qdisc.device-exclude", "--collector.qdisk.device-exclude"],
        include: &["--collector.qdisc.device-include", "--collector.qdisk.device-include"],
        bytes_with: None,
    },
    Collector {
        name: "ethtool",
        on_by_default: false,
        exclude: &["--collector.ethtool.device-exclude"],
        include: &["--collector.ethtool.device-include"],
        bytes_with: None,
    },
];

/// What this process exports of the tunnel.
pub(super) fn findings(host: &Host, process: &Process, tunnel: &Tunnel) -> Vec<Finding> {
    let process = match with_argument_files(host, process) {
        Ok(process) => process,
        Err(finding) => return vec![finding],
    };
    let (mut found, mut exports, mut options) = (Vec::new(), Vec::new(), Vec::new());
    for collector in COLLECTORS.iter().filter(|collector| is_on(collector, &process)) {
        match exported(collector, &process, tunnel) {
            Ok(patterns) if patterns.is_empty() => {}
            Ok(patterns) => {
                exports.push(format!("{} (collector {})", patterns.join(", "), collector.name));
                options.push(leaving_out(collector, &patterns));
            }
            Err(finding) => found.push(finding),
        }
    }
    if !exports.is_empty() {
        let what = format!("{} exports {}", process.shown(), exports.join(", "));
        let file = "Debian: ARGS in /etc/default/prometheus-node-exporter";
        found.push(Finding::void(what, format!("start it with {} ({file})", options.join(" "))));
    }
    found
}

/// The option that leaves these patterns out.
fn leaving_out(collector: &Collector, patterns: &[String]) -> String {
    let names: Vec<String> = patterns.iter().map(|pattern| as_regex(pattern)).collect();
    format!("{}='^({})$'", collector.exclude[0], names.join("|"))
}

/// A glob from the configuration as a regular expression.
fn as_regex(pattern: &str) -> String {
    let mut regex = String::new();
    for character in pattern.chars() {
        match character {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            plain if plain.is_ascii_alphanumeric() || plain == '-' || plain == '_' => regex.push(plain),
            special => {
                regex.push('\\');
                regex.push(special);
            }
        }
    }
    regex
}

/// The process with its `@FILE` arguments expanded; each file holds one argument per line.
fn with_argument_files(host: &Host, process: &Process) -> Result<Process, Finding> {
    let mut arguments = Vec::new();
    for argument in &process.arguments {
        match argument.strip_prefix('@') {
            None => arguments.push(argument.clone()),
            Some(path) => {
                let text = if path.starts_with('/') { host.text(path)? } else { None };
                let Some(text) = text else {
                    let what =
                        format!("{} takes its arguments from a file that was not found", process.shown());
                    return Err(Finding::unknown(what, "give the file's absolute path"));
                };
                arguments.extend(text.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned));
            }
        }
    }
    Ok(process.with_arguments(arguments))
}

fn is_on(collector: &Collector, process: &Process) -> bool {
    let name = collector.name;
    let says = |argument: String| process.arguments.iter().rposition(|given| *given == argument);
    let (on, off) = (says(format!("--collector.{name}")), says(format!("--no-collector.{name}")));
    match (on, off) {
        (None, None) => collector.on_by_default && says("--collector.disable-defaults".to_owned()).is_none(),
        // The last one wins.
        (on, off) => on > off,
    }
}

/// The patterns of the tunnel that this collector exports.
fn exported(collector: &Collector, process: &Process, tunnel: &Tunnel) -> Result<Vec<String>, Finding> {
    let pattern = |options: &[&str]| -> Result<Option<Regex>, Finding> {
        let given = options.iter().find_map(|option| process.values_of(option).pop());
        // An empty one is none.
        let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(None) };
        Regex::new(given).map(Some).map_err(|_| {
            let what = format!("{} has an interface pattern that doctor cannot parse", process.shown());
            Finding::unknown(what, "use a simple pattern, such as '^(wg0|tun.*)$'")
        })
    };
    let (exclude, include) = (pattern(collector.exclude)?, pattern(collector.include)?);
    let is_exported = |name: &str| {
        !exclude.as_ref().is_some_and(|regex| regex.is_match(name))
            && include.as_ref().is_none_or(|regex| regex.is_match(name))
    };
    let mut patterns = tunnel.patterns_where(is_exported);
    // That an interface configured by name exists says nothing about a client.
    let counts =
        collector.bytes_with.is_none_or(|option| process.arguments.iter().any(|given| given == option));
    patterns.retain(|pattern| counts || is_glob(pattern));
    Ok(patterns)
}

#[cfg(test)]
mod tests {
    use super::super::processes::{Processes, tests::running};
    use super::super::verdict::{State, Verdict};
    use super::*;
    use crate::config::Pattern;

    fn said_of(patterns: &[&str], arguments: &str) -> Verdict {
        let (_folder, host) = running(&[&format!("/usr/bin/node_exporter {arguments}")]);
        let patterns: Vec<Pattern> = patterns.iter().map(|pattern| Pattern::of_name(pattern)).collect();
        let tunnel = Tunnel::of(&patterns, &[]);
        Verdict::of(1, "collectors", "good", findings(&host, &Processes::of(&host).list[0], &tunnel))
    }

    #[test]
    fn what_is_not_left_out_is_found() {
        for arguments in [
            "--web.listen-address=:9100",
            "--collector.netdev.device-exclude=^eth",
            "--collector.netdev.device-exclude=^wg0a$",
            "--collector.netdev.device-exclude ^lo$",
            "--collector.netdev.device-include=wg",
            "--collector.netdev.device-exclude=",
            "--no-collector.netdev --collector.netdev",
            "--no-collector.netdev --collector.qdisc",
            "--collector.disable-defaults --collector.ethtool",
            "--collector.netclass.ignored-devices=wg0",
        ] {
            let verdict = said_of(&["wg0"], arguments);
            assert!(verdict.state == State::Void, "{arguments}: {}", verdict.what);
            assert!(verdict.what.contains("node_exporter (pid 1) exports wg0"), "{}", verdict.what);
        }
    }

    #[test]
    fn what_is_left_out_is_good() {
        for arguments in [
            "--collector.netdev.device-exclude=^(wg.*|tun.*)$",
            "--collector.netdev.device-exclude wg",
            "--collector.netdev.device-blacklist=wg0",
            "--collector.netdev.ignored-devices=wg0",
            "--collector.netdev.device-include=^eth0$",
            "--no-collector.netdev",
            "--collector.netdev --no-collector.netdev",
            "--collector.disable-defaults --collector.cpu",
            "--collector.qdisc --collector.qdisc.device-exclude=wg --collector.netdev.device-exclude=wg",
        ] {
            let verdict = said_of(&["wg0"], arguments);
            assert!(verdict.state == State::Ok, "{arguments}: {}", verdict.what);
        }
    }

    #[test]
    fn an_interface_for_each_client_is_left_out_of_every_collector_or_found() {
        let half = said_of(&["vpns*"], "--collector.netdev.device-exclude=^vpns");
        assert!(
            half.state == State::Void && half.what.contains("vpns* (collector netclass)"),
            "{}",
            half.what
        );
        let narrow = said_of(&["vpns*"], "--collector.netdev.device-exclude=^vpns0$ --no-collector.netclass");
        assert!(narrow.state == State::Void, "vpns17 may come");
        let whole = "--collector.netdev.device-exclude=^vpns --collector.netclass.ignored-devices=^vpns";
        assert!(said_of(&["vpns*"], whole).state == State::Ok);
        assert!(said_of(&["vpns*", "wg0"], &whole.replace("exclude=", "exclude=wg0|")).state == State::Ok);
    }

    #[test]
    fn the_remedy_is_an_option_that_makes_it_good() {
        for pattern in ["wg0", "tun*", "a.b?"] {
            let remedy = said_of(&[pattern], "--no-collector.netclass").remedy.expect("a remedy");
            let option = remedy.split('\'').nth(1).expect("a quoted pattern");
            let arguments = format!("--no-collector.netclass --collector.netdev.device-exclude={option}");
            assert!(said_of(&[pattern], &arguments).state == State::Ok, "{remedy}");
        }
    }

    #[test]
    fn a_pattern_or_file_that_cannot_be_read_is_said() {
        assert!(said_of(&["wg0"], "--collector.netdev.device-exclude=(").state == State::Unknown);
        assert!(said_of(&["wg0"], "@/etc/none").state == State::Unknown);
    }
}
