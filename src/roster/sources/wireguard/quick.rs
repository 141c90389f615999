//! The names in a wg-quick file: a comment `# friendly_name = NAME` or `# Name = NAME`, and the public key of
//! the peer that it belongs to. Nothing else of the file is looked at, which holds the device's private key.
//!
//! A name stands below the line `[Peer]`, or right above it. Where it stands at the end of one peer's block
//! and might be the next one's, the empty lines around it decide; where they do not, the file is refused:
//! a name that went to the wrong peer would charge one user with another's bytes.

use super::super::super::account::AccountName;
use super::is_key;
use super::row::{NamesError, Row, lines};
use zeroize::Zeroizing;

/// A peer's block, as far as it was read.
#[derive(Default)]
struct Block {
    is_peer: bool,
    key: Option<(usize, Zeroizing<String>)>,
    name: Option<Found>,
}

/// A name in a comment.
struct Found {
    account: AccountName,
    line: usize,
    /// Whether an empty line stands between it and what stood before.
    is_apart: bool,
}

/// Every peer that has a name.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, NamesError> {
    let mut rows = Vec::new();
    let mut block = Block::default();
    // The first name since the last line that was not a comment, and whether the line before was empty.
    let (mut pending, mut after_gap): (Option<Found>, bool) = (None, true);
    for (number, line) in lines(text) {
        if line.is_empty() {
            after_gap = true;
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            if let Some(account) = name_of(comment, number)? {
                pending = pending.or(Some(Found { account, line: number, is_apart: after_gap }));
                after_gap = false;
            }
            continue;
        }
        if line.starts_with('[') {
            let is_peer = line.eq_ignore_ascii_case("[peer]");
            let mut above = None;
            if let Some(found) = pending.take() {
                match (found.is_apart, after_gap) {
                    (true, false) if is_peer => above = Some(found),
                    // It stands at the end of the block above, which may be the device's own.
                    (false, true) => block.name = block.name.or(Some(found)),
                    _ if !is_peer => block.name = block.name.or(Some(found)),
                    // The block above has its name.
                    _ if block.name.is_some() => above = Some(found),
                    _ => return Err(NamesError::Whose(found.line)),
                }
            }
            finish(std::mem::take(&mut block), &mut rows);
            block = Block { is_peer, key: None, name: above };
        } else {
            block.name = block.name.or(pending.take());
            if block.is_peer
                && let Some(key) = key_of(line)
            {
                if !is_key(key) {
                    return Err(NamesError::Key(number));
                }
                block.key = Some((number, Zeroizing::new(key.to_owned())));
            }
        }
        after_gap = false;
    }
    block.name = block.name.or(pending);
    finish(block, &mut rows);
    Ok(rows)
}

fn finish(block: Block, rows: &mut Vec<Row>) {
    if let Block { is_peer: true, key: Some((line, key)), name: Some(found) } = block {
        rows.push(Row { key, account: found.account, line });
    }
}

/// The value of `PublicKey =`, up to a comment.
fn key_of(line: &str) -> Option<&str> {
    let (word, value) = line.split_once('=')?;
    let is_key = word.trim_end().eq_ignore_ascii_case("PublicKey");
    is_key.then(|| value.split('#').next().unwrap_or_default().trim())
}

