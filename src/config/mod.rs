//! The configuration: text becomes a [`Config`] that is valid by construction, or an error on one line
//! that names the line, the key and the remedy.
//!
//! Holds addresses only as [`Prefix`] (pools) and the daemon's own listeners; errors repeat no
//! address of a pool.
#![expect(clippy::disallowed_types, reason = "the listeners' own addresses are configured here")]

mod desk;
mod effective;
pub mod fleet;
mod ipsec;
mod policy;
mod quantity;
mod raw;
mod servers;
mod tap;

pub use desk::Desk;
pub use fleet::Fleet;
pub use ipsec::StrongSwan;
pub use servers::{OpenVpn, Radius, WireGuard};
pub use tap::{Hook, MEMORY_BUDGET_BYTES, Pattern, TapKind};

use crate::meter::policy::Policy;
use crate::roster::account::AccountName;
use crate::roster::address::{Pool, Prefix};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// A configuration in which every value has passed its checks.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// Names or globs of the interfaces to meter.
    pub interfaces: Vec<Pattern>,
    /// Which tap to use; none for the best that the privileges allow.
    pub backend: Option<TapKind>,
    /// Where the kernel tap attaches; none for the best that this kernel has.
    pub hook: Option<Hook>,
    /// Where the kernel tap is pinned, so that it outlives the process.
    pub pin: PathBuf,
    /// Bytes that the kernel tap may take for a slice of counters for each processor.
    pub memory_budget_bytes: u64,
    /// The node's name.
    pub node_name: String,
    /// The account that is exempt from export limits.
    pub probe_account: Option<AccountName>,
    /// Address ranges that the VPN server assigns densely.
    pub pools: Vec<Prefix>,
    /// The roster file.
    pub roster_file: Option<PathBuf>,
    /// WireGuard devices whose peers are asked for.
    pub wireguard: Vec<WireGuard>,
    /// OpenVPN servers whose status files are read.
    pub openvpn: Vec<OpenVpn>,
    /// strongSwan's charons that are asked.
    pub strongswan: Vec<StrongSwan>,
    /// Where RADIUS accounting of VPN servers is listened for.
    pub radius: Vec<Radius>,
    /// The control socket.
    pub control_socket: PathBuf,
    /// Who may ask the control socket for what.
    pub roles: Roles,
    /// Every parameter that touches privacy.
    pub policy: ComparablePolicy,
    /// Where `/metrics` is served.
    pub listen: Vec<SocketAddr>,
    /// The exporter-toolkit's web configuration file: what a client must present there.
    pub web_config_file: Option<PathBuf>,
    /// The language of the texts for support.
    pub language: Language,
    /// The desk's pages; none where nothing is listened at.
    pub desk: Option<Desk>,
    /// Whether exports, corrections and erasures wait for a second officer's word.
    pub two_person: bool,
    /// Who may ask the support page for what.
    pub desk_roles: DeskRoles,
    /// How many accounts there is room for.
    pub capacity: usize,
    /// The sealed store; none in memory mode.
    pub store: Option<Sealed>,
    /// The fleet that this node belongs to, if any.
    pub fleet: Option<Fleet>,
}

/// Where the state is kept at rest.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The blob.
    pub path: PathBuf,
    /// The root key.
    pub key_file: PathBuf,
    /// Time between two saves.
    pub save_every: Duration,
}

/// A language of the texts for support.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French.
    French,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// The code in the configuration.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }
}

/// A policy that reloads compare by its digest.
#[derive(Clone, Copy)]
pub struct ComparablePolicy(pub Policy);

impl PartialEq for ComparablePolicy {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest() == other.0.digest()
    }
}

/// Unix users and groups (`@group`) by role.
#[derive(Clone, PartialEq, Eq)]
pub struct Roles {
    /// May change the roster.
    pub roster: Vec<String>,
    /// May see bands and flags.
    pub support: Vec<String>,
    /// May export exact totals.
    pub privacy: Vec<String>,
}

/// Log-in names of the support page by role, and who is whom.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeskRoles {
    /// May see bands and flags.
    pub support: Vec<String>,
    /// May export exact totals, correct and erase.
    pub privacy: Vec<String>,
    /// The names of one person each: log-in names, and Unix users as `unix:NAME`.
    pub persons: Vec<Vec<String>>,
}

/// Stands before the name of a Unix user among the names of a person.
pub const UNIX: &str = "unix:";

/// What is wrong with a configuration, and on which line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The key, what is wrong with it and what to do.
    pub what: String,
}

