//! The picture of docs/flags.svg: an account's days as the flags see them, with two scores and their thresholds.
//!
//! The days are generated, and nobody's; what is drawn of them is the product's own.

use crate::sums;
use blindmeter::meter::flags::constants::{DAY, STRICT_DAY};
use blindmeter::meter::flags::detector::Detector;
use blindmeter::meter::flags::kind::Kind;
use blindmeter::meter::units::Totals;
use std::fmt::Write as _;

/// Days before the first that is drawn: what is usual is known by then.
const BEFORE: usize = 20;
const DAYS: usize = 60;

const LEFT: f64 = 84.0;
const RIGHT: f64 = 976.0;
const STEP: f64 = (RIGHT - LEFT) / DAYS as f64;

/// Where the bars of a day begin and end.
const VOLUMES: (f64, f64) = (210.0, 128.0);
const SURGE: (f64, f64) = (338.0, 72.0);
const DRIFT: (f64, f64) = (466.0, 72.0);

/// The highest bar, in GB.
const MOST_GB: f64 = 32.0;

const HEAD: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 540" role="img" aria-labelledby="title" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">
<title id="title">Sixty made-up days of one account: one busy day raises no flag, four in a row raise surge, and nine days of raised uploads raise updrift.</title>
<style>
.ground { fill: #ffffff; stroke: #d0d7de }
.ink { fill: #1f2328 }
.faint { fill: #59636e }
.rule { stroke: #d0d7de; fill: none }
.down { fill: #afb8c1 }
.up { fill: #0969da }
.score { stroke: #1f2328; fill: none; stroke-width: 1.6; stroke-linejoin: round }
.limit { stroke: #cf222e; fill: none; stroke-dasharray: 5 4 }
.limits { fill: #cf222e }
.shown { fill: #fff1d6 }
.mark { fill: #cf222e }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; stroke: #3d444d }
.ink { fill: #f0f6fc }
.faint { fill: #9198a1 }
.rule { stroke: #3d444d }
.down { fill: #545d68 }
.up { fill: #4493f8 }
.score { stroke: #f0f6fc }
.limit { stroke: #ff7b72 }
.limits { fill: #ff7b72 }
.shown { fill: #3a2d12 }
.mark { fill: #ff7b72 }
}
</style>
<rect class="ground" x="0.5" y="0.5" width="999" height="539" rx="8"/>
"##;

/// Of the strict preset, as docs/flags.md has it.
const DRIFT_THRESHOLD: f64 = 4.34;

/// A day, and what became of the account's flags at its end.
struct Judged {
    /// Up and down.
    bytes: [u64; 2],
    /// The scores of `surge` and `updrift`, and the thresholds in force.
    scores: [(f64, f64); 2],
    shown: [bool; 2],
    raised: [bool; 2],
}

const KINDS: [Kind; 2] = [Kind::Surge, Kind::UploadDrift];

/// Between 0 and 1, of a generator of its own.
fn next(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few gigabytes")]
fn day(at: usize, state: &mut u64) -> Totals {
    let normal = (0..12).map(|_| next(state)).sum::<f64>() - 6.0;
    let busy = libm::exp(0.28 * normal) * if at % 7 >= 5 { 1.25 } else { 1.0 };
    let times = match at.checked_sub(BEFORE) {
        Some(9) => 9.0,
        Some(20..=23) => 8.0,
        _ => 1.0,
    };
    let down = 2.4e9 * busy * times;
    let more = if at.checked_sub(BEFORE).is_some_and(|at| (42..51).contains(&at)) { 1.5e9 } else { 0.0 };
    let up = 0.09 * down + more * (0.8 + 0.4 * next(state));
    let packets = |bytes: f64, size: f64| (bytes / size) as u64;
    let (sent, answered) = (packets(down, 2000.0) + packets(more, 1200.0), packets(down, 1200.0));
    sums([up as u64, sent], [down as u64, answered + packets(more, 2600.0)])
}

fn judged() -> Vec<Judged> {
    let mut detector = Detector::new(&DAY, &STRICT_DAY, 1);
    let surge = STRICT_DAY.surge.as_ref().expect("days have surges");
    let (mut state, mut days) = (7, Vec::new());
    for at in 0..BEFORE + DAYS {
        let sums = day(at, &mut state);
        let thresholds = [detector.mirror().threshold(surge), DRIFT_THRESHOLD];
        let mut raised = [false; 2];
        detector.close(
            false,
            |_| sums,
            |_, kind, _| {
                raised.iter_mut().zip(KINDS).for_each(|(raised, of)| *raised |= of == kind);
            },
        );
        let baseline = detector.baseline(0).expect("an account");
        let [surge, _, drift, _] = baseline.sums();
        days.push(Judged {
            bytes: [sums.up.bytes, sums.down.bytes],
            scores: [(surge, thresholds[0]), (drift, thresholds[1])],
            shown: KINDS.map(|kind| baseline.shows(kind)),
            raised,
        });
    }
    days.split_off(BEFORE)
}

fn text(svg: &mut String, class: &str, (x, y): (f64, f64), more: &str, words: &str) {
    writeln!(svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}"{more}>{words}</text>"#).expect("memory");
}

const BOLD: &str = r#" font-weight="600""#;
const END: &str = r#" text-anchor="end""#;

/// Draws the days.
pub(crate) fn draw() -> String {
    let days = judged();
    let mut svg = HEAD.to_owned();
    let title = r#" font-size="16" font-weight="600""#;
    text(&mut svg, "ink", (24.0, 34.0), title, "Sixty days of one account, as its flags see them");
    volumes(&mut svg, &days);
    let words = "surge: two days or more far above the account's own usual volume; for information alone";
    score(&mut svg, &days, 0, SURGE, 3.2, words);
    let words = "updrift: raised uploads for many days in a row; support writes to the user";
    score(&mut svg, &days, 1, DRIFT, 9.6, words);
    let base = DRIFT.0 + 18.0;
    for at in (0..=DAYS).step_by(10) {
        let words = if at == 0 { "day 1".to_owned() } else { at.to_string() };
        let x = LEFT + STEP * (at.max(1) as f64 - 0.5);
        text(&mut svg, "faint", (x, base), r#" text-anchor="middle""#, &words);
    }
    let words = "Shaded: the flag is shown. Triangle: it is raised. Dashed: the threshold. Generated days, of nobody.";
    text(&mut svg, "faint", (24.0, 522.0), "", words);
    svg + "</svg>\n"
}

fn x(at: usize) -> f64 {
    LEFT + STEP * at as f64
}

fn volumes(svg: &mut String, days: &[Judged]) {
    let (base, height) = VOLUMES;
    let of = |bytes: u64| (bytes as f64 / 1e9 / MOST_GB).min(1.0) * height;
    for gigabytes in [0.0, 10.0, 20.0, 30.0] {
        let y = base - height * gigabytes / MOST_GB;
        writeln!(svg, r#"<path class="rule" d="M{LEFT} {y:.1}H{RIGHT}"/>"#).expect("memory");
        text(svg, "faint", (LEFT - 8.0, y + 4.0), END, &format!("{gigabytes} GB"));
    }
    for (at, day) in days.iter().enumerate() {
        let [up, down] = day.bytes.map(of);
        let mut bar = |class: &str, y: f64, high: f64| {
            writeln!(
                svg,
                r#"<rect class="{class}" x="{:.1}" y="{y:.1}" width="{:.1}" height="{high:.1}"/>"#,
                x(at) + 1.5,
                STEP - 3.0
            )
            .expect("memory");
        };
        bar("down", base - down, down);
        bar("up", base - down - up, up);
    }
    let mut legend = |class: &str, left: f64, words: &str| {
        writeln!(svg, r#"<rect class="{class}" x="{left}" y="49" width="11" height="11"/>"#).expect("memory");
        text(svg, "faint", (left + 17.0, 59.0), "", words);
    };
    legend("down", 24.0, "bytes to the account");
    legend("up", 184.0, "bytes from it");
}

fn score(svg: &mut String, days: &[Judged], kind: usize, (base, height): (f64, f64), most: f64, words: &str) {
    let y = |score: f64| base - height * (score / most).min(1.0);
    let (name, rest) = words.split_once(':').expect("a kind and what it means");
    let heading = format!(r#"<tspan class="ink"{BOLD}>{name}</tspan>:{rest}"#);
    text(svg, "faint", (24.0, base - height - 14.0), "", &heading);
    let mut at = 0;
    for run in days.chunk_by(|one, next| one.shown[kind] == next.shown[kind]) {
        if run[0].shown[kind] {
            let (left, top, width) = (x(at), base - height, STEP * run.len() as f64);
            writeln!(
                svg,
                r#"<rect class="shown" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#
            )
            .expect("memory");
        }
        at += run.len();
    }
    writeln!(svg, r#"<path class="rule" d="M{LEFT} {base:.1}H{RIGHT}"/>"#).expect("memory");
    let line = |of: &dyn Fn(&Judged) -> f64| {
        let points = days.iter().enumerate().map(|(at, day)| {
            format!("{}{:.1} {:.1}", if at == 0 { "M" } else { "L" }, x(at) + STEP / 2.0, y(of(day)))
        });
        points.collect::<String>()
    };
    let (scores, limits) = (line(&|day| day.scores[kind].0), line(&|day| day.scores[kind].1));
    writeln!(svg, r#"<path class="limit" d="{limits}"/>"#).expect("memory");
    writeln!(svg, r#"<path class="score" d="{scores}"/>"#).expect("memory");
    let threshold = days.last().map_or(0.0, |day| day.scores[kind].1);
    text(svg, "limits", (LEFT - 8.0, y(threshold) + 4.0), END, &format!("{threshold:.2}"));
    text(svg, "faint", (LEFT - 8.0, base + 4.0), END, "0");
    for (at, day) in days.iter().enumerate().filter(|(_, day)| day.raised[kind]) {
        let (middle, top) = (x(at) + STEP / 2.0, y(day.scores[kind].0) - 12.0);
        writeln!(svg, r#"<path class="mark" d="M{:.1} {top:.1}h10l-5 8z"/>"#, middle - 5.0).expect("memory");
    }
}
