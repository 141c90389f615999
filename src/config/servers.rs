//! VPN servers whose clients are asked for, or that tell of them: `[[roster.wireguard]]`, `[[roster.openvpn]]` and
//! `[[roster.radius]]`.
//!
//! Holds names of devices, paths and the daemon's own listeners; no key and no address of a client.
#![expect(clippy::disallowed_types, reason = "the listeners' own addresses are configured here")]

use super::quantity::Seconds;
use super::raw;
use crate::roster::sources::radius::Naming;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// A WireGuard device, of the kernel or of a program in user space.
#[derive(Clone, PartialEq, Eq)]
pub struct WireGuard {
    /// The device.
    pub interface: String,
    /// Whose its peers are: `public_key,account`, or a wg-quick file; without it each is its key's.
    pub accounts: Option<PathBuf>,
    /// How often it is asked.
    pub poll: Duration,
    /// For how many polls in a row an address may be missing before it is taken away.
    pub grace: u8,
}

/// How often a device is asked by default.
const POLL_SECONDS: u64 = 5;

/// For how many polls an address may be missing by default: whoever takes all peers out and puts them back is
/// done by then.
const GRACE: u8 = 2;

/// The longest name of a network interface, and the longest grace.
const NAME_BYTES: usize = 15;
const MOST_GRACE: u8 = 100;

impl WireGuard {
    /// The devices of these tables.
    ///
    /// # Errors
    /// Where the first mistake stands, and what it is.
    pub(super) fn all(tables: &[raw::WireGuard]) -> Result<Vec<Self>, (Range<usize>, &'static str)> {
        let mut devices: Vec<Self> = Vec::new();
        for table in tables {
            let interface = table.interface.as_ref();
            let is_name = |byte: u8| byte.is_ascii_graphic() && !b"/:*?[]".contains(&byte);
            if interface.is_empty()
                || interface.len() > NAME_BYTES
                || interface.starts_with('.')
                || !interface.bytes().all(is_name)
            {
                let what = "roster.wireguard: interface: expected the name of one WireGuard device, of 1 to 15 \
                            characters, like \"wg0\"";
                return Err((table.interface.span(), what));
            }
            if devices.iter().any(|device| device.interface == *interface) {
                return Err((table.interface.span(), "roster.wireguard: interface: listed twice; keep one"));
            }
            let poll = poll_of(table.poll.as_ref(), POLL_SECONDS)
                .map_err(|span| (span, "roster.wireguard: poll: expected 1s to 1h"))?;
            let grace = grace_of(table.grace.as_ref())
                .map_err(|span| (span, "roster.wireguard: grace: expected 0 to 100 polls"))?;
            devices.push(Self {
                interface: interface.clone(),
                accounts: table.accounts.clone(),
                poll,
                grace,
            });
        }
        Ok(devices)
    }

    /// The table of a device, as TOML.
    pub(super) fn effective(&self) -> String {
        let accounts = self.accounts.as_ref();
        let accounts =
            accounts.map_or_else(String::new, |path| format!("accounts = \"{}\"\n", path.display()));
        format!(
            "[[roster.wireguard]]\ninterface = \"{}\"\n{accounts}poll = \"{}s\"\ngrace = {}\n",
            self.interface,
            self.poll.as_secs(),
            self.grace
        )
    }
}

/// An OpenVPN server, by the file in which it writes its state.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenVpn {
    /// The file of its `status` directive.
    pub status: PathBuf,
    /// How often it is read.
    pub poll: Duration,
    /// For how many reads in a row an address may be missing before it is taken away.
    pub grace: u8,
}

/// How often a status file is read by default; a server writes one each minute, or as `status` says.
const STATUS_SECONDS: u64 = 10;

impl OpenVpn {
    /// The servers of these tables.
    ///
    /// # Errors
    /// Where the first mistake stands, and what it is.
    pub(super) fn all(tables: &[raw::OpenVpn]) -> Result<Vec<Self>, (Range<usize>, &'static str)> {
        let mut servers: Vec<Self> = Vec::new();
        for table in tables {
            let status = table.status.as_ref();
            if !status.is_absolute() {
                let what =
                    "roster.openvpn: status: expected an absolute path, like \"/run/openvpn/server.status\"";
                return Err((table.status.span(), what));
            }
            if servers.iter().any(|server| server.status == *status) {
                return Err((table.status.span(), "roster.openvpn: status: listed twice; keep one"));
            }
            let poll = poll_of(table.poll.as_ref(), STATUS_SECONDS)
                .map_err(|span| (span, "roster.openvpn: poll: expected 1s to 1h"))?;
            let grace = grace_of(table.grace.as_ref())
                .map_err(|span| (span, "roster.openvpn: grace: expected 0 to 100 polls"))?;
            servers.push(Self { status: status.clone(), poll, grace });
        }
        Ok(servers)
    }

