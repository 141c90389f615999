//! Quotation marks around the fields of a roster line, by the rules of CSV.
//!
//! A field that begins with a mark ends with one; two marks inside stand for one. A field that does not begin
//! with a mark is taken as it stands. Spans no lines, since neither an address nor a name does.
//!
//! # Source
//! RFC 4180, section 2.

use std::borrow::Cow;

/// The line without the marks around its fields; none where a mark is not closed, or text follows one that closes.
///
/// A comma inside of marks separates fields here like any other: neither an address nor a name may hold one.
pub(super) fn unquoted(line: &str) -> Option<Cow<'_, str>> {
    if !line.contains('"') {
        return Some(Cow::Borrowed(line));
    }
    // Never longer than the line, so that a name does not move as the text grows.
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = field(quoted, &mut text)?.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            text.push_str(rest[..end].trim_end());
            rest = &rest[end..];
        }
        let Some(more) = rest.strip_prefix(',') else { return Some(Cow::Owned(text)) };
        text.push(',');
        rest = more;
    }
}

/// Takes a field up to the mark that closes it; gives what follows.
fn field<'a>(mut rest: &'a str, text: &mut String) -> Option<&'a str> {
    loop {
        let (inside, more) = rest.split_once('"')?;
        text.push_str(inside);
        let Some(second) = more.strip_prefix('"') else { return Some(more) };
        text.push('"');
        rest = second;
    }
}

#[cfg(test)]
mod tests {
    use super::unquoted;

    #[test]
    fn fields_lose_their_marks_by_the_rules_of_csv() {
        for (line, text) in [
            ("10.8.0.5,alice", Some("10.8.0.5,alice")),
            ("\"10.8.0.5\",\"alice\"", Some("10.8.0.5,alice")),
            (" \"10.8.0.5\" , \"alice\" ", Some("10.8.0.5,alice")),
            ("10.8.0.5,\"al\"\"ice\"", Some("10.8.0.5,al\"ice")),
            ("10.8.0.5,al\"ice", Some("10.8.0.5,al\"ice")),
            ("10.8.0.5,\"\"", Some("10.8.0.5,")),
            ("\"10.8.0.5,10.8.0.6\",alice", Some("10.8.0.5,10.8.0.6,alice")),
            ("10.8.0.5,\"alice", None),
            ("10.8.0.5,\"alice\"x", None),
            ("10.8.0.5,\"alice\"\"", None),
        ] {
            assert_eq!(unquoted(line).as_deref(), text, "{line}");
        }
    }
}