/// Reads a configuration.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let source = Document(text);
    let file: raw::File = toml::from_str(text)
        .map_err(|error| source.error(error.span().unwrap_or(0..0), redacted(error.message())))?;
    let policy = source.policy(&file)?;
    let capacity = match &file.store.capacity {
        None => 4096,
        Some(capacity) if (1..=1 << 24).contains(capacity.as_ref()) => *capacity.as_ref(),
        Some(capacity) => {
            return Err(source.at(capacity, "store.capacity: expected 1 to 16777216 accounts"));
        }
    };
    let listen = source.listen(file.web.listen.as_deref())?;
    Ok(Config {
        interfaces: source.interfaces(&file.tap)?,
        backend: source.backend(file.tap.backend.as_ref())?,
        hook: source.hook(file.tap.hook.as_ref())?,
        pin: source.pin(file.tap.pin.as_ref())?,
        memory_budget_bytes: file.tap.memory_budget.map_or(MEMORY_BUDGET_BYTES, |budget| budget.0),
        node_name: source.node_name(file.node.name.as_ref())?,
        probe_account: source.probe_account(file.roster.probe_account.as_ref())?,
        pools: source.pools(&file.roster.pools)?,
        wireguard: WireGuard::all(&file.roster.wireguard).map_err(|(span, what)| source.error(span, what))?,
        openvpn: OpenVpn::all(&file.roster.openvpn).map_err(|(span, what)| source.error(span, what))?,
        strongswan: StrongSwan::all(&file.roster.strongswan)
            .map_err(|(span, what)| source.error(span, what))?,
        radius: Radius::all(&file.roster.radius).map_err(|(span, what)| source.error(span, what))?,
        roster_file: file.roster.file,
        control_socket: source.control_socket(file.control.socket.as_ref())?,
        roles: roles(file.control.roles),
        policy: ComparablePolicy(policy),
        web_config_file: file.web.config_file.filter(|path| !path.as_os_str().is_empty()),
        language: source.language(file.support.language.as_ref())?,
        desk: Desk::of(&file.support, &listen).map_err(|(span, what)| source.error(span, what))?,
        listen,
        two_person: file.support.two_person.unwrap_or(false),
        desk_roles: source.desk_roles(file.support.roles)?,
        capacity,
        store: source.store(&file.store)?,
        fleet: Fleet::of(file.fleet.as_ref()).map_err(|(span, what)| source.error(span, what))?,
    })
}

/// Where a daemon listens, and where it leaves pins.
pub struct Locations {
    /// The control socket.
    pub control_socket: PathBuf,
    /// Where the kernel tap is pinned, so that it outlives the process.
    pub pin: PathBuf,
    /// The node's name.
    pub node_name: String,
}

/// Reads only where the daemon listens and pins, for commands that talk to it or clean up after it:
/// they must work while the rest of the file is invalid.
///
/// # Errors
/// When the text is not TOML.
pub fn locations(text: &str) -> Result<Locations, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Document(text).error(error.span().unwrap_or(0..0), redacted(error.message()))
    })?;
    let text = |table_name: &str, key: &str, default: &str| {
        let value = table.get(table_name).and_then(|values| values.get(key));
        value.and_then(toml::Value::as_str).unwrap_or(default).to_owned()
    };
    Ok(Locations {
        control_socket: text("control", "socket", DEFAULT_SOCKET).into(),
        pin: text("tap", "pin", PIN).into(),
        node_name: text("node", "name", NODE),
    })
}

/// Where the control socket is by default.
pub const DEFAULT_SOCKET: &str = "/run/blindmeter/control.sock";

/// Longest path of a Unix socket, without the zero at its end: unix(7).
const SOCKET_BYTES: usize = 107;

/// What a node is called by default.
const NODE: &str = "node";

/// Where the kernel tap is pinned by default.
const PIN: &str = "/sys/fs/bpf/blindmeter";

fn roles(raw: raw::Roles) -> Roles {
    let or_root = |names: Option<Vec<String>>| names.unwrap_or_else(|| vec!["root".to_owned()]);
    Roles { roster: or_root(raw.roster), support: or_root(raw.support), privacy: or_root(raw.privacy) }
}

/// A parser's message on one line, without the value it quotes, which may be an address.
fn redacted(message: &str) -> String {
    let line = message.trim().replace('\n', " ");
    match (line.find("string \""), line.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => format!("{}a string{}", &line[..start], &line[end + 1..]),
        // What a number's type is called in Rust helps nobody.
        _ => line
            .replace("expected u64", "expected a whole number, 0 or more")
            .replace("expected usize", "expected a whole number, 0 or more"),
    }
}

/// The text of a configuration, for the line numbers of its errors.
struct Document<'a>(&'a str);

