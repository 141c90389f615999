//! What collectd, netdata, vnStat and munin are configured to read of the tunnel.
//!
//! Reads only the part of each configuration that says which interfaces it takes.
//!
//! # Source
//! collectd.conf(5), utils_ignorelist.c; netdata, src/collectors/proc.plugin/proc_net_dev.c and
//! libnetdata/simple_pattern; vergoh/vnstat, src/dbsql.c and vnstat.conf(5); munin, plugins/node.d/if_.

use super::host::{Host, Unreadable};
use super::processes::Process;
use super::verdict::Finding;
use super::watched::Tunnel;
use crate::config::Pattern;
use regex_lite::Regex;

const COLLECTD: &str = "/etc/collectd/collectd.conf";
const COLLECTD_FOLDER: &str = "/etc/collectd/collectd.conf.d";
const NETDATA: &str = "/etc/netdata/netdata.conf";
const VNSTAT: &str = "/etc/vnstat.conf";
const MUNIN_PLUGINS: &str = "/etc/munin/plugins";

/// Lines of collectd's configuration without comments, those from its folder last.
fn collectd_lines(host: &Host, process: &Process) -> Result<Vec<String>, Finding> {
    let main = process.values_of("-C").pop().unwrap_or(COLLECTD).to_owned();
    let mut texts = vec![host.text(&main)?.ok_or_else(|| missing(process, &main))?];
    for name in host.names(COLLECTD_FOLDER)?.iter().filter(|name| name.ends_with(".conf")) {
        texts.extend(host.text(&format!("{COLLECTD_FOLDER}/{name}"))?);
    }
    let lines = texts.iter().flat_map(|text| text.lines().map(str::trim));
    Ok(lines.filter(|line| !line.starts_with('#')).map(|line| line.replace('"', "")).collect())
}

/// True when collectd loads this plugin.
fn collectd_loads(lines: &[String], plugin: &str) -> bool {
    lines.iter().any(|line| {
        let words: Vec<&str> = line.trim_matches(['<', '>']).split_whitespace().collect();
        matches!(words[..], [load, name] if load.eq_ignore_ascii_case("LoadPlugin") && name == plugin)
    })
}

/// What collectd's interface plugin records of the tunnel.
pub(super) fn collectd(host: &Host, process: &Process, tunnel: &Tunnel) -> Result<Vec<Finding>, Finding> {
    let lines = collectd_lines(host, process)?;
    if !collectd_loads(&lines, "interface") {
        return Ok(Vec::new());
    }
    let (mut inside, mut ignore, mut named) = (false, false, Vec::new());
    for line in &lines {
        let lower = line.to_ascii_lowercase();
        match lower.split_whitespace().collect::<Vec<_>>()[..] {
            ["<plugin", "interface>"] => inside = true,
            ["</plugin>"] => inside = false,
            ["interface", _] if inside => named.extend(line.split_whitespace().nth(1).map(ToOwned::to_owned)),
            ["ignoreselected", value] if inside => ignore = ["true", "yes", "on"].contains(&value),
            _ => {}
        }
    }
    let is_named = |name: &str| {
        named.iter().any(|wanted| match wanted.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(regex) => Regex::new(regex).is_ok_and(|regex| regex.is_match(name)),
            None => wanted == name,
        })
    };
    // An empty selection takes all, whatever IgnoreSelected says.
    let patterns = tunnel.patterns_where(|name| named.is_empty() || is_named(name) != ignore);
    let remedy = "in collectd's <Plugin interface>: an Interface line for each, and IgnoreSelected true";
    Ok(taken(process, &patterns, remedy))
}

/// Whether collectd reads OpenVPN's clients.
pub(super) fn collectd_reads_clients(host: &Host, process: &Process) -> Result<Vec<Finding>, Finding> {
    let loads = collectd_loads(&collectd_lines(host, process)?, "openvpn");
    let what = format!("{} reads OpenVPN's clients (plugin openvpn)", process.shown());
    let finding = Finding::void(what, "remove LoadPlugin openvpn from collectd's configuration");
    Ok(loads.then_some(finding).into_iter().collect())
}

