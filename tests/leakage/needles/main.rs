//! Forensic needles: a running daemon is loaded with packets whose addresses and bytes are known, and
//! everything that it holds, keeps, answers and writes is searched for them, in many forms.
//!
//! `LEAKAGE_FORM=full` takes every tap over both links and 4,096 far addresses. Nothing here is a part
//! of the daemon, and nothing of it is known but its contract.

#[path = "../../netns/mod.rs"]
mod netns;
#[path = "../report/mod.rs"]
mod report;
#[path = "../wireguard/mod.rs"]
mod wireguard;

mod clocks;
mod finder;
mod forms;
mod image;
mod maps;
mod path;
mod plan;
mod run;
#[path = "../../support/mod.rs"]
mod support;
mod talk;
mod times;
mod traffic;
mod verdict;
mod writes;

use netns::daemon::PROGRAM;
use path::Link;
use report::{Form, Report};
use run::Setting;
use std::sync::{Mutex, PoisonError};

static REPORT: Report = Report::new("leakage_needles");

/// Held while a daemon is loaded or searched: a search takes a whole core, and the load as well.
static ALONE: Mutex<()> = Mutex::new(());

const fn setting(tap: &'static str, link: Link, traced: bool) -> Setting {
    Setting { program: PROGRAM, tap, link, traced, planted: None }
}

/// Every tap over every link, with threads stopped and with writes traced; or the few that tests take.
fn settings(form: Form) -> Vec<Setting> {
    let links = [Link::Tun, Link::WireGuard];
    match form {
        Form::Short => vec![
            setting("tcx", Link::Tun, false),
            setting("tcx", Link::Tun, true),
            setting("ring", Link::Tun, false),
            setting("tcx", Link::WireGuard, false),
        ],
        Form::Full => links
            .into_iter()
            .flat_map(|link| {
                ["tcx", "ring", "pnet"].map(|tap| [false, true].map(|traced| setting(tap, link, traced)))
            })
            .flatten()
            .collect(),
    }
}

#[test]
fn nothing_of_a_packet_and_nobody_who_has_gone_is_found_anywhere() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let form = report::form();
    let plan = plan::Plan::draw(report::seed(), form.choose(256, 4096));
    let finder = finder::Finder::new(&plan.needles());
    let mut all = Vec::new();
    for setting in settings(form) {
        let rows = verdict::rows(&setting, &plan, &run::run(&setting, &plan, &finder));
        REPORT.add(&rows);
        all.extend(rows);
    }
    report::hold(&all);
}

/// What the daemon must not keep is found where it is kept: every form of every needle, in any bytes.
#[test]
fn every_spelling_of_every_needle_is_found() {
    let plan = plan::Plan::draw(3, 64);
    let needles = plan.needles();
    let finder = finder::Finder::new(&needles);
    for needle in &needles {
        for spelling in &needle.spellings {
            let bytes = [&[0xee; 100], spelling.bytes.as_slice(), &[0xee; 100]].concat();
            let found = finder.find(&bytes);
            assert!(found.iter().any(|hit| (hit.kind, hit.number) == (needle.kind, needle.number)));
        }
    }
}