impl Document<'_> {
    fn error(&self, span: Range<usize>, what: impl Into<String>) -> ConfigError {
        let before = self.0.as_bytes().get(..span.start).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ConfigError { line, what: what.into() }
    }

    fn at<T>(&self, value: &Spanned<T>, what: impl Into<String>) -> ConfigError {
        self.error(value.span(), what)
    }

    fn store(&self, store: &raw::Store) -> Result<Option<Sealed>, ConfigError> {
        match &store.mode {
            Some(mode) if mode.as_ref() == "memory" => return Ok(None),
            Some(mode) if mode.as_ref() != "sealed" => {
                return Err(self.at(mode, "store.mode: expected \"sealed\" or \"memory\""));
            }
            _ => {}
        }
        let save_every = match &store.save_every {
            None => 300,
            Some(every) if (1..=3600).contains(&every.as_ref().0) => every.as_ref().0,
            Some(every) => {
                return Err(self.at(every, "store.save_every: expected 1s to 1h"));
            }
        };
        let or =
            |path: &Option<PathBuf>, default: &str| path.clone().unwrap_or_else(|| PathBuf::from(default));
        Ok(Some(Sealed {
            path: or(&store.path, "/var/lib/blindmeter/ledger.sealed"),
            key_file: or(&store.key_file, "/run/credentials/blindmeter.service/ledger.key"),
            save_every: Duration::from_secs(save_every),
        }))
    }

    fn interfaces(&self, tap: &raw::Tap) -> Result<Vec<Pattern>, ConfigError> {
        let patterns = tap.interfaces.as_ref();
        if patterns.is_empty() {
            return Err(self.at(&tap.interfaces, "tap.interfaces: name at least one interface"));
        }
        let mut seen = Vec::new();
        for pattern in patterns {
            let text = pattern.as_ref();
            // ALTIFNAMSIZ is 128 with the final NUL; dev_valid_name() rejects the rest.
            if text.is_empty()
                || text.len() > 127
                || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
            {
                let what = "tap.interfaces: expected a name or glob of 1 to 127 characters, without spaces, slashes or colons";
                return Err(self.at(pattern, what));
            }
            if text == "lo" {
                let what =
                    "tap.interfaces: lo shows each packet twice; name the tunnel's interface, like \"wg0\"";
                return Err(self.at(pattern, what));
            }
            if seen.iter().any(|earlier: &Pattern| earlier.text() == text) {
                return Err(self.at(pattern, "tap.interfaces: listed twice; keep one"));
            }
            seen.push(Pattern::of_name(text));
        }
        Ok(seen)
    }

    fn backend(&self, backend: Option<&Spanned<String>>) -> Result<Option<TapKind>, ConfigError> {
        let Some(backend) = backend.filter(|backend| backend.as_ref() != "auto") else { return Ok(None) };
        match TapKind::of_name(backend.as_ref()) {
            Some(kind) => Ok(Some(kind)),
            None => Err(self.at(backend, "tap.backend: expected \"auto\", \"kernel\", \"ring\" or \"pnet\"")),
        }
    }

    fn hook(&self, hook: Option<&Spanned<String>>) -> Result<Option<Hook>, ConfigError> {
        let Some(hook) = hook else { return Ok(None) };
        match hook.as_ref().as_str() {
            "auto" => Ok(None),
            "tcx" => Ok(Some(Hook::Tcx)),
            "clsact" => Ok(Some(Hook::Clsact)),
            _ => Err(self.at(hook, "tap.hook: expected \"auto\", \"tcx\" or \"clsact\"")),
        }
    }

    fn language(&self, code: Option<&Spanned<String>>) -> Result<Language, ConfigError> {
        let Some(code) = code else { return Ok(Language::default()) };
        let found = Language::ALL.into_iter().find(|language| language.code() == code.as_ref());
        found.ok_or_else(|| self.at(code, "support.language: expected \"en\" or \"fr\""))
    }

    fn desk_roles(&self, raw: raw::DeskRoles) -> Result<DeskRoles, ConfigError> {
        let mut seen: Vec<&str> = Vec::new();
        for person in &raw.persons {
            if person.as_ref().len() < 2 {
                let what = "support.roles.persons: a person has two names or more, such as [\"anna\", \"unix:anna\"]";
                return Err(self.at(person, what));
            }
            for name in person.as_ref() {
                if seen.contains(&name.as_str()) {
                    return Err(self.at(person, "support.roles.persons: a name belongs to one person"));
                }
                seen.push(name);
            }
        }
        let persons = raw.persons.into_iter().map(Spanned::into_inner).collect();
        Ok(DeskRoles { support: raw.support, privacy: raw.privacy, persons })
    }

    fn node_name(&self, name: Option<&Spanned<String>>) -> Result<String, ConfigError> {
        let Some(name) = name else { return Ok(NODE.to_owned()) };
        let text = name.as_ref();
        if text.is_empty() || text.len() > 64 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                self.at(name, "node.name: expected 1 to 64 printable ASCII characters, without spaces")
            );
        }
        Ok(text.clone())
    }

    fn probe_account(&self, name: Option<&Spanned<String>>) -> Result<Option<AccountName>, ConfigError> {
        name.map(|name| {
            AccountName::parse(name.as_ref())
                .map_err(|why| self.at(name, format!("roster.probe_account: {why}")))
        })
        .transpose()
    }

    fn pools(&self, pools: &[Spanned<String>]) -> Result<Vec<Prefix>, ConfigError> {
        let mut parsed: Vec<Prefix> = Vec::new();
        for pool in pools {
            let prefix =
                Prefix::parse(pool.as_ref()).map_err(|why| self.at(pool, format!("roster.pools: {why}")))?;
            if Pool::of(prefix).is_none() {
                let what = "roster.pools: a pool holds at most 2^20 addresses (an IPv4 /12, an IPv6 /108); \
                            split it, or leave it out: addresses outside pools take a slower hash lookup";
                return Err(self.at(pool, what));
            }
            let overlaps = |other: &Prefix| prefix.overlaps(*other);
            if parsed.iter().any(overlaps) {
                return Err(self.at(pool, "roster.pools: overlaps an earlier pool; keep one"));
            }
            parsed.push(prefix);
        }
        Ok(parsed)
    }

    fn listen(&self, listen: Option<&[Spanned<String>]>) -> Result<Vec<SocketAddr>, ConfigError> {
        let Some(listen) = listen else { return Ok(vec![SocketAddr::from(([127, 0, 0, 1], 9776))]) };
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for text in listen {
            let address: SocketAddr = text.as_ref().parse().map_err(|_| {
                let what = "web.listen: expected ADDRESS:PORT, like \"127.0.0.1:9776\" or \"[::1]:9776\"";
                self.at(text, what)
            })?;
            // An IPv4 address that is written as an IPv6 one.
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            let is_within = |one: &SocketAddr, other: &SocketAddr| {
                let is_alike = one.port() == other.port() && one.is_ipv4() == other.is_ipv4();
                is_alike && (one == other || other.ip().is_unspecified())
            };
            if addresses.iter().any(|other| is_within(&address, other) || is_within(other, &address)) {
                let what = "web.listen: listed twice, or one address is part of another; keep one of them";
                return Err(self.at(text, what));
            }
            addresses.push(address);
        }
        Ok(addresses)
    }

    /// A Unix socket's path has an end, which bind(2) does not name.
    fn control_socket(&self, socket: Option<&Spanned<PathBuf>>) -> Result<PathBuf, ConfigError> {
        let Some(socket) = socket else { return Ok(PathBuf::from(DEFAULT_SOCKET)) };
        let bytes = socket.as_ref().as_os_str().len();
        if bytes == 0 || bytes > SOCKET_BYTES {
            let what = format!(
                "control.socket: expected a path of 1 to {SOCKET_BYTES} bytes, as Unix sockets have, and this one \
                 has {bytes}; choose another folder"
            );
            return Err(self.at(socket, what));
        }
        Ok(socket.as_ref().clone())
    }

    /// Links are pinned on a bpffs, wherever the daemon is started.
    fn pin(&self, pin: Option<&Spanned<PathBuf>>) -> Result<PathBuf, ConfigError> {
        let Some(pin) = pin else { return Ok(PathBuf::from(PIN)) };
        if !pin.as_ref().is_absolute() {
            return Err(self.at(pin, format!("tap.pin: expected a path from /, like \"{PIN}\"")));
        }
        Ok(pin.as_ref().clone())
    }
}

/// Reads and parses a configuration file.
///
/// # Errors
/// One line that names the file.
pub fn load(files: &impl crate::environment::Files, path: &Path) -> Result<Config, String> {
    let bytes = files.read(path).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied => {
                "run as root, or make it readable by the daemon's user (chgrp blindmeter, chmod 640)"
            }
            _ => "pass --config FILE",
        };
        format!("{}: cannot be read: {error}; {hint}", path.display())
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        // As some editors write it; a zero byte is no text otherwise.
        let is_utf16 = error.as_bytes().iter().take(4).any(|byte| [0, 0xff, 0xfe].contains(byte));
        let what = if is_utf16 { "UTF-16" } else { "not UTF-8" };
        format!("{}: {what}; save it as UTF-8", path.display())
    })?;
    parse(&text).map_err(|error| format!("{} {error}", path.display()))
}

#[cfg(test)]
mod tests;
