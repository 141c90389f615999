//! What commands read from standard input: names and addresses, which as arguments would be seen by whoever
//! lists processes, and stay in the shell's history and in the log of `sudo`.

use crate::exit::{ExitError, ExitStatus};
use std::io::{BufRead, Read};
use zeroize::Zeroizing;

/// Stands for standard input in the place of a name, an address or a file.
pub(super) const STANDARD_INPUT: &str = "-";

/// Longest line: room for ten fully percent-encoded account names.
const LINE_BYTES: u64 = 4096;

/// An account's name: the argument, or the one line of standard input for `-`.
///
/// # Errors
/// Input that cannot be read (74), or holds no name or several (64).
pub(super) fn account(argument: &str) -> Result<Zeroizing<String>, ExitError> {
    if argument != STANDARD_INPUT {
        return Ok(Zeroizing::new(argument.to_owned()));
    }
    let mut account = None;
    each_line(|line| match account.replace(Zeroizing::new(line.to_owned())) {
        None => Ok(()),
        Some(_) => Err(ExitError::new(ExitStatus::Usage, "pass one account name, on one line")),
    })?;
    account.ok_or_else(|| ExitError::new(ExitStatus::Usage, "standard input holds no account name"))
}

/// Calls `work` for each line of standard input that is not empty and no comment, as in a roster file. An error
/// names the line.
///
/// # Errors
/// Input that cannot be read (74), a line that is too long or no text (64), or those of `work`.
pub(super) fn each_line(mut work: impl FnMut(&str) -> Result<(), ExitError>) -> Result<(), ExitError> {
    let mut input = std::io::stdin().lock();
    for number in 1_u64.. {
        let named = |error: ExitError| {
            ExitError::new(error.code, format!("standard input, line {number}: {}", error.message))
        };
        let mut line = Zeroizing::new(Vec::new());
        let read = input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(ExitError::new(ExitStatus::Io, format!("standard input: {error}"))),
        }
        if line.len() as u64 == LINE_BYTES && line.last() != Some(&b'\n') {
            let what = format!("longer than {LINE_BYTES} bytes");
            return Err(named(ExitError::new(ExitStatus::Usage, what)));
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| named(ExitError::new(ExitStatus::Usage, "not text; write other bytes as %XX")))?;
        let text = text.trim();
        if !text.is_empty() && !text.starts_with('#') {
            work(text).map_err(named)?;
        }
    }
    Ok(())
}

/// All of standard input.
///
/// # Errors
/// Input that cannot be read (74).
pub(super) fn whole() -> Result<Zeroizing<Vec<u8>>, ExitError> {
    let mut text = Zeroizing::new(Vec::new());
    let read = std::io::stdin().lock().read_to_end(&mut text);
    read.map_err(|error| ExitError::new(ExitStatus::Io, format!("standard input: {error}")))?;
    Ok(text)
}
