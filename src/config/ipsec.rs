//! strongSwan's charons that are asked: `[[roster.strongswan]]`. Holds paths; no key and no address.

use super::raw;
use super::servers::{grace_of, poll_of};
use crate::roster::sources::strongswan::Identity;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// A charon, by its vici socket.
#[derive(Clone, PartialEq, Eq)]
pub struct StrongSwan {
    /// The socket.
    pub socket: PathBuf,
    /// Which identity names a client's account.
    pub identity: Identity,
    /// How often it is asked.
    pub poll: Duration,
    /// For how many lists in a row an address may be missing before it is taken away.
    pub grace: u8,
}

/// How often a charon is asked by default.
const POLL_SECONDS: u64 = 5;

/// Words of `identity`.
const IDENTITIES: [(&str, Identity); 4] =
    [("any", Identity::Any), ("eap", Identity::Eap), ("xauth", Identity::Xauth), ("ike", Identity::Ike)];

impl StrongSwan {
    /// The charons of these tables.
    ///
    /// # Errors
    /// Where the first mistake stands, and what it is.
    pub(super) fn all(tables: &[raw::StrongSwan]) -> Result<Vec<Self>, (Range<usize>, &'static str)> {
        let mut charons: Vec<Self> = Vec::new();
        for table in tables {
            let socket = table.socket.as_ref();
            if !socket.is_absolute() {
                let what = "roster.strongswan: socket: expected an absolute path, like \"/run/charon.vici\"";
                return Err((table.socket.span(), what));
            }
            if charons.iter().any(|charon| charon.socket == *socket) {
                return Err((table.socket.span(), "roster.strongswan: socket: listed twice; keep one"));
            }
            let identity = match &table.identity {
                None => Identity::Any,
                Some(word) => {
                    let known = IDENTITIES.into_iter().find(|(known, _)| known == word.as_ref());
                    let what = "roster.strongswan: identity: expected \"any\", \"eap\", \"xauth\" or \"ike\"";
                    known.ok_or((word.span(), what))?.1
                }
            };
            let poll = poll_of(table.poll.as_ref(), POLL_SECONDS)
                .map_err(|span| (span, "roster.strongswan: poll: expected 1s to 1h"))?;
            let grace = grace_of(table.grace.as_ref())
                .map_err(|span| (span, "roster.strongswan: grace: expected 0 to 100 polls"))?;
            charons.push(Self { socket: socket.clone(), identity, poll, grace });
        }
        Ok(charons)
    }

    /// The table of a charon, as TOML.
    pub(super) fn effective(&self) -> String {
        let identity = IDENTITIES.into_iter().find(|(_, identity)| *identity == self.identity);
        format!(
            "[[roster.strongswan]]\nsocket = \"{}\"\nidentity = \"{}\"\npoll = \"{}s\"\ngrace = {}\n",
            self.socket.display(),
            identity.map_or("", |(word, _)| word),
            self.poll.as_secs(),
            self.grace
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_charon_has_its_defaults_and_a_bad_one_is_named() {
        let charons = |table: &str| {
            let text = format!(
                "[tap]\ninterfaces = [\"ipsec0\"]\n[store]\nmode = \"memory\"\n[[roster.strongswan]]\n{table}\n"
            );
            parse(&text).map(|config| config.strongswan).map_err(|error| error.to_string())
        };
        let socket = "socket = \"/run/charon.vici\"";
        let poll = Duration::from_secs(5);
        let one = StrongSwan { socket: "/run/charon.vici".into(), identity: Identity::Any, poll, grace: 2 };
        assert!(charons(socket) == Ok(vec![one.clone()]));
        let other = StrongSwan { identity: Identity::Xauth, grace: 0, ..one };
        assert!(charons(&format!("{socket}\nidentity = \"xauth\"\ngrace = 0")) == Ok(vec![other]));
        for (table, line, named) in [
            ("socket = \"charon.vici\"".to_owned(), 6, "absolute"),
            (format!("{socket}\nidentity = \"name\""), 7, "identity: expected"),
            (format!("{socket}\npoll = \"0s\""), 7, "poll: expected"),
            (format!("{socket}\n[[roster.strongswan]]\n{socket}"), 8, "listed twice"),
            ("poll = \"5s\"".to_owned(), 5, "missing field `socket`"),
        ] {
            let error = charons(&table).err().expect("it is bad");
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(named), "{error}");
        }
    }
}
