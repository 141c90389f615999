//! Check 8: who else records packets or flows of the tunnel.
//!
//! Finds packet sockets, NFLOG and conntrack, but not a BPF program or a mirror attached to the
//! interface.
//!
//! # Source
//! net/packet/af_packet.c (/proc/net/packet), net/netlink/af_netlink.c (/proc/net/netlink),
//! net/netfilter/nfnetlink_log.c, include/uapi/linux/netfilter/nfnetlink.h (groups);
//! Documentation/networking/nf_conntrack-sysctl.rst.

use super::host::{Host, Unreadable};
use super::processes::Processes;
use super::subject::{Daemon, Facts};
use super::verdict::{Finding, Verdict};
use super::watched::{Tunnel, is_glob};
use std::collections::BTreeMap;

/// Protocols of packet sockets that an IP packet can reach: all, IPv4, IPv6 and both VLAN tags.
const CARRYING_IP: [u16; 5] = [0x0003, 0x0800, 0x86dd, 0x8100, 0x88a8];

/// NETLINK_NETFILTER, and its groups for new, updated and destroyed connections.
const NETFILTER: &str = "12";
const CONNECTION_EVENTS: u32 = 0b111;

/// Check 8.
pub(super) fn captures(
    host: &Host,
    processes: &Processes,
    tunnel: &Tunnel,
    facts: &Facts,
    daemon: Option<&Daemon>,
) -> Verdict {
    let mut findings = Vec::new();
    let mut add = |found: Result<Vec<Finding>, Unreadable>| match found {
        Ok(found) => findings.extend(found),
        Err(unreadable) => findings.push(unreadable.into()),
    };
    add(conntrack(host));
    add(nflog(host, processes));
    add(event_listeners(host, processes));
    add(packet_sockets(host, processes, tunnel, facts, daemon));
    add(Ok(missing(tunnel, facts)));
    Verdict::of(8, "captures", "nobody else records the tunnel's packets or flows", findings)
}

fn conntrack(host: &Host) -> Result<Vec<Finding>, Unreadable> {
    let mut found = Vec::new();
    for (setting, what) in
        [("nf_conntrack_acct", "counts the bytes"), ("nf_conntrack_timestamp", "keeps the times")]
    {
        let value = host.kernel_text(&format!("/proc/sys/net/netfilter/{setting}"))?;
        if value.is_some_and(|value| value.trim() != "0") {
            let what = format!("conntrack {what} of every connection (net.netfilter.{setting})");
            let remedy = format!("sysctl -w net.netfilter.{setting}=0, and the same in /etc/sysctl.d");
            found.push(Finding::void(what, remedy));
        }
    }
    Ok(found)
}

fn nflog(host: &Host, processes: &Processes) -> Result<Vec<Finding>, Unreadable> {
    let table = host.kernel_text("/proc/net/netfilter/nfnetlink_log")?.unwrap_or_default();
    let reader = |line: &str| {
        let mut fields = line.split_whitespace();
        let group = fields.next()?.parse::<u16>().ok()?;
        // A reader's port is its process number, unless it has several sockets.
        let port = fields.next()?.parse::<u32>().ok()?;
        let process = processes.list.iter().find(|process| process.pid == port);
        let who = process.map_or_else(|| "a process".to_owned(), super::processes::Process::shown);
        let what = format!("{who} reads the packets of NFLOG group {group}");
        Some(Finding::void(what, "stop it, and remove the firewall's NFLOG rules"))
    };
    Ok(table.lines().filter_map(reader).collect())
}

fn event_listeners(host: &Host, processes: &Processes) -> Result<Vec<Finding>, Unreadable> {
    let table = host.kernel_text("/proc/net/netlink")?.unwrap_or_default();
    let mut inodes = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(protocol), Some(groups), Some(inode)) = (fields.get(1), fields.get(3), fields.last())
        else {
            continue;
        };
        let groups = u32::from_str_radix(groups, 16).unwrap_or(0);
        if *protocol == NETFILTER && groups & CONNECTION_EVENTS != 0 {
            inodes.push((*inode).to_owned());
        }
    }
    let owners = Owners::of(host, processes, &inodes);
    let listener = |inode: &String| {
        let who = owners.shown(inode, None).unwrap_or_else(|| "a process not visible here".to_owned());
        let what = format!("{who} receives conntrack events of every connection");
        Finding::void(what, "stop it (conntrackd, ulogd, conntrack -E)")
    };
    Ok(inodes.iter().map(listener).collect())
}

/// A packet socket that IP packets of the tunnel reach.
struct PacketSocket {
    interfaces: String,
    inode: String,
}

