//! Checks 1 and 2: other programs that read the tunnel's interface or the VPN server's clients.
//!
//! A program is recognised by its name; what it exports is read from its command line and its
//! configuration. One whose reach is not visible from here is a note: nobody reads a check that fails
//! on every host.

use super::host::Host;
use super::processes::{Process, Processes};
use super::verdict::{Finding, Verdict};
use super::watched::Tunnel;
use super::{node_exporter, settings, telegraf};

/// How to find out which interfaces a collector exports.
#[derive(Clone, Copy)]
enum Reach {
    NodeExporter,
    Telegraf,
    Collectd,
    Netdata,
    Vnstat,
    Munin,
    /// Those given with one of these options; without any, its own configuration names them.
    Options(&'static [&'static str]),
    /// All of them.
    All,
    /// All of them, when it runs with this argument.
    AllWith(&'static str),
    /// Possibly: it depends on a configuration, or on remote queries.
    Possibly,
}

/// Programs, by the names in [`Process::names`].
const COLLECTORS: [(&[&str], Reach); 11] = [
    // The kernel cuts Debian's name after 15 characters.
    (&["node_exporter", "prometheus_node_exporter", "prometheus_node"], Reach::NodeExporter),
    (&["telegraf"], Reach::Telegraf),
    (&["collectd"], Reach::Collectd),
    (&["netdata"], Reach::Netdata),
    (&["vnstatd"], Reach::Vnstat),
    (&["munin_node"], Reach::Munin),
    (
        &[
            "darkstat",
            "softflowd",
            "pmacctd",
            "fprobe",
            "nprobe",
            "ntopng",
            "bandwidthd",
            "iftop",
            "nethogs",
            "iptraf",
            "iptraf_ng",
            "bandwhich",
            "argus",
            "zeek",
            "suricata",
            "snort",
            "p0f",
            "arpwatch",
        ],
        Reach::Options(&["-i", "--interface"]),
    ),
    // Accounting by the kernel's flows, NFLOG or sFlow: of every interface.
    (&["nlbwmon", "hsflowd", "uacctd", "ulogd", "ipcad"], Reach::All),
    (&["atop"], Reach::AllWith("-w")),
    (&["sadc"], Reach::All),
    (
        &[
            "snmpd",
            "zabbix_agentd",
            "zabbix_agent2",
            "alloy",
            "grafana_alloy",
            "grafana_agent",
            "otelcol",
            "otelcol_contrib",
            "cadvisor",
            "pmcd",
            "pmlogger",
            "monitorix",
            "glances",
            "gmond",
            "collectl",
            "metricbeat",
            "packetbeat",
            "datadog_agent",
            "amazon_cloudwatch_agent",
            "newrelic_infra",
            "vector",
            "fluent_bit",
            "conntrackd",
            "scollector",
            "sysdig",
            "falco",
        ],
        Reach::Possibly,
    ),
];

/// The systemd link that makes sysstat record every ten minutes.
const SYSSTAT_TIMER: &str = "/etc/systemd/system/sysstat.service.wants/sysstat-collect.timer";

/// What an exporter of a VPN server is named after, and what makes it an exporter or a panel.
const SERVERS: [&str; 8] =
    ["wireguard", "amneziawg", "openvpn", "ovpn", "strongswan", "ipsec", "ocserv", "wg"];
const REPORTERS: [&str; 11] = [
    "exporter",
    "monitor",
    "stat",
    "dashboard",
    "panel",
    "portal",
    "easy",
    "admin",
    "metrics",
    "traffic",
    "usage",
];

/// Panels and managers that read the VPN server's clients and are named after something else.
const PANELS: [&str; 8] =
    ["wireguard_ui", "wg_ui", "wg_gen_web", "wgrest", "pritunl", "netmaker", "subspace", "wg_access_server"];

/// Check 1: collectors that export the tunnel's interface.
pub(super) fn interfaces(host: &Host, processes: &Processes, tunnel: &Tunnel) -> Verdict {
    let mut findings: Vec<Finding> = Vec::new();
    for process in processes.list.iter().filter(|process| process.same_network) {
        for (_, reach) in COLLECTORS.iter().filter(|(names, _)| process.is_one_of(names)) {
            findings.extend(exported(host, process, *reach, tunnel));
        }
    }
    findings.extend(sysstat(host));
    findings.extend(processes.gap_finding());
    Verdict::of(1, "collectors", "no collector that exports the tunnel's interface is running", findings)
}

