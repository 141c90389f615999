//! Dates of the schedule, and amounts, as people of a language read them.

use super::words::Words;
use crate::meter::calendar::Day;

const GIB: u64 = 1 << 30;

/// "19 November".
pub(super) fn day(day: Day, words: &Words) -> String {
    let (_, month, number) = day.date();
    let name = usize::try_from(month).ok().and_then(|month| words.months.get(month.checked_sub(1)?));
    let number = if number == 1 { words.first_of_month.to_owned() } else { number.to_string() };
    format!("{number} {}", name.copied().unwrap_or_default())
}

/// "Thursday 26 November".
pub(super) fn weekday(of: Day, words: &Words) -> String {
    // 1970-01-01 was a Thursday.
    let name = words.weekdays[usize::try_from((of.number() + 3) % 7).unwrap_or_default()];
    format!("{name} {}", day(of, words))
}

/// "19 November 2026".
pub(super) fn full_day(of: Day, words: &Words) -> String {
    format!("{} {}", day(of, words), of.date().0)
}

/// The day that a report spells "2026-11-26".
///
/// # Source
/// The inverse of `Day::date`: years are counted from March.
pub(super) fn of_report(text: &str) -> Option<Day> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    days.checked_sub(719_469).map(Day::of_number)
}

/// The same as people read it; what is no such day stays as it is.
pub(super) fn reported(text: &str, words: &Words) -> String {
    of_report(text).map_or_else(|| text.to_owned(), |on| full_day(on, words))
}

/// "7.4", of bytes in GiB: one decimal, cut off.
pub(super) fn gib(bytes: u64, words: &Words) -> String {
    let tenths = u128::from(bytes) * 10 / u128::from(GIB);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}{}{tenth}", words.decimal),
    }
}

/// "1,234,567".
pub(super) fn whole(number: u64, words: &Words) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(words.thousands);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Language;

    /// # Source
    /// GNU date 9.1: `LC_ALL=en_GB date -u -d 2026-11-26 '+%A %-d %B'`.
    #[test]
    fn dates_and_amounts_are_those_of_the_language() {
        let (english, french) = (Words::of(Language::English), Words::of(Language::French));
        let on = Day::of_second(1_795_651_200);
        assert_eq!(weekday(on, english), "Thursday 26 November");
        assert_eq!(weekday(on, french), "jeudi 26 novembre");
        assert_eq!(day(Day::of_second(951_868_800), french), "1er mars");
        assert_eq!(full_day(Day::of_second(951_868_800), english), "1 March 2000");
        for number in [0, 58, 59, 60, 11_016, 11_017, 20_786, 47_540] {
            let on = Day::of_number(number);
            assert!(of_report(&on.to_string()) == Some(on), "{on}");
        }
        assert_eq!(gib(8_000_000_000, english), "7.4");
        assert_eq!(gib(256 * GIB, french), "256");
        assert_eq!(gib(GIB + GIB / 4, french), "1,2");
        assert_eq!([0, 999, 1000, 1_234_567].map(|n| whole(n, english)), ["0", "999", "1,000", "1,234,567"]);
    }
}