/// What netdata charts of the tunnel: every interface, unless configured otherwise.
pub(super) fn netdata(host: &Host, process: &Process, tunnel: &Tunnel) -> Result<Vec<Finding>, Finding> {
    let path = process.values_of("-c").pop().unwrap_or(NETDATA);
    let text = host.text(path)?.unwrap_or_default();
    let value = |section: &str, key: &str| ini_value(&text, section, key);
    let is_off = |section: &str, key: &str| value(section, key).as_deref() == Some("no");
    if is_off("plugins", "proc") || is_off("plugin:proc", "/proc/net/dev") {
        return Ok(Vec::new());
    }
    let section = "plugin:proc:/proc/net/dev";
    let disabled = value(section, "disable by default interfaces matching").unwrap_or_default();
    let is_charted = |name: &str| match value(&format!("{section}:{name}"), "enabled") {
        Some(enabled) => enabled != "no",
        None => !simple_pattern_matches(&disabled, name),
    };
    let patterns = tunnel.patterns_where(is_charted);
    let list = patterns.join(" ");
    let remedy = format!(
        "in netdata.conf, [{section}]: disable by default interfaces matching = lo fireqos* *-ifb {list}"
    );
    Ok(taken(process, &patterns, &remedy))
}

/// The first word that matches decides; a leading `!` makes it a no.
fn simple_pattern_matches(words: &str, name: &str) -> bool {
    let mut words = words.split_whitespace().map(|word| match word.strip_prefix('!') {
        Some(word) => (word, false),
        None => (word, true),
    });
    words.find(|(word, _)| Pattern::of_name(word).matches(name)).is_some_and(|(_, answer)| answer)
}

fn ini_value(text: &str, wanted: &str, key: &str) -> Option<String> {
    let mut section = "";
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim();
        } else if let Some((name, value)) = line.split_once('=')
            && section == wanted
            && name.trim() == key
        {
            found = Some(value.trim().to_owned());
        }
    }
    found
}

/// What vnStat's database holds of the tunnel: the interfaces it was told to watch, or found.
pub(super) fn vnstat(host: &Host, process: &Process, tunnel: &Tunnel) -> Result<Vec<Finding>, Finding> {
    let path = process.values_of("--config").pop().unwrap_or(VNSTAT);
    let text = host.text(path)?.unwrap_or_default();
    let words = |line: &str| line.split_whitespace().map(|word| word.replace('"', "")).collect::<Vec<_>>();
    let setting = |key: &str| {
        let line = text.lines().map(words).find(|words| words.first().is_some_and(|word| word == key));
        line.and_then(|words| words.get(1).cloned())
    };
    let folder = setting("DatabaseDir").unwrap_or_else(|| "/var/lib/vnstat".to_owned());
    let remedy = "vnstat --remove -i INTERFACE for each, AlwaysAddNewInterfaces 0 in vnstat.conf, or stop it";
    if setting("AlwaysAddNewInterfaces").is_some_and(|value| value != "0") {
        return Ok(taken(process, &tunnel.patterns(), remedy));
    }
    let database = format!("{folder}/vnstat.db");
    let mut bytes = host.bytes(&database)?.ok_or_else(|| missing(process, &database))?;
    bytes.extend(host.bytes(&format!("{database}-wal"))?.unwrap_or_default());
    // Interface names are stored in the database as plain text.
    let holds = |name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    Ok(taken(process, &tunnel.patterns_where(holds), remedy))
}

/// The interfaces that munin has a plugin for: one link named after each.
pub(super) fn munin(host: &Host, process: &Process, tunnel: &Tunnel) -> Result<Vec<Finding>, Finding> {
    let plugins = host.names(MUNIN_PLUGINS)?;
    let has = |name: &str| {
        ["if_", "if_err_", "ip_"]
            .iter()
            .any(|kind| plugins.iter().any(|plugin| *plugin == format!("{kind}{name}")))
    };
    let remedy = "remove the tunnel's if_ and ip_ links from /etc/munin/plugins, and restart munin-node";
    Ok(taken(process, &tunnel.patterns_where(has), remedy))
}

fn taken(process: &Process, patterns: &[String], remedy: &str) -> Vec<Finding> {
    if patterns.is_empty() {
        return Vec::new();
    }
    vec![Finding::void(format!("{} records {}", process.shown(), patterns.join(", ")), remedy)]
}