/// The name that a comment gives.
fn name_of(comment: &str, line: usize) -> Result<Option<AccountName>, NamesError> {
    let Some((word, name)) = comment.split_once('=') else { return Ok(None) };
    let word = word.trim();
    if !word.eq_ignore_ascii_case("friendly_name") && !word.eq_ignore_ascii_case("name") {
        return Ok(None);
    }
    let name = AccountName::of_bytes(name.trim().as_bytes()).map_err(|why| NamesError::Name(line, why))?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(number: u8) -> String {
        format!("{}{}", char::from(b'A' + number % 26).to_string().repeat(42), "A=")
    }

    fn read(text: &str) -> Result<Vec<(String, String)>, NamesError> {
        let rows = rows(text)?;
        Ok(rows.iter().map(|row| (row.account.written().to_owned(), row.key.to_string())).collect())
    }

    fn peer(number: u8) -> String {
        format!("PublicKey = {}\nAllowedIPs = 10.8.0.{number}/32\nPresharedKey = x\n", key(number))
    }

    fn pairs(names: &[(&str, u8)]) -> Vec<(String, String)> {
        names.iter().map(|(name, number)| ((*name).to_owned(), key(*number))).collect()
    }

    #[test]
    fn a_name_is_found_below_and_above_its_peer() {
        let (one, two) = (peer(1), peer(2));
        let below = format!(
            "[Interface]\nPrivateKey = s\n# Name = server\n\n[Peer]\n# friendly_name = alice\n{one}\n[peer]\n#Name=bob b\n{two}"
        );
        assert_eq!(read(&below), Ok(pairs(&[("alice", 1), ("bob%20b", 2)])));
        let above = format!(
            "[Interface]\n\n# Name = alice\n[Peer]\n{one}\n# friendly_name = bob\n# a note\n[Peer]\n{two}"
        );
        assert_eq!(read(&above), Ok(pairs(&[("alice", 1), ("bob", 2)])));
        let at_the_end = format!("[Peer]\n{one}# Name = alice\n\n[Peer]\n{two}# Name = bob\n");
        assert_eq!(read(&at_the_end), Ok(pairs(&[("alice", 1), ("bob", 2)])));
        // No empty lines at all, each below its line.
        let tight = format!(
            "[Peer]\n# Name = alice\n{one}[Peer]\n# Name = bob\n# friendly_name = other\n{two}[Peer]\n{}",
            peer(3)
        );
        assert_eq!(read(&tight), Ok(pairs(&[("alice", 1), ("bob", 2)])));
    }

    #[test]
    fn a_name_that_may_be_either_peers_is_refused() {
        let (one, two) = (peer(1), peer(2));
        for (between, line) in [("# Name = x\n", 5), ("\n# Name = x\n\n", 6)] {
            let text = format!("[Peer]\n{one}{between}[Peer]\n{two}");
            assert_eq!(read(&text), Err(NamesError::Whose(line)));
            let device = format!("[Interface]\nPrivateKey = s\n{between}[Peer]\n{two}");
            assert_eq!(read(&device), Err(NamesError::Whose(line - 2)));
            // The first one has a name: it is the second one's.
            let text = format!("[Peer]\n# Name = alice\n{one}{between}[Peer]\n{two}");
            assert_eq!(read(&text), Ok(pairs(&[("alice", 1), ("x", 2)])));
        }
    }

    #[test]
    fn a_second_name_of_a_peer_is_not_the_next_ones() {
        let text = format!("[Peer]\n# Name = alice\n{}# Name = x\n\n[Peer]\n{}", peer(1), peer(2));
        assert_eq!(read(&text), Ok(pairs(&[("alice", 1)])));
    }

    #[test]
    fn nothing_else_of_the_file_is_a_name_or_a_mistake() {
        let text = format!(
            "[Interface]\nPrivateKey = ?\nName = x\n[Peer]\n# email = a@b\n# Name\n{}\n# Name =\n",
            peer(1)
        );
        assert_eq!(read(&text), Err(NamesError::Name(11, crate::roster::account::NameError::Length)));
        assert_eq!(read("[Peer]\nPublicKey = abc # mine\n"), Err(NamesError::Key(2)));
        let noted = format!("[Peer]\nPublicKey={} # mine\n# Name = a\n", key(1));
        assert_eq!(read(&noted), Ok(pairs(&[("a", 1)])));
        assert_eq!(read("[Peer]\n# Name = a\n"), Ok(vec![]), "no key");
    }

    proptest! {
        /// Whichever way a file writes its names, none goes to another peer.
        #[test]
        fn no_name_goes_to_another_peer(
            peers in proptest::collection::vec((0_u8..4, 0_usize..3, 0_usize..3), 1..8)
        ) {
            let mut text = "[Interface]\nPrivateKey = s\n\n".to_owned();
            for (at, (style, before, after)) in peers.iter().enumerate() {
                let number = u8::try_from(at).expect("few");
                let name = format!("# Name = n{at}\n");
                let (above, below, end) = match style {
                    0 => (name.as_str(), "", ""),
                    1 => ("", name.as_str(), ""),
                    2 => ("", "", name.as_str()),
                    _ => ("", "", ""),
                };
                text += &format!("{}{above}[Peer]\n{below}{}{end}{}", "\n".repeat(*before), peer(number), "\n".repeat(*after));
            }
            if let Ok(rows) = read(&text) {
                for (name, key_found) in rows {
                    let number: u8 = name[1..].parse().expect("n and a number");
                    prop_assert_eq!(key_found, key(number), "{}", text);
                }
            }
        }
    }
}