fn exported(host: &Host, process: &Process, reach: Reach, tunnel: &Tunnel) -> Vec<Finding> {
    let or_finding = |result: Result<Vec<Finding>, Finding>| result.unwrap_or_else(|finding| vec![finding]);
    match reach {
        Reach::NodeExporter => node_exporter::findings(host, process, tunnel),
        Reach::Telegraf => telegraf::findings(host, process, tunnel),
        Reach::Collectd => or_finding(settings::collectd(host, process, tunnel)),
        Reach::Netdata => or_finding(settings::netdata(host, process, tunnel)),
        Reach::Vnstat => or_finding(settings::vnstat(host, process, tunnel)),
        Reach::Munin => or_finding(settings::munin(host, process, tunnel)),
        Reach::Options(options) => named_after(process, options, tunnel),
        Reach::AllWith(argument) if !process.arguments.iter().any(|given| given == argument) => Vec::new(),
        Reach::All | Reach::AllWith(_) => {
            let what = format!("{} records every interface, including {}", process.shown(), all(tunnel));
            vec![Finding::void(what, "stop it, or run it in another network namespace")]
        }
        Reach::Possibly => {
            let what = format!("{} may export {}; doctor cannot tell", process.shown(), all(tunnel));
            vec![Finding::note(what, "make sure its configuration leaves these interfaces out")]
        }
    }
}

fn named_after(process: &Process, options: &[&str], tunnel: &Tunnel) -> Vec<Finding> {
    let named: Vec<&str> = options.iter().flat_map(|option| process.values_of(option)).collect();
    if named.is_empty() {
        let what =
            format!("{} may read {}; its command line names no interface", process.shown(), all(tunnel));
        return vec![Finding::note(what, "make sure its configuration leaves these interfaces out")];
    }
    let patterns = tunnel.patterns_where(|name| named.iter().any(|given| *given == name || *given == "any"));
    if patterns.is_empty() {
        return Vec::new();
    }
    let what = format!("{} reads {}", process.shown(), patterns.join(", "));
    vec![Finding::void(what, "stop it, or give it another interface")]
}

fn all(tunnel: &Tunnel) -> String {
    tunnel.patterns().join(", ")
}

/// sysstat runs briefly every ten minutes, so this looks for its timer.
fn sysstat(host: &Host) -> Option<Finding> {
    match host.link(SYSSTAT_TIMER) {
        Err(unreadable) => Some(unreadable.into()),
        Ok(None) => None,
        Ok(Some(_)) => Some(Finding::void(
            "sysstat records every interface every ten minutes (sysstat-collect.timer)",
            "systemctl disable --now sysstat sysstat-collect.timer, and remove /var/log/sysstat",
        )),
    }
}

/// Check 2: exporters and panels of WireGuard, OpenVPN and the like.
pub(super) fn exporters(host: &Host, processes: &Processes) -> Verdict {
    let mut findings: Vec<Finding> = Vec::new();
    // In any namespace: they read status files and sockets, or enter namespaces.
    for process in &processes.list {
        if process.names.iter().any(|name| is_exporter(name)) || names_a_panel(process) {
            let what = format!("{} reads the VPN server's clients", process.shown());
            findings.push(Finding::void(what, "stop and disable it, and delete what it has stored"));
        } else if process.is_one_of(&["telegraf"]) {
            findings.extend(telegraf::reads_peers(host, process));
        } else if process.is_one_of(&["collectd"]) {
            let read = settings::collectd_reads_clients(host, process);
            findings.extend(read.unwrap_or_else(|finding| vec![finding]));
        } else if process.is_one_of(&["go.d.plugin"]) {
            let what = format!("{} reads WireGuard's peers if it has permission", process.shown());
            let remedy = "in /etc/netdata/go.d.conf, under modules: wireguard: no, openvpn: no";
            findings.extend(allows(host, "wireguard").then(|| Finding::note(what, remedy)));
        }
    }
    findings.extend(processes.gap_finding());
    Verdict::of(2, "exporters", "no exporter or panel of a VPN server is running", findings)
}

fn is_exporter(name: &str) -> bool {
    let words: Vec<&str> = name.split(['_', '.']).collect();
    // "wg" alone is short: it counts as a word, or as the start of the name.
    let is_server = |server: &&str| match *server {
        "wg" => words.contains(&"wg") || name.starts_with("wg"),
        server => name.contains(server),
    };
    PANELS.contains(&name)
        || SERVERS.iter().any(is_server) && REPORTERS.iter().any(|word| name.contains(word))
}

/// A panel's script is often called `server.js`; its folder then gives the name.
fn names_a_panel(process: &Process) -> bool {
    let script = process.arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_script = process.is_one_of(&["node", "python", "python3", "gunicorn"]);
    let folders = script.filter(|_| is_script).into_iter().flat_map(|script| script.split('/'));
    folders.map(|folder| folder.to_ascii_lowercase().replace('-', "_")).any(|folder| is_exporter(&folder))
}