fn missing(process: &Process, path: &str) -> Finding {
    let path = super::verdict::printable(path);
    Unreadable(format!("{path}, which {} reads, was not found", process.shown())).into()
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::processes::Processes;
    use super::super::verdict::{State, Verdict};
    use super::*;

    type Check = fn(&Host, &Process, &Tunnel) -> Result<Vec<Finding>, Finding>;

    fn said_by(check: Check, files: &[(&str, &str)]) -> State {
        let files: Vec<_> = [("/proc/1/cmdline", "daemon\0")].iter().chain(files).copied().collect();
        let (_folder, host) = host_with(&files);
        let tunnel = Tunnel::of(&["wg0", "tun*"].map(Pattern::of_name), &[]);
        let findings = check(&host, &Processes::of(&host).list[0], &tunnel);
        Verdict::of(1, "", "", findings.unwrap_or_else(|finding| vec![finding])).state
    }

    #[test]
    fn collectd_takes_what_its_selection_says() {
        let load = "LoadPlugin \"interface\"\n";
        for (text, state) in [
            (load.to_owned(), State::Void),
            ("<LoadPlugin interface>\n Interval 60\n</LoadPlugin>".to_owned(), State::Void),
            ("#LoadPlugin interface\nLoadPlugin cpu\n".to_owned(), State::Ok),
            (format!("{load}<Plugin \"interface\">\nInterface \"eth0\"\n</Plugin>"), State::Ok),
            (
                format!("{load}<Plugin interface>\nInterface wg0\nIgnoreSelected false\n</Plugin>"),
                State::Void,
            ),
            (format!("{load}<Plugin interface>\nInterface wg0\nIgnoreSelected true\n</Plugin>"), State::Void),
            (
                format!(
                    "{load}<Plugin interface>\nInterface \"wg0\"\nInterface \"/^tun/\"\nIgnoreSelected true\n</Plugin>"
                ),
                State::Ok,
            ),
        ] {
            assert!(said_by(collectd, &[(COLLECTD, &text)]) == state, "{text}");
        }
        assert!(said_by(collectd, &[]) == State::Unknown, "no configuration");
        let openvpn = |host: &Host, process: &Process, _: &Tunnel| collectd_reads_clients(host, process);
        let file = format!("{COLLECTD_FOLDER}/a.conf");
        assert!(said_by(openvpn, &[(COLLECTD, ""), (&file, "LoadPlugin openvpn")]) == State::Void);
        assert!(said_by(openvpn, &[(COLLECTD, load)]) == State::Ok);
    }

    #[test]
    fn netdata_charts_what_it_is_not_told_to_leave_out() {
        let device = "[plugin:proc:/proc/net/dev]\n disable by default interfaces matching =";
        for (text, state) in [
            (String::new(), State::Void),
            (format!("{device} lo veth*"), State::Void),
            (format!("{device} lo wg* tun*"), State::Ok),
            (format!("{device} !wg0 wg* tun*"), State::Void),
            (format!("{device} lo tun*\n[plugin:proc:/proc/net/dev:wg0]\n enabled = no"), State::Ok),
            (format!("{device} wg* tun*\n[plugin:proc:/proc/net/dev:wg0]\n enabled = yes"), State::Void),
            ("[plugins]\n proc = no".to_owned(), State::Ok),
            ("[plugin:proc]\n /proc/net/dev = no".to_owned(), State::Ok),
            ("[plugin:other]\n proc = no".to_owned(), State::Void),
        ] {
            assert!(said_by(netdata, &[(NETDATA, &text)]) == state, "{text}");
        }
    }

    #[test]
    fn vnstat_and_munin_keep_what_stands_in_their_own_lists() {
        let database = "/var/lib/vnstat/vnstat.db";
        for (files, state) in [
            (vec![(database, "SQLite format 3\0eth0wg0\0")], State::Void),
            (vec![(database, "SQLite format 3\0eth0\0")], State::Ok),
            (vec![(database, "eth0"), ("/var/lib/vnstat/vnstat.db-wal", "tun17")], State::Void),
            (vec![(database, "eth0"), (VNSTAT, "AlwaysAddNewInterfaces 1\n")], State::Void),
            (vec![(database, "eth0"), (VNSTAT, ";AlwaysAddNewInterfaces 1\n")], State::Ok),
            (vec![(VNSTAT, "DatabaseDir \"/srv\"\n"), ("/srv/vnstat.db", "wg0")], State::Void),
            (vec![], State::Unknown),
        ] {
            assert!(said_by(vnstat, &files) == state, "{files:?}");
        }
        assert!(said_by(munin, &[("/etc/munin/plugins/if_wg0", "")]) == State::Void);
        assert!(
            said_by(munin, &[("/etc/munin/plugins/if_eth0", ""), ("/etc/munin/plugins/cpu", "")])
                == State::Ok
        );
    }
}
