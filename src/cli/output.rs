//! What commands print: lines, tables and JSON on standard output, errors on standard error.
//!
//! A reader that closes the pipe early (`| head`) ends a command quietly.

use crate::exit::ExitError;
use serde::Serialize;
use std::io::{self, Write};

/// Bytes and packets, as reports show them.
#[derive(Serialize)]
pub(super) struct VolumeReport {
    pub(super) bytes: u64,
    pub(super) packets: u64,
}

/// Writes one line.
pub(super) fn line(text: &str) -> Result<(), ExitError> {
    let mut output = io::stdout().lock();
    written(writeln!(output, "{text}").and_then(|()| output.flush()))
}

/// Writes text to a terminal, without a line end.
pub(super) fn raw(text: &str) -> Result<(), ExitError> {
    let mut output = io::stdout().lock();
    written(output.write_all(text.as_bytes()).and_then(|()| output.flush()))
}

/// Writes one JSON document on one line.
pub(super) fn json(report: &impl Serialize) -> Result<(), ExitError> {
    let text = serde_json::to_string(report).expect("reports have string keys and finite numbers");
    line(&text)
}

/// Writes a table: the first column left-aligned, the others right-aligned.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> Result<(), ExitError> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let mut text = format!("{:<w$}", row[0], w = widths[0]);
        for (field, width) in row.iter().zip(widths).skip(1) {
            text.push_str(&format!("  {field:>width$}"));
        }
        line(text.trim_end())?;
    }
    Ok(())
}

/// Writes names and values in two columns.
pub(super) fn pairs(rows: &[[String; 2]]) -> Result<(), ExitError> {
    let width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
    rows.iter().try_for_each(|[name, value]| line(&format!("{name:<width$}  {value}")))
}

/// A number of bytes for people: binary units, one decimal.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let power = (count.ilog2() / 10) as usize;
    let tenths = u128::from(count) * 10 / (1_u128 << (10 * power));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power - 1])
}

/// A small amount for people: one decimal, or that it is less.
pub(super) fn tenths(amount: f64) -> String {
    if amount > 0.0 && amount < 0.1 { "fewer than 0.1".to_owned() } else { format!("{amount:.1}") }
}

/// Writes an error to standard error. If that fails too, the exit code is still right.
pub(super) fn error(message: &str) {
    if !message.is_empty() {
        let _ = writeln!(io::stderr(), "blindmeter: {message}");
    }
}

/// Writes one line to standard error that is not an error.
pub(super) fn note(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// What became of writing to standard output; a reader that went away is no error.
pub(super) fn written(result: io::Result<()>) -> Result<(), ExitError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| ExitError::output(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_have_one_decimal_and_a_binary_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 30) - 1, "1023.9 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
