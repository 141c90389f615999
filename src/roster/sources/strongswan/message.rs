//! Messages of strongSwan's vici: what an IKE SA of a list says of its client's account and prefixes.
//!
//! An SA tells its client's real address, times and byte counts besides. Elements are stepped over by their lengths,
//! and those alone are looked at that are named here. The caller clears the bytes. Pure: bytes in, pairs out.
//!
//! # Source
//! strongSwan 5.9, src/libcharon/plugins/vici/README.md (protocol, list-sa).

use super::super::super::account::AccountName;
use super::super::super::address::Prefix;
use super::super::passed::Passed;
use super::super::unread::Unread;

/// Which identity names the account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The first of these that the client has: EAP, XAuth, IKE.
    Any,
    /// That of EAP.
    Eap,
    /// That of XAuth.
    Xauth,
    /// That of IKE.
    Ike,
}

impl Identity {
    /// The keys under which it stands, in their order.
    const fn keys(self) -> &'static [&'static [u8]] {
        match self {
            Self::Any => &[b"remote-eap-id", b"remote-xauth-id", b"remote-id"],
            Self::Eap => &[b"remote-eap-id"],
            Self::Xauth => &[b"remote-xauth-id"],
            Self::Ike => &[b"remote-id"],
        }
    }
}

/// An element of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element<'a> {
    Section(&'a [u8]),
    SectionEnd,
    Value(&'a [u8], &'a [u8]),
    List(&'a [u8]),
    Item(&'a [u8]),
    ListEnd,
}

/// The elements of a message; an error ends it where one does not fit.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn name(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.take(1)?.first()?);
        self.take(length)
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?.try_into().map(u16::from_be_bytes).ok()?;
        self.take(usize::from(length))
    }

    fn element(&mut self) -> Option<Element<'a>> {
        Some(match self.take(1)?.first()? {
            1 => Element::Section(self.name()?),
            2 => Element::SectionEnd,
            3 => Element::Value(self.name()?, self.value()?),
            4 => Element::List(self.name()?),
            5 => Element::Item(self.value()?),
            6 => Element::ListEnd,
            _ => return None,
        })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.element().ok_or(Unread::Malformed).inspect_err(|_| self.0 = &[]))
    }
}

/// What of an SA is looked at, borrowed of its message.
#[derive(Default)]
struct Sa<'a> {
    state: &'a [u8],
    /// The client's real address, to tell a tunnel from a host that protects its own traffic.
    host: &'a [u8],
    account: Option<(usize, &'a [u8])>,
}

/// States of an SA that has no tunnel yet, or none any more.
const WITHOUT_TUNNEL: [&[u8]; 5] = [b"CREATED", b"CONNECTING", b"PASSIVE", b"DELETING", b"DESTROYING"];

/// Reads the SAs of a message: each prefix of a client is handed to `each` with its account. Gives what was passed over.
///
/// # Errors
/// A message whose elements do not fit.
pub(super) fn read(
    message: &[u8],
    identity: Identity,
    mut each: impl FnMut(Prefix, &AccountName),
) -> Result<Passed, Unread> {
    let mut passed = Passed::default();
    let mut rest = Elements(message);
    while !rest.0.is_empty() {
        let start = rest.0;
        match rest.next().ok_or(Unread::Malformed)?? {
            Element::Section(_) => {
                let sa = look(&mut rest, identity)?;
                if WITHOUT_TUNNEL.contains(&sa.state) {
                    continue;
                }
                let length = start.len() - rest.0.len();
                match sa.account.and_then(|(_, name)| AccountName::of_bytes(name).ok()) {
                    None => passed.nameless += 1,
                    Some(account) => {
                        let body = start.get(..length).unwrap_or_default();
                        prefixes(body, sa.host, &mut passed, |prefix| each(prefix, &account))?;
                    }
                }
            }
            // Answers have values of their own beside sections.
            Element::Value(..) => {}
            _ => return Err(Unread::Malformed),
        }
    }
    Ok(passed)
}

