//! The picture of `tests/leakage/week.svg`: one account's week, as a scraper of each exporter has it.
//!
//! Above, what the live per-peer exporter tells of the account; below, all that blindmeter tells in the
//! same week, in the same world. Its seed is fixed, so that the picture is the same in every run; it
//! shows, and judges nothing.

use super::exporter::{Change, Peer, scrape_steps};
use super::node::{MIDNIGHT, Node, PUBLISHED_AFTER};
use super::worlds::{AccountDay, DAY_SECONDS, STEPS, World};
use std::fmt::Write as _;

/// Whose week it is: an office worker, who is there in most of it.
const ACCOUNT: usize = 6;

const WORLD: World = World { seed: 5, accounts: 100 };

const DAYS: usize = 7;

/// The days before, for the band to be of something.
const BEFORE: usize = 6;

/// Scrapes that one bar of the week sums up: ten minutes.
const BAR_STEPS: usize = 40;

const LEFT: f64 = 24.0;
const DAY_WIDTH: f64 = 136.0;
const RIGHT: f64 = LEFT + DAY_WIDTH * DAYS as f64;

/// Where the bars of the exporter stand, and how high the highest is.
const ACTIVITY: (f64, f64) = (236.0, 120.0);

/// Where the bars of blindmeter stand.
const TOTALS: (f64, f64) = (484.0, 84.0);

/// The bands are refreshed when a Thursday begins.
const NAMES: [&str; DAYS] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