    /// The table of a server, as TOML.
    pub(super) fn effective(&self) -> String {
        let (status, poll) = (self.status.display(), self.poll.as_secs());
        format!("[[roster.openvpn]]\nstatus = \"{status}\"\npoll = \"{poll}s\"\ngrace = {}\n", self.grace)
    }
}

/// A place to listen at for RADIUS accounting.
#[derive(Clone, PartialEq, Eq)]
pub struct Radius {
    /// The address and port.
    pub listen: SocketAddr,
    /// The file of the secret that the servers share.
    pub secret_file: PathBuf,
    /// Which attribute names a client's account.
    pub naming: Naming,
}

/// Tables at the most: one would do, but for servers with secrets of their own.
const MOST_LISTENERS: usize = 8;

/// Words of `account`.
const NAMINGS: [(&str, Naming); 2] = [("user-name", Naming::UserName), ("class", Naming::Class)];

impl Radius {
    /// The listeners of these tables.
    ///
    /// # Errors
    /// Where the first mistake stands, and what it is.
    pub(super) fn all(tables: &[raw::Radius]) -> Result<Vec<Self>, (Range<usize>, &'static str)> {
        let mut listeners: Vec<Self> = Vec::new();
        for table in tables {
            let listen = match &table.listen {
                None => SocketAddr::from(([127, 0, 0, 1], 1813)),
                Some(text) => text.as_ref().parse().map_err(|_| {
                    let what = "roster.radius: listen: expected ADDRESS:PORT, like \"127.0.0.1:1813\" or \"[::1]:1813\"";
                    (text.span(), what)
                })?,
            };
            let span = || table.listen.as_ref().map_or(table.secret_file.span(), Spanned::span);
            if listeners.iter().any(|other| other.listen == listen) {
                return Err((span(), "roster.radius: listen: listed twice; keep one"));
            }
            if listeners.len() == MOST_LISTENERS {
                return Err((span(), "roster.radius: expected 8 tables at the most"));
            }
            let naming = match &table.account {
                None => Naming::UserName,
                Some(word) => {
                    let known = NAMINGS.into_iter().find(|(known, _)| known == word.as_ref());
                    let what = "roster.radius: account: expected \"user-name\" or \"class\"";
                    known.ok_or((word.span(), what))?.1
                }
            };
            listeners.push(Self { listen, secret_file: table.secret_file.as_ref().clone(), naming });
        }
        Ok(listeners)
    }

    /// The table of a listener, as TOML.
    pub(super) fn effective(&self) -> String {
        let naming = NAMINGS.into_iter().find(|(_, naming)| *naming == self.naming);
        format!(
            "[[roster.radius]]\nlisten = \"{}\"\nsecret_file = \"{}\"\naccount = \"{}\"\n",
            self.listen,
            self.secret_file.display(),
            naming.map_or("", |(word, _)| word),
        )
    }
}

/// How often a server is asked; where the mistake stands, if there is one.
pub(super) fn poll_of(poll: Option<&Spanned<Seconds>>, default: u64) -> Result<Duration, Range<usize>> {
    match poll {
        None => Ok(Duration::from_secs(default)),
        Some(poll) if (1..=3600).contains(&poll.as_ref().0) => Ok(Duration::from_secs(poll.as_ref().0)),
        Some(poll) => Err(poll.span()),
    }
}