/// Steps over a section whose start was read; gives what its own values say.
fn look<'a>(rest: &mut Elements<'a>, identity: Identity) -> Result<Sa<'a>, Unread> {
    let (mut sa, mut depth) = (Sa::default(), 1_usize);
    while depth > 0 {
        match rest.next().ok_or(Unread::Malformed)?? {
            Element::Section(_) => depth += 1,
            Element::SectionEnd => depth -= 1,
            Element::Value(key, value) if depth == 1 => match key {
                b"state" => sa.state = value,
                b"remote-host" => sa.host = value,
                key => {
                    let rank = identity.keys().iter().position(|known| *known == key);
                    if let Some(rank) = rank.filter(|rank| sa.account.is_none_or(|(first, _)| *rank < first))
                    {
                        sa.account = Some((rank, value));
                    }
                }
            },
            _ => {}
        }
    }
    Ok(sa)
}

/// The prefixes of an SA: the addresses that it was given, or else the networks behind it.
fn prefixes(
    section: &[u8],
    host: &[u8],
    passed: &mut Passed,
    mut each: impl FnMut(Prefix),
) -> Result<(), Unread> {
    for wanted in [b"remote-vips".as_slice(), b"remote-ts"] {
        let (mut depth, mut is_in, mut has_any) = (0_usize, false, false);
        for element in Elements(section) {
            match element? {
                Element::Section(_) => depth += 1,
                Element::SectionEnd => depth = depth.saturating_sub(1),
                // Addresses stand in the SA, networks in its children.
                Element::List(name) => is_in = name == wanted && (depth == 1) == (wanted == b"remote-vips"),
                Element::ListEnd => is_in = false,
                Element::Item(item) if is_in => {
                    has_any = true;
                    match prefix_of(item, host) {
                        Some(Some(prefix)) => each(prefix),
                        Some(None) => {}
                        None => passed.malformed += 1,
                    }
                }
                Element::Item(_) | Element::Value(..) => {}
            }
        }
        if has_any {
            return Ok(());
        }
    }
    Ok(())
}