const HEAD: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 552" role="img" aria-labelledby="title" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">
<title id="title">One account's week, scraped every 15 seconds: a live per-peer exporter shows every session, blindmeter one noisy total of the whole node a day.</title>
<style>
.ground { fill: #ffffff; stroke: #d0d7de }
.ink { fill: #1f2328 }
.faint { fill: #59636e }
.rule { stroke: #d0d7de; fill: none }
.leak { stroke: #cf222e; fill: none }
.beat { stroke: #bc4c00; fill: none }
.blind { fill: #1a7f5a }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; stroke: #3d444d }
.ink { fill: #f0f6fc }
.faint { fill: #9198a1 }
.rule { stroke: #3d444d }
.leak { stroke: #ff7b72 }
.beat { stroke: #f0883e }
.blind { fill: #3fb98c }
}
</style>
<rect class="ground" x="0.5" y="0.5" width="999" height="551" rx="8"/>
"##;

/// What both scrapers have of the week.
struct Week {
    /// By scrape, of the account.
    exporter: Vec<Change>,
    /// By day, of the node: bytes both ways, as published.
    published: Vec<f64>,
    /// What support may see of the account in this week: at least, and below.
    band: [Option<u64>; 2],
    /// Series of blindmeter's page that name the account.
    series: usize,
}

fn live() -> Week {
    let mut node = Node::new(WORLD.accounts, WORLD.seed, None);
    let mut peer = Peer::default();
    let mut week = Week { exporter: Vec::new(), published: Vec::new(), band: [None; 2], series: 0 };
    node.pass_until(MIDNIGHT + u64::from(DAY_SECONDS));
    for day in 0..BEFORE + DAYS {
        let truths: Vec<AccountDay> = (0..WORLD.accounts).map(|account| WORLD.day(account, day)).collect();
        for (account, truth) in truths.iter().enumerate() {
            truth.moved.iter().for_each(|piece| node.count(account, piece.up, piece.down));
        }
        let changes = scrape_steps(&mut peer, &truths[ACCOUNT], day + 1, 0..STEPS);
        if day == BEFORE {
            node.pass(u64::from(DAY_SECONDS) / 2);
            week.band = node.band(ACCOUNT);
        }
        node.pass_until(MIDNIGHT + (day as u64 + 2) * u64::from(DAY_SECONDS));
        node.pass(PUBLISHED_AFTER);
        node.scrape();
        if day >= BEFORE {
            week.exporter.extend(changes);
            week.published.push(node.page().released().iter().sum());
            week.series += usize::from(node.page().of_account(ACCOUNT).is_some());
        }
    }
    week
}

/// Where a bar of the week is.
fn at(bar: usize) -> f64 {
    LEFT + DAY_WIDTH * (bar * BAR_STEPS) as f64 / STEPS as f64
}

/// Height of bytes on a scale of powers, from ten kilobytes to half a gigabyte.
fn height(bytes: f64) -> f64 {
    ((bytes / 1e4).max(1.0).log10() / 4.8).min(1.0) * ACTIVITY.1
}

fn gib(bytes: f64) -> f64 {
    bytes / (1_u64 << 30) as f64
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, more: &str, words: &str) {
    writeln!(svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}"{more}>{words}</text>"#).expect("memory");
}

/// Draws the week.
pub(crate) fn draw() -> String {
    let week = live();
    let mut svg = HEAD.to_owned();
    let heading = r#" font-size="16" font-weight="600""#;
    text(&mut svg, "ink", LEFT, 34.0, heading, "A live per-peer exporter, scraped every 15 s");
    above(&mut svg, &week);
    writeln!(svg, r#"<path class="rule" d="M0 312H1000"/>"#).expect("memory");
    text(&mut svg, "ink", LEFT, 344.0, heading, "blindmeter, the same account in the same week");
    below(&mut svg, &week);
    svg + "</svg>\n"
}

fn days(svg: &mut String, top: f64, base: f64) {
    for (day, name) in NAMES.iter().enumerate() {
        let x = LEFT + DAY_WIDTH * day as f64;
        text(svg, "faint", x + DAY_WIDTH / 2.0, top, r#" text-anchor="middle""#, name);
        writeln!(svg, r#"<path class="rule" d="M{x:.1} {:.1}V{base:.1}"/>"#, top + 8.0).expect("memory");
    }
    writeln!(svg, r#"<path class="rule" d="M{RIGHT:.1} {:.1}V{base:.1}H{LEFT:.1}"/>"#, top + 8.0)
        .expect("memory");
}

fn above(svg: &mut String, week: &Week) {
    let (mut bars, mut beats, mut sessions, mut online) = (String::new(), String::new(), 0, false);
    for (bar, changes) in week.exporter.chunks(BAR_STEPS).enumerate() {
        let bytes: f64 = changes.iter().map(|change| change.up + change.down).sum();
        let x = at(bar) + DAY_WIDTH * BAR_STEPS as f64 / STEPS as f64 / 2.0;
        if bytes > 0.0 {
            write!(bars, "M{x:.1} {:.1}v-{:.1}", ACTIVITY.0, height(bytes).max(2.0)).expect("memory");
        }
        if changes.iter().any(|change| change.handshake > 0.0) {
            write!(beats, "M{x:.1} 246v8").expect("memory");
        }
        sessions += usize::from(bytes > 0.0 && !online);
        online = bytes > 0.0;
    }
    let words = format!(
        "Bytes of one account in each ten minutes (logarithmic): {sessions} stretches online, each with its \
         beginning, end and volume."
    );
    text(svg, "faint", LEFT, 56.0, "", &words);
    days(svg, 84.0, ACTIVITY.0);
    writeln!(svg, r#"<path class="leak" stroke-width="0.9" d="{bars}"/>"#).expect("memory");
    writeln!(svg, r#"<path class="beat" stroke-width="0.9" d="{beats}"/>"#).expect("memory");
    let words = "Latest handshake: while the tunnel is in use, every two minutes.";
    text(svg, "faint", LEFT, 274.0, "", words);
    text(svg, "faint", LEFT, 294.0, "", "An account is a label, so each of the others has such a week too.");
}

fn below(svg: &mut String, week: &Week) {
    let words = format!(
        "Bytes of all {} accounts together, one noisy total a day, ten minutes after its end. Series of this account: {}.",
        WORLD.accounts, week.series
    );
    text(svg, "faint", LEFT, 366.0, "", &words);
    days(svg, 386.0, TOTALS.0);
    let most = week.published.iter().copied().fold(1.0, f64::max);
    for (day, bytes) in week.published.iter().enumerate() {
        let (x, high) = (LEFT + DAY_WIDTH * day as f64 + 1.0, (bytes.max(0.0) / most) * (TOTALS.1 - 22.0));
        writeln!(
            svg,
            r#"<rect class="blind" x="{x:.1}" y="{:.1}" width="{:.1}" height="{high:.1}"/>"#,
            TOTALS.0 - high,
            DAY_WIDTH - 2.0,
        )
        .expect("memory");
        let middle = x + DAY_WIDTH / 2.0;
        let words = format!("{:.0} GiB", gib(*bytes));
        text(svg, "ink", middle, TOTALS.0 - high - 6.0, r#" text-anchor="middle""#, &words);
    }
    let [least, below] = week.band;
    let words = match (least, below) {
        (Some(0) | None, _) => "less than 1 GiB, or unused".to_owned(),
        (Some(least), Some(below)) => format!("{:.1} to {:.1} GiB", gib(least as f64), gib(below as f64)),
        (Some(least), None) => format!("{:.0} GiB or more", gib(least as f64)),
    };
    let words = format!("What support may look up, the same all week: {words} since the period began.");
    text(svg, "faint", LEFT, 508.0, "", &words);
    text(svg, "faint", LEFT, 528.0, "", "When, and on which days, is nowhere.");
}