/// How many polls an address may be missing for; where the mistake stands, if there is one.
pub(super) fn grace_of(grace: Option<&Spanned<u64>>) -> Result<u8, Range<usize>> {
    let Some(grace) = grace else { return Ok(GRACE) };
    u8::try_from(*grace.as_ref()).ok().filter(|polls| *polls <= MOST_GRACE).ok_or_else(|| grace.span())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn devices(text: &str) -> Result<Vec<WireGuard>, String> {
        let text = format!("[tap]\ninterfaces = [\"wg0\"]\n[store]\nmode = \"memory\"\n{text}");
        parse(&text).map(|config| config.wireguard).map_err(|error| error.to_string())
    }

    #[test]
    fn a_device_has_its_defaults_and_what_is_written() {
        let two = "[[roster.wireguard]]\ninterface = \"wg0\"\n[[roster.wireguard]]\ninterface = \"wg-b.1\"\n\
                   accounts = \"/etc/p.csv\"\npoll = \"1m\"\ngrace = 0\n";
        let seconds = Duration::from_secs;
        let one = WireGuard { interface: "wg0".into(), accounts: None, poll: seconds(5), grace: 2 };
        let accounts = Some("/etc/p.csv".into());
        let other = WireGuard { interface: "wg-b.1".into(), accounts, poll: seconds(60), grace: 0 };
        assert!(devices(two) == Ok(vec![one, other]));
        assert!(devices("") == Ok(vec![]));
    }

    #[test]
    fn a_status_file_has_its_defaults_and_a_bad_one_is_named() {
        let servers = |table: &str| {
            let text = format!(
                "[tap]\ninterfaces = [\"tun0\"]\n[store]\nmode = \"memory\"\n[[roster.openvpn]]\n{table}\n"
            );
            parse(&text).map(|config| config.openvpn).map_err(|error| error.to_string())
        };
        let status = "status = \"/run/openvpn/server.status\"";
        let one =
            OpenVpn { status: "/run/openvpn/server.status".into(), poll: Duration::from_secs(10), grace: 2 };
        assert!(servers(status) == Ok(vec![one]));
        for (table, line, named) in [
            ("status = \"server.status\"".to_owned(), 6, "absolute"),
            (format!("{status}\npoll = \"2h\""), 7, "poll: expected"),
            (format!("{status}\ngrace = 101"), 7, "grace: expected"),
            (format!("{status}\n[[roster.openvpn]]\n{status}"), 8, "listed twice"),
            (format!("{status}\nmanagement = 1"), 7, "unknown field"),
            ("poll = \"5s\"".to_owned(), 5, "missing field `status`"),
        ] {
            let error = servers(&table).err().expect("it is bad");
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_listener_of_radius_has_its_defaults_and_a_bad_one_is_named() {
        let listeners = |table: &str| {
            let text = format!(
                "[tap]\ninterfaces = [\"vpns*\"]\n[store]\nmode = \"memory\"\n[[roster.radius]]\n{table}\n"
            );
            parse(&text).map(|config| config.radius).map_err(|error| error.to_string())
        };
        let secret = "secret_file = \"/etc/s\"";
        let found = listeners(&format!(
            "{secret}\n[[roster.radius]]\n{secret}\nlisten = \"[::1]:9\"\naccount = \"class\""
        ));
        let found: Vec<(String, bool)> = found
            .expect("good")
            .iter()
            .map(|it| (it.listen.to_string(), it.naming == Naming::Class))
            .collect();
        assert_eq!(found, [("127.0.0.1:1813".to_owned(), false), ("[::1]:9".to_owned(), true)]);
        for (table, line, named) in [
            (format!("{secret}\nlisten = \"localhost:1813\""), 7, "listen: expected"),
            (format!("{secret}\naccount = \"mac\""), 7, "account: expected"),
            (format!("{secret}\n[[roster.radius]]\n{secret}"), 8, "listed twice"),
            (format!("{secret}\nsecret = \"x\""), 7, "unknown field"),
            ("listen = \"127.0.0.1:1\"".to_owned(), 5, "missing field `secret_file`"),
        ] {
            let error = listeners(&table).err().expect("it is bad");
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_bad_device_is_named_by_its_line_and_key() {
        for (table, line, named) in [
            ("interface = \"wg*\"", 6, "interface"),
            ("interface = \"../wg0\"", 6, "interface"),
            ("interface = \"a234567890123456\"", 6, "interface"),
            ("interface = \"\"", 6, "interface"),
            ("interface = \"wg0\"\npoll = \"0s\"", 7, "poll: expected"),
            ("interface = \"wg0\"\npoll = \"2h\"", 7, "poll: expected"),
            ("interface = \"wg0\"\ngrace = 101", 7, "grace: expected"),
            ("interface = \"wg0\"\n[[roster.wireguard]]\ninterface = \"wg0\"", 8, "listed twice"),
            ("interface = \"wg0\"\nkeys = 1", 7, "unknown field"),
        ] {
            let error = devices(&format!("[[roster.wireguard]]\n{table}\n")).err().expect("it is bad");
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(named), "{error}");
        }
    }
}
