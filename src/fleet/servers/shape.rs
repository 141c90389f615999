//! How servers stand to each other: which functions they run, what their clocks say, who belongs to whom, and where the
//! one file is that they write.

use super::super::cluster::Access;
use super::asked::Asked;
use super::finding::Finding;
use super::install::rendered;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use std::collections::BTreeSet;

/// How addresses begin that no other host can reach.
const LOOPBACK: [&str; 2] = ["127.", "[::1]:"];

/// Clocks that differ by more seconds are told.
const CLOCKS_SECONDS: u64 = 120;

/// Fewest masters of a cluster that survives the loss of one.
const FEWEST_MASTERS: usize = 3;

/// Percent of its memory in use, from which it is told.
const FULL_PERCENT: u64 = 80;

/// What is wrong with a server's functions.
pub(super) fn functions(asked: &Asked, access: &Access) -> Vec<Finding> {
    let void = |what: &str, does: &str, remedy: &str| Finding::void(&asked.address, what, does, remedy);
    let mut findings = Vec::new();
    let install = "run `blindmeter fleet install`";
    match &asked.identity {
        Err(trouble) => findings.push(void("functions", &trouble.to_string(), install)),
        Ok(identity) if *identity != access.identity() => findings.push(void(
            "functions",
            "are of another version, fleet or cluster",
            "compare [fleet] key_file and the order of [[fleet.cluster]], then run `blindmeter fleet install`",
        )),
        Ok(identity) => {
            let code = asked.libraries.iter().find(|(name, _)| name == "blindmeter").map(|(_, code)| code.as_str());
            let names = code.and_then(names).unwrap_or_default();
            if code != Some(rendered(identity, names).as_str()) {
                findings.push(void("functions", "are not those of this version: somebody changed them", install));
            }
        }
    }
    for (name, _) in asked.libraries.iter().filter(|(name, _)| name != "blindmeter") {
        let remedy = "remove it (FUNCTION DELETE), or give it servers of its own";
        findings.push(void(
            &format!("library {name}"),
            "runs beside blindmeter's, and reads what it keeps",
            remedy,
        ));
    }
    for name in &asked.modules {
        findings.push(void(
            &format!("module {name}"),
            "is loaded: a program that may read all it keeps",
            "remove `loadmodule` from its settings, and restart it",
        ));
    }
    if !asked.commands.is_empty() {
        findings.push(void(
            &format!("commands {}", asked.commands.join(" ")),
            "can be called by whoever gets the right to: they show keys, values, dates or traffic, or write files",
            "remove or rename them, as deploy/fleet/server.conf and its secrets.conf do",
        ));
    }
    findings
}

/// What stands behind the names of commands in these functions.
fn names(code: &str) -> Option<&str> {
    code.lines().find_map(|line| line.strip_prefix("local NAMES = '")?.strip_suffix('\''))
}

/// What a server's own answers tell of its place among the others. `now` is our clock.
pub(super) fn place(asked: &Asked, now: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    if asked.clock.is_none_or(|clock| clock.abs_diff(now) > CLOCKS_SECONDS) {
        let does = "differs from this host's by more than two minutes";
        findings.push(Finding::void(
            &asked.address,
            "clock",
            does,
            "set both right: timedatectl set-ntp true",
        ));
    }
    if !is_in_memory(asked) {
        findings.push(Finding::void(
            &asked.address,
            &format!("dir = \"{}\"", asked.folder),
            "nodes.conf is written to a disk, with the time of each change of the cluster",
            "put its folder on a tmpfs, as deploy/fleet/blindmeter-fleet@.service does (/run)",
        ));
    }
    if asked.is_linked == Some(false) {
        let does = "has not caught up with its master: if that fails now, nodes must send again";
        findings.push(Finding::note(&asked.address, "replica", does, "look at the logs of both"));
    }
    let full = asked.memory.filter(|(used, limit)| *limit > 0 && used * 100 > limit * FULL_PERCENT);
    if full.is_some() {
        let does = "more than 80 % of maxmemory are in use";
        findings.push(Finding::note(
            &asked.address,
            "memory",
            does,
            "see docs/fleet.md for what to do beyond",
        ));
    }
    findings
}

fn is_in_memory(asked: &Asked) -> bool {
    // A folder of this host can be looked at; of another one its name alone is known.
    match statfs(asked.folder.as_str()) {
        Ok(found) if is_here(&asked.address) => found.filesystem_type() == TMPFS_MAGIC,
        _ => asked.folder.starts_with("/run/") || asked.folder.starts_with("/dev/shm/"),
    }
}

/// True of a server on this host that others cannot reach.
pub(super) fn is_here(address: &str) -> bool {
    LOOPBACK.iter().any(|here| address.starts_with(here))
}

/// What is wrong between the servers of a cluster.
pub(super) fn between(all: &[Asked]) -> Vec<Finding> {
    let Some(first) = all.first() else { return Vec::new() };
    let ids = |asked: &Asked| -> BTreeSet<String> {
        asked.members.iter().map(|member| member.id.clone()).collect()
    };
    let agreed = ids(first);
    let differ = all.iter().filter(|asked| ids(asked) != agreed).map(|asked| {
        Finding::void(
            &asked.address,
            "members",
            "knows other members than the first server does: it belongs to two clusters, or to another one",
            "take it out (CLUSTER RESET) and join it anew, as docs/fleet.md shows",
        )
    });
    let mut findings: Vec<Finding> = differ.collect();
    let masters: Vec<_> = first.members.iter().filter(|member| member.has_slots && !member.is_lost).collect();
    if masters.len() < FEWEST_MASTERS {
        let does = "with fewer than three masters, nobody takes over for one that fails";
        findings.push(Finding::note(
            &first.address,
            "masters",
            does,
            "join more servers, as docs/fleet.md shows",
        ));
    }
    for master in masters {
        let follows = |id: &Option<String>| id.as_ref() == Some(&master.id);
        if !first.members.iter().any(|member| follows(&member.follows) && !member.is_lost) {
            let does = "has no replica: its part is lost with it, until nodes send again";
            findings.push(Finding::note(
                &master.address,
                "replica",
                does,
                "join one, as docs/fleet.md shows",
            ));
        }
    }
    findings
}
