//! OpenVPN's status file, versions 2 and 3: which client has which address, from its routing table.
//!
//! The file tells real addresses, times and byte counts besides; of each row two fields are looked at, by the
//! names of the header, and nothing else becomes a value. The caller clears the bytes. Pure: bytes in,
//! prefixes and accounts out.
//!
//! # Source
//! OpenVPN 2.6, src/openvpn/multi.c, `multi_print_status`.

use super::super::super::account::AccountName;
use super::super::super::address::Prefix;
use super::super::passed::Passed;
use super::super::unread::Unread;

/// What a server writes in place of a name until the client has one.
const UNNAMED: &[u8] = b"UNDEF";

/// Where the two fields of a row are, and how many a row has.
#[derive(Clone, Copy)]
struct Columns {
    address: usize,
    account: usize,
    fields: usize,
}

/// Reads a status file: each prefix of the routing table is handed to `each` with its client's account. Gives what was
/// passed over.
///
/// # Errors
/// A file that is not whole (the server writes it in place), of version 1 or of a server in TAP mode, or a row
/// that cannot be understood.
pub(super) fn read(file: &[u8], mut each: impl FnMut(Prefix, AccountName)) -> Result<Passed, Unread> {
    let mut separator = b',';
    let (mut columns, mut is_whole, mut passed) = (None, false, Passed::default());
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let malformed = || Unread::Malformed;
        if is_whole {
            // A line after the last one is another answer, half overwritten.
            if line.is_empty() { continue } else { return Err(malformed()) }
        }
        if index == 0 {
            separator = first_separator(line)?;
        }
        let mut fields = line.split(|byte| *byte == separator);
        match fields.next() {
            Some(b"HEADER") if fields.next() == Some(b"ROUTING_TABLE") => {
                columns = Some(columns_of(fields).ok_or_else(malformed)?);
            }
            Some(b"ROUTING_TABLE") => {
                let (address, account) =
                    columns.and_then(|columns| columns.of(line, separator)).ok_or(Unread::Row)?;
                if account == UNNAMED {
                    continue;
                }
                let prefix = prefix_of(address).ok_or(if is_of_a_bridge(address) {
                    Unread::TapMode
                } else {
                    Unread::Row
                })?;
                // Of a name that no account can have, nothing is said: a client chooses when it comes, and neither
                // the log nor a series may tell.
                match AccountName::of_bytes(account) {
                    Ok(account) => each(prefix, account),
                    Err(_) => passed.nameless += 1,
                }
            }
            Some(b"END") => is_whole = true,
            _ => {}
        }
    }
    if is_whole { Ok(passed) } else { Err(Unread::BrokenOff) }
}

impl Columns {
    /// The address and the account of a row. The server writes a name as it is, and of all fields a client
    /// chooses its name alone: what a row has too many of is the rest of it, or one client's name would end at
    /// its first comma and be another's.
    fn of(self, line: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
        let ends = || line.iter().enumerate().filter(|(_, byte)| **byte == separator).map(|(at, _)| at);
        let more = ends().count().checked_sub(self.fields)?;
        let field = |first: usize, last: usize| {
            let start = ends().nth(first)? + 1;
            line.get(start..ends().nth(last + 1).unwrap_or(line.len()))
        };
        let address = if self.address > self.account { self.address + more } else { self.address };
        Some((field(address, address)?, field(self.account, self.account + more)?))
    }
}

/// The first line names the version by its separator.
fn first_separator(line: &[u8]) -> Result<u8, Unread> {
    match line {
        [b'T', b'I', b'T', b'L', b'E', separator @ (b',' | b'\t'), ..] => Ok(*separator),
        b"OpenVPN CLIENT LIST" | b"OpenVPN STATISTICS" => Err(Unread::VersionOne),
        // Truncated a moment ago, to be written anew.
        b"" => Err(Unread::BrokenOff),
        _ => Err(Unread::Malformed),
    }
}

/// Where the two fields are, by the names of a header.
fn columns_of<'a>(names: impl Iterator<Item = &'a [u8]>) -> Option<Columns> {
    let (mut address, mut account, mut fields) = (None, None, 0);
    for (at, name) in names.enumerate() {
        fields = at + 1;
        match name {
            b"Virtual Address" => address = Some(at),
            b"Common Name" => account = Some(at),
            _ => {}
        }
    }
    Some(Columns { address: address?, account: account?, fields })
}

/// An address, or a network behind a client (`iroute`). A route that the server has learned of within such a
/// network ends with a `C`.
fn prefix_of(text: &[u8]) -> Option<Prefix> {
    let text = std::str::from_utf8(text.strip_suffix(b"C").unwrap_or(text)).ok()?;
    Prefix::parse_around(text)
}