fn packet_sockets(
    host: &Host,
    processes: &Processes,
    tunnel: &Tunnel,
    facts: &Facts,
    daemon: Option<&Daemon>,
) -> Result<Vec<Finding>, Unreadable> {
    let table = host.kernel_text("/proc/net/packet")?.unwrap_or_default();
    let sockets: Vec<PacketSocket> =
        table.lines().skip(1).filter_map(|line| packet_socket(line, tunnel, facts)).collect();
    let inodes: Vec<String> = sockets.iter().map(|socket| socket.inode.clone()).collect();
    let owners = Owners::of(host, processes, &inodes);
    let mut found = Vec::new();
    for PacketSocket { interfaces, inode } in &sockets {
        let what = match owners.shown(inode, daemon) {
            Some(others) if others.is_empty() => continue,
            Some(others) => format!("{others} captures {interfaces}"),
            None if owners.all_seen => format!("a process not visible here captures {interfaces}"),
            None => {
                let what = format!("who holds a packet socket on {interfaces}");
                found.push(Finding::unknown(what, "run as root"));
                continue;
            }
        };
        found.push(Finding::void(what, "stop it, or have it capture another interface"));
    }
    Ok(found)
}

/// Columns: address, references, kind, protocol, interface, running, memory, user, inode.
fn packet_socket(line: &str, tunnel: &Tunnel, facts: &Facts) -> Option<PacketSocket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let protocol = u16::from_str_radix(fields.get(3)?, 16).ok()?;
    let index: u32 = fields.get(4)?.parse().ok()?;
    let is_running = *fields.get(5)? != "0";
    if !is_running || !CARRYING_IP.contains(&protocol) {
        return None;
    }
    let interfaces = if index == 0 {
        "every interface".to_owned()
    } else {
        let (_, name) = facts.links.iter().find(|(found, _)| *found == index)?;
        tunnel.patterns_where(|watched| watched == name).first()?.clone()
    };
    Some(PacketSocket { interfaces, inode: (*fields.last()?).to_owned() })
}

/// Interfaces configured by name that are not here; those of a glob come and go.
fn missing(tunnel: &Tunnel, facts: &Facts) -> Vec<Finding> {
    let is_here = |name: &str| facts.links.iter().any(|(_, found)| found == name);
    let absent = tunnel.patterns().into_iter().filter(|name| !is_glob(name) && !is_here(name));
    let absent: Vec<String> = absent.collect();
    if absent.is_empty() {
        return Vec::new();
    }
    let what = format!("{} is not in this network namespace", absent.join(", "));
    vec![Finding::unknown(what, "run doctor in the interface's network namespace while the interface exists")]
}

/// Who holds the sockets of these inodes.
struct Owners {
    /// Process numbers and names by inode.
    by_inode: BTreeMap<String, Vec<(u32, String)>>,
    /// True when the descriptors of every process could be listed.
    all_seen: bool,
}

impl Owners {
    fn of(host: &Host, processes: &Processes, inodes: &[String]) -> Self {
        let mut owners = Self { by_inode: BTreeMap::new(), all_seen: processes.gap.is_none() };
        if inodes.is_empty() {
            return owners;
        }
        for process in &processes.list {
            let folder = format!("/proc/{}/fd", process.pid);
            let Ok(descriptors) = host.names(&folder) else {
                owners.all_seen = false;
                continue;
            };
            for descriptor in descriptors {
                let link = host.link(&format!("{folder}/{descriptor}")).ok().flatten().unwrap_or_default();
                let inode = link.strip_prefix("socket:[").and_then(|link| link.strip_suffix(']'));
                let Some(inode) = inode.filter(|inode| inodes.iter().any(|wanted| wanted == inode)) else {
                    continue;
                };
                let held = owners.by_inode.entry(inode.to_owned()).or_default();
                if held.iter().all(|(pid, _)| *pid != process.pid) {
                    held.push((process.pid, process.shown()));
                }
            }
        }
        owners
    }

