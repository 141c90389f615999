//! Layer 2 of the leakage harness: games.
//!
//! An adversary is given what one surface shows, and asked something that it must not tell. The same
//! attack is run on a live per-peer exporter in the same worlds: where it does not succeed there, the
//! run is invalid, for an attack that finds nothing anywhere proves nothing.
//! `tests/leakage/README.md` says what each game asks, and what none of them can show.

#[path = "../../audit/interval.rs"]
mod interval;
#[path = "../exporter/mod.rs"]
mod peers;
#[path = "../report/mod.rs"]
mod report;
#[path = "../sim/mod.rs"]
mod sim;

mod boundaries;
mod clusters;
mod distributions;
mod existence;
mod exporter;
mod flags;
mod fleet;
mod history;
mod learners;
mod linking;
mod membership;
mod minutes;
mod node;
mod picture;
mod prior;
mod regressions;
mod restarts;
mod scraper;
mod series;
mod statistics;
#[path = "../../support/mod.rs"]
mod support;
mod threads;
mod verdict;
mod views;
mod watchers;
mod watermark;
mod worlds;

static REPORT: report::Report = report::Report::new("leakage_games");

/// G1, G2 and G4, and the simulation at scale.
#[test]
fn scrapes_tell_nothing_of_when_and_name_nobody() {
    REPORT.judge(&scraper::play(report::seed(), report::form()));
}

/// G3.
#[test]
fn a_day_of_one_account_is_told_as_well_as_the_formula_says() {
    REPORT.judge(&membership::play(report::seed(), report::form()));
}

/// G5.
#[test]
fn a_watermark_is_lost_in_totals_of_a_day() {
    REPORT.judge(&[watermark::play(report::seed(), report::form())]);
}

/// G6.
#[test]
fn restarts_and_clock_jumps_make_no_second_value() {
    REPORT.judge(&[restarts::play(report::seed(), report::form())]);
}

/// G7 and G8, simulated.
#[test]
fn directory_and_log_are_the_same_whenever_users_come() {
    REPORT.judge(&watchers::play(report::seed(), report::form()));
}

/// G9.
#[test]
fn no_series_tells_more_of_an_account_than_its_budget() {
    REPORT.judge(&series::play(report::seed(), report::form()));
}

/// G10.
#[test]
fn no_answer_tells_who_exists() {
    REPORT.judge(&[existence::play(report::seed(), report::form())]);
}

/// G11.
#[test]
fn a_year_of_flag_counts_tells_no_more_of_an_account_than_their_budget() {
    REPORT.judge(&flags::play(report::seed(), report::form()));
}

/// G12.
#[test]
fn one_cluster_of_a_fleet_tells_nothing_of_an_account_and_both_no_more_than_is_said() {
    REPORT.judge(&fleet::play(report::seed(), report::form()));
}

/// `LEAKAGE_PICTURE=write` draws it anew.
#[test]
fn the_picture_of_a_week_is_what_the_harness_draws() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/leakage/week.svg");
    let drawn = picture::draw();
    if std::env::var("LEAKAGE_PICTURE").as_deref() == Ok("write") {
        std::fs::write(path, &drawn).expect("the picture can be written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == drawn,
        "tests/leakage/week.svg is another picture: LEAKAGE_PICTURE=write draws it anew"
    );
}
