//! The answer of a WireGuard program in user space to `get=1`: lines `key=value`, of which two are read.
//!
//! Programs differ in the order of their lines and in what else they tell; `public_key` begins a peer, and
//! whatever is not known is passed over unread. Of the other lines (private key, preshared keys, endpoints,
//! handshakes, counters) no value is ever built. Pure: bytes in, pairs out.
//!
//! # Source
//! <https://www.wireguard.com/xplatform/>, "Configuration Protocol".

use super::super::super::address::Prefix;
use super::super::unread::Unread;
use super::{KEY_BYTES, PublicKey};
use std::io;

/// What to ask.
pub(super) const QUESTION: &[u8] = b"get=1\n\n";

/// An answer, read line by line.
pub(super) struct Answer<F> {
    each: F,
    peer: Option<PublicKey>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The last line said that all is well.
    Well,
    Over,
}

impl<F: FnMut(Prefix, &[u8; KEY_BYTES]) -> Result<(), Unread>> Answer<F> {
    /// An answer whose prefixes are handed to `each`, with the key of the peer that may use them.
    pub(super) const fn new(each: F) -> Self {
        Self { each, peer: None, state: State::Open }
    }

    /// True once the last line was read.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Reads the whole lines of these bytes; returns how many bytes they were.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, Unread> {
        let mut read = 0;
        while let Some(length) = bytes[read..].iter().position(|byte| *byte == b'\n') {
            if self.is_over() {
                // More than was asked for.
                return Err(Unread::Malformed);
            }
            self.line(&bytes[read..read + length])?;
            read += length + 1;
        }
        Ok(read)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Unread> {
        if line.is_empty() && self.state == State::Well {
            self.state = State::Over;
            return Ok(());
        }
        let equals = line.iter().position(|byte| *byte == b'=').ok_or(Unread::Malformed)?;
        let (key, value) = (&line[..equals], &line[equals + 1..]);
        if self.state == State::Well {
            return Err(Unread::Malformed);
        }
        match key {
            b"public_key" => self.peer = Some(key_of(value).ok_or(Unread::Malformed)?),
            b"allowed_ip" => {
                let prefix = std::str::from_utf8(value).ok().and_then(Prefix::parse_around);
                let (Some(peer), Some(prefix)) = (&self.peer, prefix) else { return Err(Unread::Malformed) };
                (self.each)(prefix, &peer.0)?;
            }
            b"errno" => {
                let code = std::str::from_utf8(value).ok().and_then(|digits| digits.parse::<i32>().ok());
                match code {
                    None => return Err(Unread::Malformed),
                    Some(0) => self.state = State::Well,
                    Some(code) => {
                        return Err(Unread::Refused(io::Error::from_raw_os_error(code.saturating_abs())));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The key of 64 hexadecimal digits.
fn key_of(digits: &[u8]) -> Option<PublicKey> {
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = PublicKey([0; KEY_BYTES]);
    for (byte, pair) in key.0.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read of an answer that arrives in pieces of so many bytes.
    fn read(answer: &[u8], piece: usize) -> Result<Vec<(Prefix, u8)>, Unread> {
        let mut pairs = Vec::new();
        let mut walk = Answer::new(|prefix, key: &[u8; KEY_BYTES]| {
            pairs.push((prefix, key[31]));
            Ok(())
        });
        let mut held: Vec<u8> = Vec::new();
        for bytes in answer.chunks(piece) {
            held.extend(bytes);
            let read = walk.read(&held)?;
            held.drain(..read);
        }
        if walk.is_over() && held.is_empty() { Ok(pairs) } else { Err(Unread::BrokenOff) }
    }

    fn key(last: u8) -> String {
        format!("{}{last:02x}", "ab".repeat(31))
    }

    fn expected(rows: &[(&str, u8)]) -> Vec<(Prefix, u8)> {
        rows.iter().map(|(text, key)| (Prefix::parse(text).expect("a prefix"), *key)).collect()
    }

    #[test]
    fn the_dialects_of_the_family_are_read_alike() {
        let (one, two, secret) = (key(1), key(2), "5e".repeat(32));
        let go = format!(
            "private_key={secret}\nlisten_port=51820\nfwmark=1\npublic_key={one}\npreshared_key={secret}\n\
             protocol_version=1\nendpoint=192.0.2.7:1\nlast_handshake_time_sec=1764400000\n\
             last_handshake_time_nsec=5\ntx_bytes=1\nrx_bytes=2\npersistent_keepalive_interval=25\n\
             allowed_ip=10.8.0.2/32\nallowed_ip=fd42::2/128\npublic_key={two}\nallowed_ip=10.9.0.0/24\nerrno=0\n\n"
        );
        // boringtun: its own key under another name, addresses before counters, an age for a time.
        let boring = format!(
            "own_public_key={secret}\nlisten_port=51820\npublic_key={one}\nendpoint=[2001:db8::1]:2\n\
             allowed_ip=10.8.0.2/32\nallowed_ip=fd42::2/128\nlast_handshake_time_sec=7\nrx_bytes=1\ntx_bytes=2\n\
             public_key={two}\nsomething_new=\nallowed_ip=10.9.0.77/24\nerrno=0\n\n"
        );
        for answer in [go, boring] {
            for piece in [1, 7, 100, 10_000] {
                let pairs = read(answer.as_bytes(), piece).expect("it is well-formed");
                assert!(pairs == expected(&[("10.8.0.2", 1), ("fd42::2", 1), ("10.9.0.0/24", 2)]), "{piece}");
            }
        }
        assert!(read(b"errno=0\n\n", 3).is_ok_and(|pairs| pairs.is_empty()));
    }

    #[test]
    fn an_answer_that_lies_or_breaks_off_is_refused() {
        let one = key(1);
        for answer in [
            "allowed_ip=10.8.0.2/32\nerrno=0\n\n".to_owned(),
            "public_key=abc\nerrno=0\n\n".to_owned(),
            format!("public_key={one}\nallowed_ip=10.8.0.2/33\n"),
            format!("public_key={one}\nallowed_ip=-10.8.0.2/32\n"),
            format!("public_key={one}\nallowed_ip=\u{e9}\n"),
            format!("public_key={}\n", one.replace('a', "g")),
            "listen_port\n".to_owned(),
            "\nerrno=0\n\n".to_owned(),
            "errno=none\n\n".to_owned(),
            "errno=0\nlisten_port=1\n".to_owned(),
            "errno=0\n\nerrno=0\n\n".to_owned(),
        ] {
            assert!(matches!(read(answer.as_bytes(), 5), Err(Unread::Malformed)), "{answer}");
        }
        let refused = read(b"errno=-13\n\n", 100);
        assert!(matches!(refused, Err(Unread::Refused(error)) if error.raw_os_error() == Some(13)));
        let whole = format!("public_key={one}\nallowed_ip=10.8.0.2/32\nerrno=0\n\n");
        for end in 0..whole.len() {
            assert!(matches!(read(&whole.as_bytes()[..end], 50), Err(Unread::BrokenOff)), "{end}");
        }
    }

    /// Inputs of the corpus, altered: how they arrive changes nothing.
    #[test]
    fn altered_answers_are_read_or_refused() {
        let mut piece = 0;
        super::super::super::mutated::inputs("uapi", |answer| {
            piece = piece % 61 + 1;
            let (whole, pieces) = (read(answer, answer.len().max(1)), read(answer, piece));
            assert!(whole.is_ok() == pieces.is_ok());
            if let (Ok(whole), Ok(pieces)) = (&whole, &pieces) {
                assert!(whole == pieces);
            }
            whole.map(|pairs| pairs.len().min(12)).map_err(|why| std::mem::discriminant(&why))
        });
    }

    proptest! {
        /// No bytes do harm, and how they arrive changes nothing.
        #[test]
        fn any_bytes_are_read_or_refused(
            lines in proptest::collection::vec(
                prop_oneof![
                    "[a-z_]{0,12}=?[ -~]{0,20}",
                    Just(format!("public_key={}", "0f".repeat(32))),
                    "allowed_ip=[0-9a-f.:]{1,12}/[0-9]{1,3}",
                    Just("errno=0".to_owned()),
                    Just(String::new()),
                ],
                0..12
            ),
            noise in proptest::collection::vec(any::<u8>(), 0..40),
            piece in 1_usize..80
        ) {
            let mut answer = lines.join("\n").into_bytes();
            answer.extend(noise);
            let (whole, pieces) = (read(&answer, answer.len().max(1)), read(&answer, piece));
            prop_assert_eq!(whole.is_ok(), pieces.is_ok());
            if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
                prop_assert!(whole == pieces);
            }
        }
    }
}