/// A hardware address, with or without a VLAN: the server bridges, and its clients have no other.
fn is_of_a_bridge(text: &[u8]) -> bool {
    let address = text.split(|byte| *byte == b'@').next().unwrap_or_default();
    let mut pairs = address.split(|byte| *byte == b':');
    address.len() == 17 && pairs.all(|pair| pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file as OpenVPN 2.6 writes it, with a client of two addresses and a network, one without a name yet,
    /// and a route that was learned.
    const VERSION_2: &str = "TITLE,OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)]\n\
        TIME,2026-11-29 08:00:00,1795939200\n\
        HEADER,CLIENT_LIST,Common Name,Real Address,Virtual Address,Virtual IPv6 Address,Bytes Received,Bytes Sent,\
        Connected Since,Connected Since (time_t),Username,Client ID,Peer ID,Data Channel Cipher\n\
        CLIENT_LIST,alice,192.0.2.7:40000,10.8.0.6,fd42::6,1,2,2026-11-29 07:00:00,1795935600,UNDEF,0,0,AES-256-GCM\n\
        CLIENT_LIST,UNDEF,192.0.2.8:40001,,,0,0,2026-11-29 07:59:59,1795939199,UNDEF,1,1,AES-256-GCM\n\
        HEADER,ROUTING_TABLE,Virtual Address,Common Name,Real Address,Last Ref,Last Ref (time_t)\n\
        ROUTING_TABLE,10.8.0.6,alice,192.0.2.7:40000,2026-11-29 07:59:00,1795939140\n\
        ROUTING_TABLE,fd42::6,alice,192.0.2.7:40000,2026-11-29 07:59:00,1795939140\n\
        ROUTING_TABLE,10.9.0.0/24,alice,192.0.2.7:40000,2026-11-29 07:59:00,1795939140\n\
        ROUTING_TABLE,10.9.0.5C,alice,192.0.2.7:40000,2026-11-29 07:59:00,1795939140\n\
        ROUTING_TABLE,10.8.0.7,UNDEF,192.0.2.8:40001,2026-11-29 07:59:00,1795939140\n\
        ROUTING_TABLE,10.8.0.8,bob smith,192.0.2.9:1,2026-11-29 07:59:00,1795939140\n\
        GLOBAL_STATS,Max bcast/mcast queue length,0\nGLOBAL_STATS,dco_enabled,0\nEND\n";

    fn read_all(file: &str) -> Result<Vec<(Prefix, AccountName)>, Unread> {
        let mut rows = Vec::new();
        read(file.as_bytes(), |prefix, account| rows.push((prefix, account)))?;
        Ok(rows)
    }

    /// The same file with the name first and the address third, under these headings.
    fn name_first(headings: &str) -> String {
        VERSION_2
            .replace("Virtual Address,Common Name,Real Address,Last Ref", &format!("{headings}Last Ref"))
            .replace("ROUTING_TABLE,10.8.0.6,alice,192.0.2.7:40000", "ROUTING_TABLE,alice,x,10.8.0.6")
            .replace("ROUTING_TABLE,fd42::6,alice,192.0.2.7:40000", "ROUTING_TABLE,alice,x,fd42::6")
            .replace("ROUTING_TABLE,10.9.0.0/24,alice,192.0.2.7:40000", "ROUTING_TABLE,alice,x,10.9.0.0/24")
            .replace("ROUTING_TABLE,10.9.0.5C,alice,192.0.2.7:40000", "ROUTING_TABLE,alice,x,10.9.0.5C")
            .replace("ROUTING_TABLE,10.8.0.7,UNDEF,192.0.2.8:40001", "ROUTING_TABLE,UNDEF,x,10.8.0.7")
            .replace("ROUTING_TABLE,10.8.0.8,bob smith,192.0.2.9:1", "ROUTING_TABLE,bob smith,x,10.8.0.8")
    }

    fn expected() -> Vec<(Prefix, AccountName)> {
        let row = |(prefix, account): (&str, &str)| {
            (Prefix::parse(prefix).expect("a prefix"), AccountName::parse(account).expect("a name"))
        };
        let rows = [
            ("10.8.0.6", "alice"),
            ("fd42::6", "alice"),
            ("10.9.0.0/24", "alice"),
            ("10.9.0.5", "alice"),
            ("10.8.0.8", "bob%20smith"),
        ];
        rows.map(row).to_vec()
    }

    #[test]
    fn both_versions_and_any_order_of_columns_are_read_alike() {
        let version_3 = VERSION_2.replace(',', "\t");
        let other = name_first("Common Name,New,Virtual Address,");
        let windows = VERSION_2.replace('\n', "\r\n");
        for file in [VERSION_2, &version_3, &other, &windows] {
            assert!(read_all(file).expect("a whole file") == expected(), "{file}");
        }
    }

    #[test]
    fn a_file_that_is_being_written_is_not_believed() {
        let end = VERSION_2.find("END").expect("it ends");
        for length in 0..end {
            assert!(read_all(&VERSION_2[..length]).is_err(), "{length}");
        }
        // The shorter new file over the longer old one.
        let overwritten = format!("{}{}", VERSION_2, &VERSION_2[VERSION_2.len() - 40..]);
        assert!(matches!(read_all(&overwritten), Err(Unread::Malformed)));
    }

    #[test]
    fn what_is_no_such_file_is_named_for_what_it_is() {
        assert!(matches!(read_all("OpenVPN CLIENT LIST\nUpdated,x\nEND\n"), Err(Unread::VersionOne)));
        let bridge = VERSION_2.replace("ROUTING_TABLE,10.8.0.6,", "ROUTING_TABLE,02:42:ac:11:00:02@7,");
        assert!(matches!(read_all(&bridge), Err(Unread::TapMode)));
        let wrong = VERSION_2.replace("ROUTING_TABLE,10.8.0.6,", "ROUTING_TABLE,10.8.0.600,");
        assert!(matches!(read_all(&wrong), Err(Unread::Row)));
        let headless = VERSION_2.replace("HEADER,ROUTING_TABLE", "HEADER,ROUTES");
        assert!(matches!(read_all(&headless), Err(Unread::Row)));
        assert!(matches!(read_all("prefix,account\n10.8.0.6,alice\n"), Err(Unread::Malformed)));
    }

    /// A name ends where the server ends it: the separator in it makes no other client's name of it, whichever
    /// field comes first.
    #[test]
    fn a_name_with_commas_is_nobody_elses() {
        let named = |file: &str, from: &str, name: &str| {
            let rows = read_all(&file.replace(from, &from.replace("bob smith", name))).expect("a whole file");
            assert!(rows[..4] == expected()[..4], "the others stay as they are");
            rows.into_iter().nth(4)
        };
        let last = name_first("Common Name,Real Address,Virtual Address,");
        for (name, account) in [
            ("alice,10.8.0.6", "alice%2C10.8.0.6"),
            (",", "%2C"),
            ("alice,", "alice%2C"),
            (",alice", "%2Calice"),
            (
                "a,192.0.2.7:40000,2026-11-29 07:59:00,1795939140",
                "a%2C192.0.2.7:40000%2C2026-11-29%2007:59:00%2C1795939140",
            ),
        ] {
            let prefix = Prefix::parse("10.8.0.8").expect("an address");
            let row = Some((prefix, AccountName::parse(account).expect("a name")));
            assert!(named(VERSION_2, "ROUTING_TABLE,10.8.0.8,bob smith", name) == row, "{name}");
            assert!(named(&last, "ROUTING_TABLE,bob smith,x,10.8.0.8", name) == row, "{name}");
        }
    }

    #[test]
    fn a_client_with_an_odd_name_says_nothing_and_keeps_nobody_out() {
        for name in [String::new(), "a".repeat(129)] {
            let odd = VERSION_2
                .replace("ROUTING_TABLE,10.8.0.8,bob smith", &format!("ROUTING_TABLE,10.8.0.8,{name}"));
            assert!(read_all(&odd).expect("a whole file") == expected()[..4], "{}", name.len());
            assert!(read(odd.as_bytes(), |_, _| {}).is_ok_and(|passed| passed.nameless == 1));
        }
    }

    /// Inputs of the corpus, altered: each row is one of a line, and a file that is not whole is never believed.
    #[test]
    fn altered_files_are_read_or_refused() {
        super::super::super::mutated::inputs("openvpn", |file| {
            let mut rows = 0;
            let read = read(file, |prefix, account| {
                rows += 1;
                assert!(account.written().len() <= 3 * 128 && prefix.length() <= 128);
            });
            assert!(rows <= file.split(|byte| *byte == b'\n').count());
            assert!(read.is_err() || file.windows(3).any(|word| word == b"END"));
            (rows.min(12), read.map(|passed| passed.nameless).map_err(|why| std::mem::discriminant(&why)))
        });
    }

    proptest! {
        /// No bytes do harm, and nothing but the two fields of a row matters.
        #[test]
        fn any_bytes_are_read_or_refused(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("HEADER,ROUTING_TABLE,Virtual Address,Common Name".to_owned()),
                    "ROUTING_TABLE,[0-9a-f.:/C]{1,12},[ -~]{0,9}(,[ -~]{0,9})?",
                    "(CLIENT_LIST|GLOBAL_STATS|TIME),[ -~]{0,30}",
                    "[ -~]{0,30}",
                    Just("END".to_owned()),
                ],
                0..12
            ),
            noise in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut file = format!("TITLE,x\n{}\n", lines.join("\n")).into_bytes();
            file.extend(noise);
            let mut rows = 0;
            let read = read(&file, |_, _| rows += 1);
            prop_assert!(read.is_err() || rows <= lines.len());
        }
    }
}
