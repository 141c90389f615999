//! The roster file: CSV with the header `prefix,account`, or `prefix,account,interface`. Text in, assignments or
//! a line-numbered error out; no error repeats a word of the file.
//!
//! A name is handed to the caller with its line, who makes of it what stands for the account (in the
//! daemon its tag); no name is kept here.

use super::account::{AccountName, NameError};
use super::address::{Prefix, PrefixError};
use super::place::{Place, PlaceError};
use super::quoted::unquoted;
use super::text;

/// One row of the file.
pub struct Row {
    /// The prefix, and where it holds.
    pub prefix: Prefix,
    /// Its owner.
    pub account: AccountName,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// What is wrong with a roster text, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// The first line that is no comment is not the header.
    #[error("line {line}: the first line must be the header prefix,account or prefix,account,interface")]
    Header {
        /// The line, from 1.
        line: usize,
    },
    /// No header at all.
    #[error("line 1: the file is empty; it starts with the header prefix,account")]
    Empty,
    /// A line of more or fewer fields than the header has.
    #[error("line {line}: expected {columns}, as the header says")]
    Fields {
        /// The line, from 1.
        line: usize,
        /// The header.
        columns: &'static str,
    },
    /// The interface cannot be had.
    #[error("line {line}: {why}")]
    Place {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: PlaceError,
    },
    /// The prefix cannot be read.
    #[error("line {line}: {why}")]
    Prefix {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: PrefixError,
    },
    /// The account name cannot be read.
    #[error("line {line}: {why}")]
    Name {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: NameError,
    },
    /// Two lines give one prefix to two accounts.
    #[error("line {first} and line {second}: the same prefix for two accounts; keep one of them")]
    Duplicate {
        /// The earlier line.
        first: usize,
        /// The later line.
        second: usize,
    },
    /// A quotation mark that is not closed, or text after one that closes.
    #[error("line {line}: a quotation mark that is not closed at the end of its field; remove the marks")]
    Quotes {
        /// The line, from 1.
        line: usize,
    },
    /// Not a text at all, or not in this encoding.
    #[error("line 1: {what}")]
    Format {
        /// What it is, and what to do.
        what: &'static str,
    },
    /// The text is not UTF-8.
    #[error("line {line}: a byte that is not UTF-8; percent-encode it in the account name")]
    Encoding {
        /// The line, from 1.
        line: usize,
    },
}

/// For texts that name no interface.
///
/// # Errors
/// Always.
pub fn nowhere(_: &str) -> Result<Place, PlaceError> {
    Err(PlaceError::NotMetered)
}

/// Reads a roster text: every prefix with what `account` makes of its row, and on the interface that `place`
/// finds by its name. Lines may be blank or begin with `#`; fields may have blanks around them.
///
/// # Errors
/// The first line that is wrong, or the first pair that contradicts itself.
pub fn read<A: PartialEq>(
    bytes: &[u8],
    mut place: impl FnMut(&str) -> Result<Place, PlaceError>,
    mut account: impl FnMut(Row) -> A,
) -> Result<Vec<(Prefix, A)>, CsvError> {
    // Room for all at once: a million rows are not copied as they grow.
    let mut assignments = Vec::with_capacity(bytes.iter().filter(|byte| **byte == b'\n').count());
    let (columns, lines) = rows(bytes)?;
    for (line, text) in lines {
        let row = row(line, text, columns, &mut place)?;
        assignments.push((row.prefix, account(row)));
    }
    match contradiction(&assignments) {
        None => Ok(assignments),
        Some(pair) => {
            let lines: Vec<usize> = rows(bytes)?.1.map(|(line, _)| line).collect();
            let [second, first] = pair.map(|row| lines[row]);
            Err(CsvError::Duplicate { first, second })
        }
    }
}

/// The columns of a text.
const COLUMNS: [&str; 2] = ["prefix,account", "prefix,account,interface"];

/// The columns, and the lines after the header that hold a row, each with its number.
fn rows(bytes: &[u8]) -> Result<(&'static str, impl Iterator<Item = (usize, &str)>), CsvError> {
    if let Some(what) = no_text(bytes) {
        return Err(CsvError::Format { what });
    }
    let text = text::of_bytes(bytes).map_err(|line| CsvError::Encoding { line })?;
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (line, header) = lines.next().ok_or(CsvError::Empty)?;
    let header = unquoted(header).ok_or(CsvError::Quotes { line })?;
    let is_header = |columns: &&str| columns.split(',').eq(header.split(',').map(str::trim));
    let columns = COLUMNS.into_iter().find(is_header).ok_or(CsvError::Header { line })?;
    Ok((columns, lines))
}

