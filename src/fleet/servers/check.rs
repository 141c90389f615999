//! What a cluster's servers would keep or let through, against what is promised: each setting, user and program that does,
//! on every member. Changes nothing.

use super::super::cluster::Access;
use super::super::trouble::Trouble;
use super::asked::Asked;
use super::finding::{Finding, State};
use super::{members, settings, shape, users};

/// What was found on a cluster.
pub struct Report {
    /// How many servers answered.
    pub servers: usize,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// True where something of this kind was found.
    #[must_use]
    pub fn has(&self, state: State) -> bool {
        self.findings.iter().any(|finding| finding.state == state)
    }
}

/// Looks at every server of a cluster. `now` is this host's clock, in seconds.
///
/// # Errors
/// When none of the named servers answers, or the checker may not look.
pub fn check(access: &Access, now: u64) -> Result<Report, Trouble> {
    let mut findings = Vec::new();
    let mut all = Vec::new();
    for member in members(access)? {
        match Asked::of(access, &member.address) {
            Ok(asked) => all.push(asked),
            Err(Trouble::Permission) => return Err(Trouble::Permission),
            Err(Trouble::LogIn) => findings.push(Finding::void(
                &member.address,
                "server",
                "belongs to the cluster and refuses the log-in: it is another one's, or has other users",
                "take it out of the cluster (CLUSTER FORGET on the others), or install its users.acl",
            )),
            // What is lost and answers for nothing is what a failover leaves.
            Err(_) if member.is_lost && !member.has_slots => {}
            Err(trouble) => findings.push(Finding::new(
                State::Unknown,
                &member.address,
                "server",
                &trouble.to_string(),
                "start it, or take it out of the cluster (CLUSTER FORGET on the others)",
            )),
        }
    }
    for asked in &all {
        findings.extend(settings::findings(&asked.address, &asked.settings, shape::is_here(&asked.address)));
        findings.extend(users::findings(asked));
        findings.extend(shape::functions(asked, access));
        findings.extend(shape::place(asked, now));
    }
    findings.extend(shape::between(&all));
    let mut report = Report { servers: all.len(), findings: Vec::new() };
    findings.into_iter().for_each(|finding| report.add(finding));
    report.findings.sort_by_key(|finding| finding.state);
    Ok(report)
}

impl Report {
    /// What is wrong alike on several servers is told once.
    fn add(&mut self, finding: Finding) {
        let is_same = |other: &&mut Finding| {
            (other.state, &other.what, &other.does) == (finding.state, &finding.what, &finding.does)
        };
        match self.findings.iter_mut().find(is_same) {
            Some(same) => same.servers.extend(finding.servers),
            None => self.findings.push(finding),
        }
    }
}
