//! What the demo shows: on the left everything blindmeter publishes, on the right what a live
//! per-account exporter would have revealed to a scraper in the same seconds.

use super::super::output;
use crate::exit::ExitError;
use crate::meter::release::Release;

/// Accounts shown beside the releases.
const ROWS: usize = 16;

/// Accounts shown below them, where the terminal is too narrow for both: the page has at most 24 lines then.
const ROWS_BELOW: usize = 4;

/// Releases shown.
const RELEASES: usize = 7;

/// Releases shown above the accounts.
const RELEASES_ABOVE: usize = 3;

/// Width of the left side, in characters.
const LEFT: usize = 42;

/// What stands around the bars of the right side: the account, and "off 999 s".
const AROUND_BARS: usize = 11 + 1 + 9;

/// Fewest seconds that are worth a bar.
const FEWEST_SECONDS: usize = 10;

/// Most seconds shown, however wide the terminal is.
const MOST_SECONDS: usize = 40;

/// Width where there is no terminal that says it.
const WIDTH: usize = 80;

/// The width of the terminal, or what `COLUMNS` says where the output is none.
pub(super) fn width() -> usize {
    let of_terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let named = || std::env::var("COLUMNS").ok()?.parse().ok();
    of_terminal.or_else(named).filter(|width| *width > 0).unwrap_or(WIDTH)
}

/// What one frame of the demo shows.
pub(super) struct View<'a> {
    /// The width of the page, in characters.
    pub(super) width: usize,
    /// Seconds since the start.
    pub(super) second: u64,
    /// The address of the metrics page.
    pub(super) metrics_url: &'a str,
    /// The address of the desk.
    pub(super) desk_url: &'a str,
    /// The tap in use.
    pub(super) backend: &'a str,
    /// What has been released so far.
    pub(super) releases: &'a [Release],
    /// What the demo sent, by account and second.
    pub(super) sent: &'a [(String, Vec<u64>)],
    /// Who is flagged, each with a kind.
    pub(super) flagged: &'a [String],
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
    let packets = if view.width < WIDTH { "" } else { "real packets, " };
    let title =
        format!("blindmeter demo, second {}: {} tap, {packets}made-up accounts", view.second, view.backend);
    let mut lines = vec![title, String::new()];
    let beside = view.width.saturating_sub(LEFT + 2);
    if beside >= AROUND_BARS + FEWEST_SECONDS {
        let left = left(view, RELEASES);
        let right = right(view, ROWS, beside - AROUND_BARS);
        for row in 0..left.len().max(right.len()) {
            let text = left.get(row).map_or("", String::as_str);
            let on_right = right.get(row).map_or("", String::as_str);
            lines.push(format!("{text:<LEFT$}| {on_right}").trim_end().to_owned());
        }
    } else {
        lines.extend(left(view, RELEASES_ABOVE));
        lines.push(String::new());
        lines.extend(right(view, ROWS_BELOW, view.width.saturating_sub(AROUND_BARS)));
    }
    lines.push(flagged(view));
    // A line that wraps would break every one below it.
    lines.iter_mut().for_each(|line| *line = line.chars().take(view.width).collect());
    lines
}

/// Who is flagged: as many as there is room for, and how many more.
fn flagged(view: &View<'_>) -> String {
    const WHAT: &str = "flagged, as support is told at a release: ";
    if view.flagged.is_empty() {
        return format!("{WHAT}nobody yet");
    }
    let line = |named: usize| match view.flagged.len() - named {
        0 => format!("{WHAT}{}", view.flagged.join(", ")),
        more => format!("{WHAT}{}, and {more} more", view.flagged[..named].join(", ")),
    };
    let fits = |named: &usize| line(*named).chars().count() <= view.width;
    let named = (1..=view.flagged.len()).rev().find(fits);
    named.map_or_else(|| format!("{WHAT}{}", view.flagged.len()), line)
}

fn left(view: &View<'_>, releases: usize) -> Vec<String> {
    let mut lines = vec![
        "WHAT BLINDMETER PUBLISHES".to_owned(),
        "one line per epoch, same for every scrape".to_owned(),
        "with noise: totals can be negative".to_owned(),
        format!("{:<10}{:>9}{:>11}  {}", "epoch", "up", "down", "crowd"),
    ];
    let shown = view.releases.len().saturating_sub(releases);
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
    lines.push(format!("{} for support", view.desk_url));
    lines
}

fn right(view: &View<'_>, rows: usize, bars: usize) -> Vec<String> {
    let mut lines = vec![
        "WHAT A LIVE EXPORTER REVEALS".to_owned(),
        "every second: a connection log".to_owned(),
        String::new(),
        format!("{:<11}last seconds", "account"),
    ];
    let peak = view.sent.iter().flat_map(|(_, seconds)| seconds).copied().max().unwrap_or(0).max(1);
    for (name, seconds) in view.sent.iter().take(rows) {
        // The current second is not over yet.
        let seconds = &seconds[..seconds.len().saturating_sub(1)];
        let from = seconds.len().saturating_sub(bars.min(MOST_SECONDS));
        let shown: String = seconds[from..].iter().map(|bytes| bar(*bytes, peak)).collect();
        lines.push(format!("{name:<11}{shown:<w$} {}", reading(seconds), w = bars.min(MOST_SECONDS)));
    }
    if let more @ 1.. = view.sent.len().saturating_sub(rows) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize) -> Vec<String> {
        let sent: Vec<(String, Vec<u64>)> = (1..=40)
            .map(|n| (format!("account-{n:02}"), (0..1300).map(|second| second % 7).collect()))
            .collect();
        let releases = vec![Release::none(); 9];
        let metrics_url = "http://127.0.0.1:9776/metrics";
        let flagged: Vec<String> = (1..9).map(|n| format!("account-{n:02} upload")).collect();
        let sent = &sent;
        lines(&View {
            width,
            second: 1299,
            metrics_url,
            desk_url: "http://127.0.0.1:9777/",
            backend: "kernel",
            releases: &releases,
            sent,
            flagged: &flagged,
        })
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [1, 40, 60, 72, 80, 132, 400] {
            let page = page(width);
            let widest = page.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= width, "{widest} of {width}: {page:#?}");
            assert!(page.len() <= 24, "{} lines at {width}", page.len());
        }
        // Nothing is cut off at the usual widths.
        for width in [60, 80] {
            let page = page(width).join("\n");
            for text in [
                "made-up accounts",
                "WHAT A LIVE EXPORTER REVEALS",
                " s\n",
                "and ",
                "9776/metrics",
                "9777/ for support",
                if width == 80 { "account-01 upload, and 7 more" } else { "at a release: 8" },
            ] {
                assert!(page.contains(text), "{text:?} at {width}: {page}");
            }
        }
    }
}
