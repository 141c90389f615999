//! The bytes of a file that people write, as text.

/// The text, without a byte-order mark.
///
/// # Errors
/// The line, from 1, of the first byte that is not UTF-8.
pub(super) fn of_bytes(bytes: &[u8]) -> Result<&str, usize> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        before.split(|byte| *byte == b'\n').count()
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
