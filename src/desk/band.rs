//! How a page shows a usage band: a range in words, of which days it is, and where it stands among all bands.

use super::dates;
use super::words::{Words, fill};
use crate::control::reports::BandReport;
use crate::meter::band::EDGES;
use maud::{Markup, html};

/// Since when, until when, and as of when.
pub(super) fn used(band: &BandReport, words: &Words) -> String {
    let of_report = |text: &str| dates::of_report(text).unwrap_or_default();
    let (first, last) = (of_report(&band.period.first_day), of_report(&band.period.last_day));
    let as_of = of_report(&band.as_of);
    // In the first days of a period, the last refresh is of the one before.
    let has_ended = as_of.number() > last.number();
    let text = if has_ended { words.account.used_in } else { words.account.used_since };
    fill(
        text,
        &[
            ("first", &dates::day(first, words)),
            ("last", &dates::day(last, words)),
            ("as_of", &dates::weekday(as_of, words)),
        ],
    )
}

/// "7.4 to 9.3 GiB".
pub(super) fn range(band: &BandReport, words: &Words) -> String {
    match band.below_bytes {
        None => words.account.highest.to_owned(),
        Some(_) if band.at_least_bytes == 0 => words.account.lowest.to_owned(),
        Some(below) => {
            let (low, high) = (dates::gib(band.at_least_bytes, words), dates::gib(below, words));
            format!("{} {}", fill(words.account.band, &[("low", &low), ("high", &high)]), words.gib)
        }
    }
}

/// The scale of all bands. How accounts are spread over it is not in the privacy budget, and is not drawn.
pub(super) fn bar(band: &BandReport, words: &Words) -> Markup {
    let number = EDGES.partition_point(|edge| *edge <= band.at_least_bytes);
    let label = fill(words.account.bar, &[("number", &(number + 1).to_string())]);
    html! {
        div.bar {
            svg viewBox="0 0 270 16" role="img" aria-label=(label) preserveAspectRatio="none" {
                @for cell in 0..=EDGES.len() {
                    rect x=(cell * 10) y="0" width="9" height="16"
                        class=(if cell == number { "here" } else if cell < number { "below" } else { "above" }) {}
                }
            }
            div.ends aria-hidden="true" {
                span { (words.account.bar_from) }
                span { (words.account.bar_to) }
            }
        }
    }
}