/// What other programs save a table as, by how it begins.
fn no_text(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Some("UTF-16, as some programs save a table; save it as UTF-8")
        }
        [0x1f, 0x8b, ..] => Some("compressed with gzip; unpack it first"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed with zstd; unpack it first"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("compressed with xz; unpack it first"),
        [b'P', b'K', 3, 4, ..] => Some("a ZIP archive or a spreadsheet; save it as CSV"),
        _ => None,
    }
}

/// The fields of a line, the interface empty where there is no column for it; none where they are not as many
/// as columns.
fn fields<'a>(line: &'a str, columns: &str) -> Option<[&'a str; 3]> {
    if line.matches(',').count() != columns.matches(',').count() {
        return None;
    }
    let mut fields = line.split(',').map(str::trim);
    Some([fields.next()?, fields.next()?, fields.next().unwrap_or_default()])
}

/// The names of a roster text, each with the byte at which its line begins; none where it is no roster. Lines that
/// name nobody are passed over.
pub(super) fn names(bytes: &[u8]) -> Option<impl Iterator<Item = (usize, AccountName)>> {
    let (columns, lines) = rows(bytes).ok()?;
    let start = bytes.as_ptr().addr();
    Some(lines.filter_map(move |(_, line)| Some((line.as_ptr().addr() - start, name(line, columns)?))))
}

/// The name on the line that begins at this byte.
pub(super) fn name_at(bytes: &[u8], at: usize) -> Option<AccountName> {
    let line = bytes.get(at..)?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    COLUMNS.into_iter().find_map(|columns| name(line, columns))
}

fn name(line: &str, columns: &str) -> Option<AccountName> {
    let text = unquoted(line)?;
    let [_, account, _] = fields(&text, columns)?;
    AccountName::parse(account).ok()
}

fn row(
    line: usize,
    text: &str,
    columns: &'static str,
    place: &mut impl FnMut(&str) -> Result<Place, PlaceError>,
) -> Result<Row, CsvError> {
    let text = unquoted(text).ok_or(CsvError::Quotes { line })?;
    let [prefix, account, interface] = fields(&text, columns).ok_or(CsvError::Fields { line, columns })?;
    let prefix = Prefix::parse(prefix).map_err(|why| CsvError::Prefix { line, why })?;
    let account = AccountName::parse(account).map_err(|why| CsvError::Name { line, why })?;
    let place = if interface.is_empty() { Ok(Place::ANY) } else { place(interface) };
    let place = place.map_err(|why| CsvError::Place { line, why })?;
    Ok(Row { prefix: prefix.at(place), account, line })
}

