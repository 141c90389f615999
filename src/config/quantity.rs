//! Sizes such as "50GiB", durations such as "24h" and rates such as "1Gbit/s" as configuration values.

use serde::de::{Deserialize, Deserializer, Error};

/// A duration in whole seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) u64);

/// A size in bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

/// A rate in bits per second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct BitsPerSecond(pub(super) u64);

const DURATIONS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 7 * 86_400)];

/// How a duration is written: as the documents write it, a day as 24h and a week as 7d.
const WRITTEN_DURATIONS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

const RATES: [(&str, u64); 5] = [
    ("bit/s", 1),
    ("kbit/s", 1_000),
    ("Mbit/s", 1_000_000),
    ("Gbit/s", 1_000_000_000),
    ("Tbit/s", 1_000_000_000_000),
];

/// Reads a whole number followed by one of the units.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    text[..digits].parse::<u64>().ok()?.checked_mul(*factor)
}

/// Writes a number with the largest unit that divides it evenly.
fn written(value: u64, units: &[(&str, u64)]) -> String {
    let largest = units
        .iter()
        .filter(|(_, factor)| value != 0 && value.is_multiple_of(*factor))
        .max_by_key(|(_, factor)| *factor);
    let (unit, factor) = largest.copied().unwrap_or(units[0]);
    format!("{}{unit}", value / factor)
}

impl Seconds {
    /// The duration in hours where it is whole hours, as the length of an epoch is written.
    pub(super) fn in_hours(self) -> String {
        written(self.0, &WRITTEN_DURATIONS[..3])
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = if self.0 == 86_400 { &WRITTEN_DURATIONS[..3] } else { &WRITTEN_DURATIONS };
        formatter.write_str(&written(self.0, units))
    }
}

macro_rules! quantity {
    ($kind:ident, $units:ident, $expected:literal) => {
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                parse(&text, &$units).map(Self).ok_or_else(|| D::Error::custom($expected))
            }
        }
    };
}

quantity!(Seconds, DURATIONS, "expected a duration like \"24h\"; units are s, m, h, d, w");
quantity!(Bytes, SIZES, "expected a size like \"50GiB\"; units are B, KiB, MiB, GiB, TiB, KB, MB, GB, TB");
quantity!(
    BitsPerSecond,
    RATES,
    "expected a rate like \"1Gbit/s\"; units are bit/s, kbit/s, Mbit/s, Gbit/s, Tbit/s"
);

impl std::fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&written(self.0, &SIZES))
    }
}

impl std::fmt::Display for BitsPerSecond {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&written(self.0, &RATES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_whole_numbers_with_a_known_unit() {
        assert_eq!(parse("24h", &DURATIONS), Some(86_400));
        assert_eq!(parse("50 GiB", &SIZES), Some(50 << 30));
        assert_eq!(parse("1Gbit/s", &RATES), Some(1_000_000_000));
        for bad in ["", "24", "h", "-1h", "1.5h", "24H", "99999999999999999999h", "18446744073709551615d"] {
            assert_eq!(parse(bad, &DURATIONS), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_written_as_the_documents_write_them() {
        for (seconds, text, in_hours) in [
            (86_400, "24h", "24h"),
            (2 * 86_400, "2d", "48h"),
            (7 * 86_400, "7d", "168h"),
            (28 * 86_400, "28d", "672h"),
            (300, "5m", "5m"),
            (90, "90s", "90s"),
        ] {
            assert_eq!(
                (Seconds(seconds).to_string().as_str(), Seconds(seconds).in_hours().as_str()),
                (text, in_hours)
            );
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for value in [0, 1, 59, 60, 86_400, 7 * 86_400, 3601] {
            assert_eq!(parse(&written(value, &DURATIONS), &DURATIONS), Some(value));
        }
    }
}