/// True unless netdata's module is disabled.
fn allows(host: &Host, module: &str) -> bool {
    let text = host.text("/etc/netdata/go.d.conf").ok().flatten().unwrap_or_default();
    !text.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, word)| name.trim() == module && word.trim() == "no")
    })
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::processes::tests::running;
    use super::super::verdict::State;
    use super::*;
    use crate::config::Pattern;

    fn both(lines: &[&str]) -> [Verdict; 2] {
        let (_folder, host) = running(lines);
        let tunnel = Tunnel::of(&["wg0", "tun*"].map(Pattern::of_name), &[]);
        let processes = Processes::of(&host);
        [interfaces(&host, &processes, &tunnel), exporters(&host, &processes)]
    }

    #[test]
    fn exporters_and_panels_are_known_by_their_names() {
        for line in [
            "/usr/local/bin/prometheus_wireguard_exporter -n /etc/wireguard/wg0.conf",
            "/usr/bin/wireguard_exporter",
            "wireguard-exporter",
            "/usr/bin/openvpn_exporter -openvpn.status_paths /run/a",
            "/usr/bin/prometheus-openvpn-exporter",
            "python3 /opt/openvpn-monitor/openvpn-monitor.py",
            "/opt/ovpn-admin",
            "wg-portal",
            "wgstats",
            "wg-stats.sh",
            "/bin/sh /usr/local/bin/wg-monitor.sh",
            "node /opt/wg-easy/server.js",
            "python3 /opt/WGDashboard/src/dashboard.py",
            "/usr/bin/strongswan_exporter",
            "wireguard-ui",
        ] {
            let [_, verdict] = both(&["/sbin/init", line]);
            assert!(
                verdict.state == State::Void && verdict.what.contains("(pid 2)"),
                "{line}: {}",
                verdict.what
            );
        }
    }

    #[test]
    fn the_vpn_servers_themselves_are_no_exporters() {
        let [collectors, exporters] = both(&[
            "/sbin/init",
            "/usr/sbin/openvpn --config /etc/openvpn/server.conf",
            "/usr/bin/wireguard-go wg0",
            "/usr/lib/ipsec/charon",
            "/usr/lib/ipsec/starter --daemon charon",
            "/usr/sbin/ocserv --foreground",
            "/usr/bin/boringtun-cli wg0",
            "/usr/bin/wg-quick up wg0",
            "vim wireguard_exporter.go",
            "/usr/bin/prometheus --config.file=/etc/prometheus.yml",
            "/usr/bin/blindmeter run",
            "/usr/bin/python3 /usr/share/unattended-upgrades/unattended-upgrade-shutdown",
            "node /opt/site/server.js",
        ]);
        assert!(collectors.state == State::Ok && exporters.state == State::Ok, "{}", exporters.what);
    }

    #[test]
    fn collectors_are_judged_by_what_they_read() {
        for (line, state) in [
            ("darkstat -i wg0", State::Void),
            ("softflowd -i eth0 -n 127.0.0.1:2055", State::Ok),
            ("ntopng -i=tun17", State::Void),
            ("pmacctd -i any", State::Void),
            ("pmacctd -f /etc/pmacct/pmacctd.conf", State::Note),
            ("nlbwmon", State::Void),
            ("atop -R -w /var/log/atop/atop_1 600", State::Void),
            ("atop 10", State::Ok),
            ("snmpd -LOw", State::Note),
            ("telegraf", State::Unknown),
        ] {
            let [verdict, _] = both(&["/sbin/init", line]);
            assert!(verdict.state == state, "{line}: {}", verdict.what);
        }
    }

    #[test]
    fn a_collector_in_another_network_namespace_does_not_see_the_tunnel() {
        let (_folder, host) = host_with(&[
            ("/proc/self/ns/pid", "->pid:[4026531836]"),
            ("/proc/self/ns/net", "->net:[1]"),
            ("/proc/1/cmdline", "node_exporter\0"),
            ("/proc/1/ns/net", "->net:[2]"),
        ]);
        let tunnel = Tunnel::of(&[Pattern::of_name("wg0")], &[]);
        assert!(interfaces(&host, &Processes::of(&host), &tunnel).state == State::Ok);
    }

    #[test]
    fn sysstat_is_found_by_its_timer() {
        let (_folder, host) = host_with(&[(SYSSTAT_TIMER, "->/lib/systemd/system/sysstat-collect.timer")]);
        assert!(sysstat(&host).is_some());
    }
}