/// A prefix; none within where it is the client's real address, everybody's, or nobody's.
fn prefix_of(item: &[u8], host: &[u8]) -> Option<Option<Prefix>> {
    // A selector may name a protocol and a port.
    let text = item.split(|byte| *byte == b'[').next().unwrap_or_default();
    let address = text.split(|byte| *byte == b'/').next().unwrap_or_default();
    let prefix = Prefix::parse_around(std::str::from_utf8(text).ok()?)?;
    let is_a_clients = !(prefix.is_host() && address == host) && prefix.length() > 0 && !prefix.is_nobodys();
    Some(is_a_clients.then_some(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn named(kind: u8, name: &str) -> Vec<u8> {
        [&[kind, u8::try_from(name.len()).expect("short")], name.as_bytes()].concat()
    }

    fn blob(text: &str) -> Vec<u8> {
        [&u16::try_from(text.len()).expect("short").to_be_bytes(), text.as_bytes()].concat()
    }

    fn value(key: &str, text: &str) -> Vec<u8> {
        [named(3, key), blob(text)].concat()
    }

    fn list(name: &str, items: &[&str]) -> Vec<u8> {
        let items = items.iter().flat_map(|item| [vec![5], blob(item)].concat());
        named(4, name).into_iter().chain(items).chain([6]).collect()
    }

    fn section(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
        [named(1, name), parts.concat(), vec![2]].concat()
    }

    /// An SA as charon 5.9.8 lists it, as far as its elements go.
    fn sa(state: &str, identities: &[(&str, &str)], vips: &[&str], networks: &[&str]) -> Vec<u8> {
        let mut parts = vec![
            value("uniqueid", "7"),
            value("version", "2"),
            value("state", state),
            value("local-host", "192.0.2.1"),
            value("remote-host", "198.51.100.7"),
            value("established", "1234"),
        ];
        parts.extend(identities.iter().map(|(key, text)| value(key, text)));
        if !vips.is_empty() {
            parts.push(list("remote-vips", vips));
        }
        let child =
            [value("state", "INSTALLED"), list("local-ts", &["10.0.0.0/8"]), list("remote-ts", networks)];
        parts.push(section("child-sas", &[section("net-3", &child)]));
        section("vpn", &parts)
    }

    type Rows = Vec<(Prefix, String)>;

    fn rows(message: &[u8], identity: Identity) -> Result<(Rows, Passed), Unread> {
        let mut rows = Vec::new();
        let passed =
            read(message, identity, |prefix, account| rows.push((prefix, account.written().to_owned())))?;
        Ok((rows, passed))
    }

    fn expected(rows: &[(&str, &str)]) -> Rows {
        rows.iter().map(|(at, name)| (Prefix::parse(at).expect("a prefix"), (*name).to_owned())).collect()
    }

    #[test]
    fn a_client_has_the_addresses_that_it_was_given() {
        let ids = [("remote-id", "C=CH, CN=phone"), ("remote-eap-id", "alice")];
        let message = sa("ESTABLISHED", &ids, &["10.3.0.1", "fd03::1"], &["10.3.0.1/32", "fd03::1/128"]);
        for (identity, name) in
            [(Identity::Any, "alice"), (Identity::Eap, "alice"), (Identity::Ike, "C=CH%2C%20CN=phone")]
        {
            let found = rows(&message, identity).expect("well-formed");
            assert!(found.0 == expected(&[("10.3.0.1", name), ("fd03::1", name)]), "{name}");
        }
        let (none, passed) = rows(&message, Identity::Xauth).expect("well-formed");
        assert!(none.is_empty() && passed.nameless == 1);
    }

    #[test]
    fn without_addresses_of_its_own_it_has_the_networks_behind_it_and_never_its_real_address() {
        let ids = [("remote-id", "branch")];
        let networks = ["10.9.0.0/24", "fd09::/64[udp/53]", "198.51.100.7/32", "0.0.0.0/0"];
        let message = sa("ESTABLISHED", &ids, &[], &networks);
        let found = rows(&message, Identity::Any).expect("well-formed");
        assert!(found.0 == expected(&[("10.9.0.0/24", "branch"), ("fd09::/64", "branch")]));
        let odd = rows(&sa("ESTABLISHED", &ids, &[], &["dynamic"]), Identity::Any).expect("well-formed");
        assert!(odd.0.is_empty() && odd.1.malformed == 1);
    }

    #[test]
    fn an_sa_without_a_tunnel_says_nothing_and_one_that_is_rekeyed_goes_on() {
        let ids = [("remote-id", "alice")];
        for (state, is_there) in [
            ("CONNECTING", false),
            ("DELETING", false),
            ("ESTABLISHED", true),
            ("REKEYING", true),
            ("REKEYED", true),
        ] {
            let found = rows(&sa(state, &ids, &["10.3.0.1"], &[]), Identity::Any).expect("well-formed");
            assert_eq!((found.0.len(), found.1), (usize::from(is_there), Passed::default()), "{state}");
        }
    }

    #[test]
    fn a_message_that_breaks_off_is_refused() {
        let message = sa("ESTABLISHED", &[("remote-id", "alice")], &["10.3.0.1"], &["10.3.0.1/32"]);
        for length in 1..message.len() {
            assert!(matches!(rows(&message[..length], Identity::Any), Err(Unread::Malformed)), "{length}");
        }
        assert!(rows(&[message.clone(), vec![2]].concat(), Identity::Any).is_err());
        assert!(rows(&[message, value("success", "yes")].concat(), Identity::Any).is_ok());
    }

    /// Inputs of the corpus, altered: a message is whole or refused.
    #[test]
    fn altered_messages_are_read_or_refused() {
        super::super::super::mutated::inputs("vici", |message| {
            let found = rows(message, Identity::Any)
                .map(|(rows, passed)| (rows.len().min(12), passed.nameless.min(4), passed.malformed.min(4)));
            assert!(found.is_ok() || !message.is_empty());
            found.map_err(|why| std::mem::discriminant(&why))
        });
    }
}