    /// Who holds a socket besides the daemon: empty if only the daemon does, none if nobody is known to.
    fn shown(&self, inode: &str, daemon: Option<&Daemon>) -> Option<String> {
        let held = self.by_inode.get(inode)?;
        let others = held.iter().filter(|(pid, _)| daemon.is_none_or(|daemon| daemon.pid != *pid));
        Some(others.map(|(_, shown)| shown.as_str()).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::subject::ClockState;
    use super::super::verdict::State;
    use super::*;
    use crate::config::Pattern;

    const PACKET: &str = "sk RefCnt Type Proto Iface R Rmem User Inode\n";
    const NETLINK: &str = "sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode\n";
    const DAEMON: Daemon = Daemon { pid: 7, uid: 0 };

    fn said(files: &[(&str, &str)]) -> Verdict {
        let base = [
            ("/proc/sys/kernel/osrelease", "6.1.0"),
            ("/proc/self/ns/pid", "->pid:[4026531836]"),
            ("/proc/1/cmdline", "init\0"),
            ("/proc/1/fd/", ""),
            ("/proc/7/cmdline", "blindmeter\0run\0"),
            ("/proc/7/comm", "blindmeter\n"),
            ("/proc/7/fd/3", "->socket:[300]"),
            ("/proc/9/cmdline", "tcpdump\0-i\0wg0\0"),
            ("/proc/9/comm", "tcpdump\n"),
            ("/proc/9/fd/3", "->socket:[301]"),
            ("/proc/9/fd/4", "->socket:[401]"),
        ];
        let files: Vec<_> = base.iter().chain(files).copied().collect();
        let (_folder, host) = host_with(&files);
        let links = vec![(2, "eth0".to_owned()), (5, "wg0".to_owned()), (6, "tun3".to_owned())];
        let tunnel = Tunnel::of(&["wg0", "tun*"].map(Pattern::of_name), &links);
        let facts = Facts { links, clock: ClockState::Synchronised };
        captures(&host, &Processes::of(&host), &tunnel, &facts, Some(&DAEMON))
    }

    #[test]
    fn a_packet_socket_is_judged_by_interface_protocol_and_owner() {
        for (line, expected, what) in [
            ("a 3 3 0003 5 1 0 0 301", State::Void, "tcpdump (pid 9) captures wg0"),
            ("a 3 3 0003 6 1 0 0 301", State::Void, "tcpdump (pid 9) captures tun*"),
            ("a 3 3 0800 0 1 0 0 301", State::Void, "tcpdump (pid 9) captures every interface"),
            ("a 3 3 0003 5 1 0 0 999", State::Void, "a process not visible here captures wg0"),
            ("a 3 3 0003 5 1 0 0 300", State::Ok, "nobody"),
            ("a 3 3 0003 2 1 0 0 301", State::Ok, "nobody"),
            ("a 3 3 0000 5 1 0 0 301", State::Ok, "nobody"),
            ("a 3 3 88cc 5 1 0 0 301", State::Ok, "nobody"),
            ("a 3 3 0003 5 0 0 0 301", State::Ok, "nobody"),
        ] {
            let verdict = said(&[("/proc/net/packet", &format!("{PACKET}{line}\n"))]);
            assert!(verdict.state == expected && verdict.what.contains(what), "{line}: {}", verdict.what);
        }
    }

    #[test]
    fn a_socket_that_the_daemon_shares_is_somebody_elses() {
        let packet = format!("{PACKET}a 3 3 0003 5 1 0 0 300\n");
        let verdict = said(&[("/proc/net/packet", &packet), ("/proc/9/fd/9", "->socket:[300]")]);
        assert_eq!(verdict.what, "tcpdump (pid 9) captures wg0");
    }

    #[test]
    fn a_socket_whose_owner_cannot_be_seen_is_not_passed_as_good() {
        let packet = format!("{PACKET}a 3 3 0003 5 1 0 0 999\n");
        // From another PID namespace the owner may be the daemon as well as anybody else.
        let verdict = said(&[("/proc/net/packet", &packet), ("/proc/self/ns/pid", "->pid:[1]")]);
        assert!(verdict.state == State::Unknown, "{}", verdict.what);
        assert!(verdict.what.contains("who holds a packet socket on wg0"), "{}", verdict.what);
    }

    #[test]
    fn flows_and_logs_are_found() {
        let listener = format!("{NETLINK}a 12 9 00000005 0 0 0 2 0 401\n");
        let others = format!("{NETLINK}a 12 9 00000008 0 0 0 2 0 401\nb 0 9 00000007 0 0 0 2 0 401\n");
        for (file, text, expected, what) in [
            ("/proc/sys/net/netfilter/nf_conntrack_acct", "1\n", State::Void, "counts the bytes"),
            ("/proc/sys/net/netfilter/nf_conntrack_acct", "0\n", State::Ok, "nobody"),
            ("/proc/sys/net/netfilter/nf_conntrack_timestamp", "1\n", State::Void, "keeps the times"),
            (
                "/proc/net/netfilter/nfnetlink_log",
                "    1      9     0 2 65535    100  1\n",
                State::Void,
                "tcpdump (pid 9)",
            ),
            ("/proc/net/netfilter/nfnetlink_log", "", State::Ok, "nobody"),
            (
                "/proc/net/netlink",
                &listener,
                State::Void,
                "tcpdump (pid 9) receives conntrack events of every connection",
            ),
            ("/proc/net/netlink", &others, State::Ok, "nobody"),
        ] {
            let verdict = said(&[(file, text)]);
            assert!(verdict.state == expected && verdict.what.contains(what), "{file}: {}", verdict.what);
        }
    }

    #[test]
    fn a_named_interface_that_is_not_here_is_said_and_a_globs_is_not() {
        let facts = Facts { links: Vec::new(), clock: ClockState::Synchronised };
        let of = |patterns: &[&str]| {
            let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::of_name(text)).collect();
            missing(&Tunnel::of(&patterns, &facts.links), &facts).len()
        };
        assert_eq!((of(&["wg0", "tun*"]), of(&["tun*"])), (1, 0));
    }
}
