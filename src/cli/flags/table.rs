//! A table of counters, as `blindmeter flags` reads it: CSV text in, sums by node, account and epoch out.
//!
//! Offline: whoever has the table has everything in it already. An error names the line and repeats nothing of it.

use crate::meter::units::{Totals, Volume};
use csv::{Reader, StringRecord};
use std::collections::HashMap;
use std::io::Read;

/// The columns that are read; others are not.
const COLUMNS: [&str; 7] =
    ["node", "account", "epoch", "up_bytes", "down_bytes", "up_packets", "down_packets"];

/// One account's epochs on one node, from 0 on.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) epochs: Vec<Totals>,
}

/// One node's accounts, in the order in which the table names them.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) accounts: Vec<Account>,
}

/// What is wrong with a table.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error(
        "line 1: no column {0}; the header must name node, account, epoch, up_bytes, down_bytes, up_packets and down_packets"
    )]
    Column(&'static str),
    #[error("line 1: the table is empty; it starts with a header of its columns")]
    Empty,
    #[error("line {0}: not as many fields as the header has")]
    Fields(u64),
    #[error("line {line}: {column}: expected a whole number from 0 to 18446744073709551615")]
    Number { line: u64, column: &'static str },
    #[error("line {0}: an account's epochs must ascend from 0 without gaps")]
    Epoch(u64),
    #[error("line {0}: not UTF-8; save the table as UTF-8, and unpack it if it is compressed")]
    Encoding(u64),
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
}

/// Reads a table.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(super) fn read(input: impl Read) -> Result<Vec<Node>, TableError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(input);
    let columns = columns(&mut reader)?;
    let mut nodes: Vec<Node> = Vec::new();
    let mut places: HashMap<String, (usize, HashMap<String, usize>)> = HashMap::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(failed)? {
        let line = record.position().map_or(0, csv::Position::line);
        let text = |column: usize| record.get(columns[column]).unwrap_or_default();
        let number = |column: usize| {
            text(column).parse().map_err(|_| TableError::Number { line, column: COLUMNS[column] })
        };
        let (node, account) = (text(0), text(1));
        if !places.contains_key(node) {
            places.insert(node.to_owned(), (nodes.len(), HashMap::new()));
            nodes.push(Node { name: node.to_owned(), accounts: Vec::new() });
        }
        let Some((at, accounts)) = places.get_mut(node) else { continue };
        let accounts_of_node = &mut nodes[*at].accounts;
        let index = match accounts.get(account) {
            Some(index) => *index,
            None => {
                accounts.insert(account.to_owned(), accounts_of_node.len());
                accounts_of_node.push(Account { name: account.to_owned(), epochs: Vec::new() });
                accounts_of_node.len() - 1
            }
        };
        let epochs = &mut accounts_of_node[index].epochs;
        let epoch: u64 = number(2)?;
        if usize::try_from(epoch) != Ok(epochs.len()) {
            return Err(TableError::Epoch(line));
        }
        epochs.push(Totals {
            up: Volume { bytes: number(3)?, packets: number(5)? },
            down: Volume { bytes: number(4)?, packets: number(6)? },
        });
    }
    Ok(nodes)
}

/// Where each column is.
fn columns(reader: &mut Reader<impl Read>) -> Result<[usize; COLUMNS.len()], TableError> {
    let header = reader.headers().map_err(failed)?;
    if header.is_empty() {
        return Err(TableError::Empty);
    }
    let mut columns = [0; COLUMNS.len()];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        *column = header.iter().position(|field| field == name).ok_or(TableError::Column(name))?;
    }
    Ok(columns)
}

fn failed(error: csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => TableError::Read(error),
        csv::ErrorKind::Utf8 { .. } => TableError::Encoding(line),
        _ => TableError::Fields(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "node,account,epoch,up_bytes,down_bytes,up_packets,down_packets\n";

    fn error(rows: &str) -> String {
        let read = read(format!("{HEADER}{rows}").as_bytes());
        read.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let text = "x,down_packets,epoch,account,node,up_bytes,up_packets,down_bytes\n?,4,0,a,n,1,2,3\n?,8,1,a,n,5,6,7\n";
        let nodes = read(text.as_bytes()).expect("a good table");
        assert_eq!((nodes.len(), nodes[0].accounts.len()), (1, 1));
        let epochs = &nodes[0].accounts[0].epochs;
        let sums =
            epochs.iter().map(|sums| [sums.up.bytes, sums.up.packets, sums.down.bytes, sums.down.packets]);
        assert_eq!(sums.collect::<Vec<_>>(), [[1, 2, 3, 4], [5, 6, 7, 8]]);
    }

    #[test]
    fn an_account_on_two_nodes_is_two() {
        let nodes = read(format!("{HEADER}n,a,0,1,2,3,4\nm,a,0,1,2,3,4\nn,a,1,1,2,3,4\n").as_bytes());
        let nodes = nodes.expect("a good table");
        assert_eq!(nodes.iter().map(|node| node.accounts[0].epochs.len()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn an_error_names_the_line_and_repeats_nothing() {
        for (rows, told) in [
            ("n,a,1,1,2,3,4\n", "line 2: an account's epochs must ascend from 0 without gaps"),
            ("n,a,0,1,2,3,4\nn,a,0,1,2,3,4\n", "line 3: an account's"),
            ("n,a,0,-1,2,3,4\n", "line 2: up_bytes: expected a whole number"),
            ("n,a,0,1,2,3,4.5\n", "line 2: down_packets: expected"),
            ("n,a,0,18446744073709551616,2,3,4\n", "line 2: up_bytes"),
            ("n,a,0,1,2,3\n", "line 2: not as many fields"),
        ] {
            assert!(error(rows).starts_with(told), "{}", error(rows));
            assert!(!error(rows).contains("18446744073709551616"));
        }
        assert!(matches!(read(&b""[..]), Err(TableError::Empty)));
        assert!(matches!(read(&b"a,b\n"[..]), Err(TableError::Column("node"))));
        let binary = [HEADER.as_bytes(), b"n,\xff,0,1,2,3,4\n"].concat();
        assert!(matches!(read(&binary[..]), Err(TableError::Encoding(2))));
    }
}