/// The first row that gives a prefix to another account than a row before it, and that row.
fn contradiction<A: PartialEq>(assignments: &[(Prefix, A)]) -> Option<[usize; 2]> {
    // Sorted in place, and not hashed: that takes four bytes a row. Rows of one prefix stay in their order.
    let of = |row: &u32| &assignments[*row as usize];
    let mut sorted: Vec<u32> = (0..u32::try_from(assignments.len()).unwrap_or(u32::MAX)).collect();
    sorted.sort_unstable_by_key(|row| (of(row).0, *row));
    let of_one_prefix = sorted.chunk_by(|one, other| of(one).0 == of(other).0);
    let contradiction = |same: &[u32]| {
        let (first, others) = same.split_first()?;
        let second = others.iter().find(|row| of(row).1 != of(first).1)?;
        Some([*second as usize, *first as usize])
    };
    of_one_prefix.filter_map(contradiction).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_are_the_same_as_plain_ones() {
        let text = "\"prefix\",\"account\"\n\"10.8.0.5\",\"alice\"\n10.8.0.5,alice\n";
        assert!(read(text.as_bytes(), nowhere, |row| row.account).is_ok_and(|rows| rows[0] == rows[1]));
    }

    #[test]
    fn what_is_no_text_is_named_for_what_it_is() {
        let utf16: Vec<u8> = "prefix,account\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, named) in [
            (&utf16[..], "UTF-16"),
            (&[&[0xff, 0xfe], &utf16[..]].concat(), "UTF-16"),
            (&[0x1f, 0x8b, 8, 0], "gzip"),
            (b"PK\x03\x04", "spreadsheet"),
        ] {
            let error = read(bytes, nowhere, |_| 0).err().expect("no text").to_string();
            assert!(error.contains(named) && error.starts_with("line 1: "), "{error}");
        }
    }

    fn error(text: &str) -> Option<CsvError> {
        read(text.as_bytes(), nowhere, |row| row.account).err()
    }

    #[test]
    fn comments_blanks_and_repetitions_are_accepted() {
        let text = "\u{feff}# mine\r\nprefix,account\r\n\r\n 10.8.0.2 , alice \r\n10.8.0.2,alice\n# end";
        let mut lines = Vec::new();
        let read = read(text.as_bytes(), nowhere, |row| {
            lines.push(row.line);
            row.account
        });
        let Ok(assignments) = read else { panic!("the text is good") };
        assert_eq!(lines, [4, 5]);
        let alice = AccountName::parse("alice").expect("a name");
        assert!(assignments.iter().all(|(_, account)| *account == alice));
    }

    #[test]
    fn an_error_names_the_line_and_repeats_nothing_of_it() {
        use CsvError::{Duplicate, Empty, Fields, Header, Name};
        assert_eq!(error(""), Some(Empty));
        assert_eq!(error("# a\n10.8.0.2,alice"), Some(Header { line: 2 }));
        assert_eq!(error("prefix,account\n10.8.0.2"), Some(Fields { line: 2, columns: COLUMNS[0] }));
        assert_eq!(error("prefix,account\n10.8.0.2,a,b"), Some(Fields { line: 2, columns: COLUMNS[0] }));
        let name = error("prefix,account\n10.8.0.2,secret name");
        assert_eq!(name, Some(Name { line: 2, why: NameError::Byte }));
        let prefix = error("prefix,account\n\n10.8.0.300,alice");
        assert!(matches!(prefix, Some(CsvError::Prefix { line: 3, .. })));
        assert!(!prefix.expect("an error").to_string().contains("300"));
        let duplicate = error("prefix,account\n10.8.0.2,alice\nfd::2,alice\n10.8.0.2/32,bob");
        assert_eq!(duplicate, Some(Duplicate { first: 2, second: 4 }));
        // Of several pairs, the one that ends first.
        let several =
            error("prefix,account\nfd::2,a\n10.8.0.2,a\n10.8.0.2,a\n10.8.0.2,b\nfd::2,b\n10.8.0.2,c");
        assert_eq!(several, Some(Duplicate { first: 3, second: 5 }));
        let quotes = error("prefix,account\n10.8.0.2,\"alice");
        assert_eq!(quotes, Some(CsvError::Quotes { line: 2 }));
        assert_eq!(read(b"prefix,account\n\xff", nowhere, |_| 0).err(), Some(CsvError::Encoding { line: 2 }));
    }

    #[test]
    fn a_row_holds_on_the_interface_that_it_names_and_one_prefix_on_several() {
        let place = |name: &str| match name {
            "wg0" => Ok(Place::of_number(1).expect("it is small")),
            "wg1" => Ok(Place::of_number(2).expect("it is small")),
            _ => Err(PlaceError::NotMetered),
        };
        let of = |rows: &str| {
            let text = format!("prefix, account ,interface\n{rows}");
            let rows = read(text.as_bytes(), place, |row| row.account)?;
            Ok(rows.iter().map(|(prefix, _)| prefix.place().number()).collect::<Vec<_>>())
        };
        assert_eq!(of("10.8.0.2,a,wg0\n10.8.0.2,b,\"wg1\"\n10.8.0.2,c,\n"), Ok(vec![1, 2, 0]));
        let columns = COLUMNS[1];
        assert_eq!(of("10.8.0.2,a\n"), Err(CsvError::Fields { line: 2, columns }));
        assert_eq!(of("10.8.0.2,a,wg0,x\n"), Err(CsvError::Fields { line: 2, columns }));
        assert_eq!(of("\n10.8.0.2,a,tun9\n"), Err(CsvError::Place { line: 3, why: PlaceError::NotMetered }));
        let twice = of("10.8.0.2,a,wg0\n10.8.0.2,b,wg1\n10.8.0.2,c,wg0\n");
        assert_eq!(twice, Err(CsvError::Duplicate { first: 2, second: 4 }));
    }
}
