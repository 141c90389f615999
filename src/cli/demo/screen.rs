//! What the demo shows: on the left all that blindmeter publishes, on the right what a live
//! per-account exporter would have told a scraper about the same seconds.

use super::super::output;
use crate::exit::ExitError;
use crate::meter::release::Release;

/// Rows of the live table.
const ROWS: usize = 16;

/// Seconds of the right-hand side.
const SECONDS: usize = 17;

/// Width of the left-hand side, in characters; both sides together fit a terminal of 80.
const LEFT: usize = 42;

/// One look at the demo.
pub(super) struct Look<'a> {
    /// Seconds since the start.
    pub(super) second: u64,
    /// The address of the metrics page.
    pub(super) metrics_url: &'a str,
    /// The tap in use.
    pub(super) backend: &'a str,
    /// What was released so far.
    pub(super) releases: &'a [Release],
    /// What the demo sent, by account and second.
    pub(super) sent: &'a [(String, Vec<u64>)],
}

/// Draws the table anew at the top of the terminal.
pub(super) fn draw(look: &Look<'_>) -> Result<(), ExitError> {
    // Home, then each line erased to its end, then what is below: no flicker.
    let lines = lines(look).join("\x1b[K\n");
    output::raw(&format!("\x1b[H{lines}\x1b[K\n\x1b[J"))
}

/// Prints the table once, for a terminal that is none.
pub(super) fn print(look: &Look<'_>) -> Result<(), ExitError> {
    lines(look).iter().try_for_each(|line| output::line(line))
}

fn lines(look: &Look<'_>) -> Vec<String> {
    let left = left(look);
    let right = right(look);
    let mut lines = vec![
        format!(
            "blindmeter demo, second {}: real packets, {} tap, made-up accounts, 3 s epochs",
            look.second, look.backend
        ),
        String::new(),
    ];
    for row in 0..left.len().max(right.len()) {
        let text = left.get(row).map_or("", String::as_str);
        let beside = right.get(row).map_or("", String::as_str);
        lines.push(format!("{text:<LEFT$}| {beside}").trim_end().to_owned());
    }
    lines
}

fn left(look: &Look<'_>) -> Vec<String> {
    let mut lines = vec![
        "WHAT BLINDMETER PUBLISHES".to_owned(),
        "one line an epoch, alike for every scrape".to_owned(),
        "with noise: a total may be below 0".to_owned(),
        format!("{:<10}{:>9}{:>11}  {}", "epoch", "up", "down", "crowd"),
    ];
    let shown = look.releases.len().saturating_sub(7);
    for release in &look.releases[shown..] {
        let crowd = if release.suppressed() { "held back" } else { "enough" };
        let total = |bytes: i64| {
            let sign = if bytes < 0 { "-" } else { "" };
            format!("{sign}{}", output::bytes(bytes.unsigned_abs()))
        };
        lines.push(format!(
            "{:<10}{:>9}{:>11}  {crowd}",
            release.ordinal(),
            total(release.up_bytes()),
            total(release.down_bytes()),
        ));
    }
    if look.releases.is_empty() {
        lines.push("(nothing yet: the epoch that runs at a".to_owned());
        lines.push(" start is never released)".to_owned());
    }
    lines.push(String::new());
    lines.push(look.metrics_url.to_owned());
    lines
}

fn right(look: &Look<'_>) -> Vec<String> {
    let mut lines = vec![
        "WHAT A LIVE EXPORTER WOULD TELL".to_owned(),
        "each second: a connection log".to_owned(),
        String::new(),
        format!("{:<11}{:<SECONDS$} {}", "account", "the last seconds", ""),
    ];
    let peak = look.sent.iter().flat_map(|(_, seconds)| seconds).copied().max().unwrap_or(0).max(1);
    for (name, seconds) in look.sent.iter().take(ROWS) {
        // The running second is not over.
        let seconds = &seconds[..seconds.len().saturating_sub(1)];
        let from = seconds.len().saturating_sub(SECONDS);
        let bars: String = seconds[from..].iter().map(|bytes| bar(*bytes, peak)).collect();
        lines.push(format!("{name:<11}{bars:<SECONDS$} {}", reading(seconds)));
    }
    if let more @ 1.. = look.sent.len().saturating_sub(ROWS) {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn bar(bytes: u64, peak: u64) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if bytes == 0 { '·' } else { BARS[usize::try_from((bytes * 8).div_ceil(peak) - 1).unwrap_or(0).min(7)] }
}

/// What anyone who reads such a series learns.
fn reading(seconds: &[u64]) -> String {
    let now = seconds.last().is_some_and(|bytes| *bytes > 0);
    let same = seconds.iter().rev().take_while(|bytes| (**bytes > 0) == now).count();
    format!("{} {same} s", if now { "on" } else { "off" })
}
