//! The roster file: CSV with the header `prefix,account` or `prefix,account,interface`. Text in, assignments or a line-numbered error
//! out; no error repeats a word of the file.
//!
//! A name is handed to the caller with its line, who makes of it what stands for the account (in the
//! daemon its tag); no name is kept here.

use super::account::{AccountName, NameError};
use super::address::{Prefix, PrefixError};
use super::rows::{InterfaceName, InterfaceNameError, Rows};

/// One row of the file.
pub struct Row {
    /// The prefix.
    pub prefix: Prefix,
    /// Its owner.
    pub account: AccountName,
    /// The interface that it holds on; none for every one.
    pub interface: Option<InterfaceName>,
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
    /// A line with another number of fields than the header.
    #[error("line {line}: expected {header}, as the header says")]
    Fields {
        /// The line, from 1.
        line: usize,
        /// The header.
        header: &'static str,
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
    /// The interface's name cannot be read.
    #[error("line {line}: {why}")]
    Interface {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: InterfaceNameError,
    },
    /// Two lines give one prefix to two accounts.
    #[error("line {first} and line {second}: the same prefix for two accounts; keep one of them")]
    Duplicate {
        /// The earlier line.
        first: usize,
        /// The later line.
        second: usize,
    },
    /// The text is not UTF-8.
    #[error("line {line}: a byte that is not UTF-8; percent-encode it in the account name")]
    Encoding {
        /// The line, from 1.
        line: usize,
    },
}

/// The headers that there are.
const HEADER: &str = "prefix,account";
const HEADER_WITH_INTERFACE: &str = "prefix,account,interface";

/// Reads a roster text: every prefix with what `account` makes of its row. Lines may be blank or begin
/// with `#`; fields may have blanks around them.
///
/// # Errors
/// The first line that is wrong, or the first pair that contradicts itself.
pub fn read<A: PartialEq>(bytes: &[u8], mut account: impl FnMut(&Row) -> A) -> Result<Rows<A>, CsvError> {
    // Room for all at once: a million rows are not copied as they grow.
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let mut read = Rows::from(Vec::with_capacity(lines));
    let (header, rows) = rows(bytes)?;
    for (line, text) in rows {
        let row = row(header, line, text)?;
        let assignment = (row.prefix, account(&row));
        match row.interface {
            None => read.anywhere.push(assignment),
            Some(interface) => read.on.entry(interface).or_default().push(assignment),
        }
    }
    let groups =
        std::iter::once((None, &read.anywhere)).chain(read.on.iter().map(|(name, rows)| (Some(name), rows)));
    let pairs = groups.filter_map(|(interface, group)| Some((interface, contradiction(group)?)));
    let duplicates = pairs.map(|(interface, pair)| duplicate(bytes, interface, pair));
    match duplicates.collect::<Result<Vec<[usize; 2]>, CsvError>>()?.into_iter().min() {
        None => Ok(read),
        Some([second, first]) => Err(CsvError::Duplicate { first, second }),
    }
}

/// True when rows of a text may name interfaces, by its header; false also where there is none.
#[must_use]
pub fn may_name_interfaces(bytes: &[u8]) -> bool {
    rows(bytes).is_ok_and(|(header, _)| header == HEADER_WITH_INTERFACE)
}

/// The lines of two rows of an interface.
fn duplicate(
    bytes: &[u8],
    interface: Option<&InterfaceName>,
    pair: [usize; 2],
) -> Result<[usize; 2], CsvError> {
    let (header, rows) = rows(bytes)?;
    let read: Vec<Row> = rows.map(|(line, text)| row(header, line, text)).collect::<Result<_, _>>()?;
    let of_it: Vec<&Row> = read.iter().filter(|row| row.interface.as_ref() == interface).collect();
    Ok(pair.map(|at| of_it[at].line))
}

/// The header, and the lines after it that hold a row, each with its number.
fn rows(bytes: &[u8]) -> Result<(&'static str, impl Iterator<Item = (usize, &str)>), CsvError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        CsvError::Encoding { line }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (line, header) = lines.next().ok_or(CsvError::Empty)?;
    let is_it = |known: &&str| header.split(',').map(str::trim).eq(known.split(','));
    match [HEADER, HEADER_WITH_INTERFACE].into_iter().find(is_it) {
        Some(header) => Ok((header, lines)),
        None => Err(CsvError::Header { line }),
    }
}

fn row(header: &'static str, line: usize, text: &str) -> Result<Row, CsvError> {
    let mut fields = text.split(',').map(str::trim);
    let wrong = CsvError::Fields { line, header };
    let (Some(prefix), Some(account)) = (fields.next(), fields.next()) else { return Err(wrong) };
    let interface = fields.next();
    if interface.is_some() != (header == HEADER_WITH_INTERFACE) || fields.next().is_some() {
        return Err(wrong);
    }
    let prefix = Prefix::parse(prefix).map_err(|why| CsvError::Prefix { line, why })?;
    let account = AccountName::parse(account).map_err(|why| CsvError::Name { line, why })?;
    let interface = interface.filter(|name| !name.is_empty()).map(InterfaceName::parse).transpose();
    let interface = interface.map_err(|why| CsvError::Interface { line, why })?;
    Ok(Row { prefix, account, interface, line })
}

/// The first row that gives a prefix to another account than a row before it, and that row.
fn contradiction<A: PartialEq>(assignments: &[(Prefix, A)]) -> Option<[usize; 2]> {
    // Sorted, and not hashed: that takes eight bytes a row. Rows of one prefix stay in their order.
    let mut sorted: Vec<usize> = (0..assignments.len()).collect();
    sorted.sort_by_key(|row| assignments[*row].0);
    let of_one_prefix = sorted.chunk_by(|one, other| assignments[*one].0 == assignments[*other].0);
    let contradiction = |same: &[usize]| {
        let (first, others) = same.split_first()?;
        let second = others.iter().find(|row| assignments[**row].1 != assignments[*first].1)?;
        Some([*second, *first])
    };
    of_one_prefix.filter_map(contradiction).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Option<CsvError> {
        read(text.as_bytes(), |row| row.account.clone()).err()
    }

    #[test]
    fn comments_blanks_and_repetitions_are_accepted() {
        let text = "\u{feff}# mine\r\nprefix,account\r\n\r\n 10.8.0.2 , alice \r\n10.8.0.2,alice\n# end";
        let mut lines = Vec::new();
        let read = read(text.as_bytes(), |row| {
            lines.push(row.line);
            row.account.clone()
        });
        let Ok(Rows { anywhere: assignments, on }) = read else { panic!("the text is good") };
        assert!(on.is_empty());
        assert_eq!(lines, [4, 5]);
        let alice = AccountName::parse("alice").expect("a name");
        assert!(assignments.iter().all(|(_, account)| *account == alice));
    }

    #[test]
    fn a_row_may_name_its_interface() {
        let text = "prefix,account,interface\n10.8.0.2,alice,wg0\n10.8.0.2,bob, wg1 \n10.8.0.2,carol,\n\
                    10.8.0.3,alice,wg0";
        let Ok(rows) = read(text.as_bytes(), |row| row.line) else { panic!("the text is good") };
        let lines = |rows: &[(Prefix, usize)]| rows.iter().map(|(_, line)| *line).collect::<Vec<_>>();
        assert_eq!(lines(&rows.anywhere), [4]);
        let named: Vec<_> = rows.on.iter().map(|(name, rows)| (name.text(), lines(rows))).collect();
        assert_eq!(named, [("wg0", vec![2, 5]), ("wg1", vec![3])]);
        assert!(may_name_interfaces(text.as_bytes()) && !may_name_interfaces(b"prefix,account\n"));
        let twice = "prefix,account,interface\n10.8.0.2,a,wg0\n10.8.0.2,a,\n10.8.0.2,b,wg1\n10.8.0.2,b,wg0";
        assert_eq!(error(twice), Some(CsvError::Duplicate { first: 2, second: 5 }));
    }

    #[test]
    fn an_error_names_the_line_and_repeats_nothing_of_it() {
        use CsvError::{Duplicate, Empty, Fields, Header, Name};
        assert_eq!(error(""), Some(Empty));
        assert_eq!(error("# a\n10.8.0.2,alice"), Some(Header { line: 2 }));
        let fields = |header| Some(Fields { line: 2, header });
        assert_eq!(error("prefix,account\n10.8.0.2"), fields(HEADER));
        assert_eq!(error("prefix,account\n10.8.0.2,a,b"), fields(HEADER));
        assert_eq!(error("prefix,account,interface\n10.8.0.2,a"), fields(HEADER_WITH_INTERFACE));
        assert_eq!(error("prefix,account,interface\n10.8.0.2,a,b,c"), fields(HEADER_WITH_INTERFACE));
        assert!(matches!(
            error("prefix,account,interface\n10.8.0.2,a,wg 0"),
            Some(CsvError::Interface { line: 2, .. })
        ));
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
        assert_eq!(read(b"prefix,account\n\xff", |_| 0).err(), Some(CsvError::Encoding { line: 2 }));
    }
}
