//! What the demo shows: on the left everything blindmeter publishes, on the right what a live
//! per-account exporter would have revealed to a scraper in the same seconds.

use super::super::output;
use crate::exit::ExitError;
use crate::meter::release::Release;

/// Rows of the live table.
const ROWS: usize = 16;

/// Seconds shown on the right.
const SECONDS: usize = 17;

/// Width of the left side, in characters; both sides together fit a terminal of 80.
const LEFT: usize = 42;

/// What one frame of the demo shows.
pub(super) struct View<'a> {
    /// Seconds since the start.
    pub(super) second: u64,
    /// The address of the metrics page.
    pub(super) metrics_url: &'a str,
    /// The tap in use.
    pub(super) backend: &'a str,
    /// What has been released so far.
    pub(super) releases: &'a [Release],
    /// What the demo sent, by account and second.
    pub(super) sent: &'a [(String, Vec<u64>)],
}

/// Redraws the table at the top of the terminal.
pub(super) fn draw(view: &View<'_>) -> Result<(), ExitError> {
    // Cursor home, erase each line to its end, then erase what is below: no flicker.
    let lines = lines(view).join("\x1b[K\n");
    output::raw(&format!("\x1b[H{lines}\x1b[K\n\x1b[J"))
}

/// Prints the table once, for output that is not a terminal.
pub(super) fn print(view: &View<'_>) -> Result<(), ExitError> {
    lines(view).iter().try_for_each(|line| output::line(line))
}

fn lines(view: &View<'_>) -> Vec<String> {
    let left = left(view);
    let right = right(view);
    let mut lines = vec![
        format!(
            "blindmeter demo, second {}: real packets, {} tap, made-up accounts, 3 s epochs",
            view.second, view.backend
        ),
        String::new(),
    ];
    for row in 0..left.len().max(right.len()) {
        let text = left.get(row).map_or("", String::as_str);
        let on_right = right.get(row).map_or("", String::as_str);
        lines.push(format!("{text:<LEFT$}| {on_right}").trim_end().to_owned());
    }
    lines
}

fn left(view: &View<'_>) -> Vec<String> {
    let mut lines = vec![
        "WHAT BLINDMETER PUBLISHES".to_owned(),
        "one line per epoch, same for every scrape".to_owned(),
        "with noise: totals can be negative".to_owned(),
        format!("{:<10}{:>9}{:>11}  {}", "epoch", "up", "down", "crowd"),
    ];
    let shown = view.releases.len().saturating_sub(7);
    for release in &view.releases[shown..] {
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
    if view.releases.is_empty() {
        lines.push("(nothing yet: the epoch running at".to_owned());
        lines.push(" startup is never released)".to_owned());
    }
    lines.push(String::new());
    lines.push(view.metrics_url.to_owned());
    lines
}

fn right(view: &View<'_>) -> Vec<String> {
    let mut lines = vec![
        "WHAT A LIVE EXPORTER REVEALS".to_owned(),
        "every second: a connection log".to_owned(),
        String::new(),
        format!("{:<11}{:<SECONDS$} {}", "account", "last seconds", ""),
    ];
    let peak = view.sent.iter().flat_map(|(_, seconds)| seconds).copied().max().unwrap_or(0).max(1);
    for (name, seconds) in view.sent.iter().take(ROWS) {
        // The current second is not over yet.
        let seconds = &seconds[..seconds.len().saturating_sub(1)];
        let from = seconds.len().saturating_sub(SECONDS);
        let bars: String = seconds[from..].iter().map(|bytes| bar(*bytes, peak)).collect();
        lines.push(format!("{name:<11}{bars:<SECONDS$} {}", reading(seconds)));
    }
    if let more @ 1.. = view.sent.len().saturating_sub(ROWS) {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn bar(bytes: u64, peak: u64) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if bytes == 0 { '·' } else { BARS[usize::try_from((bytes * 8).div_ceil(peak) - 1).unwrap_or(0).min(7)] }
}

/// What anyone reading such a series learns.
fn reading(seconds: &[u64]) -> String {
    let now = seconds.last().is_some_and(|bytes| *bytes > 0);
    let same = seconds.iter().rev().take_while(|bytes| (**bytes > 0) == now).count();
    format!("{} {same} s", if now { "on" } else { "off" })
}
