//! The desk's part of a configuration: where its pages are, what a client must present, and who has which role.
//!
//! Names of log-ins are those of staff; no account is among them.
#![expect(clippy::disallowed_types, reason = "the desk's own listener is configured here")]

use super::raw::Support;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The pages for support and for the rights of account holders.
#[derive(Clone, PartialEq, Eq)]
pub struct Desk {
    /// Where they are served.
    pub listen: SocketAddr,
    /// The web configuration file: TLS and log-ins.
    pub config_file: PathBuf,
    /// Who may see what.
    pub roles: DeskRoles,
}

/// Log-ins by role.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeskRoles {
    /// May look up bands and flags.
    pub support: Vec<Person>,
    /// May export what is held of an account.
    pub privacy: Vec<Person>,
}

/// A member of staff.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The log-in name, or the common name of a client certificate.
    pub log_in: String,
    /// The Unix user who is the same person.
    pub user: Option<String>,
}

impl Person {
    /// As it is written: a log-in, or `log-in:user`.
    fn of(text: &str) -> Option<Self> {
        let (log_in, user) = match text.split_once(':') {
            Some((log_in, user)) => (log_in, Some(user.to_owned())),
            None => (text, None),
        };
        let is_name = |name: &str| !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control());
        let is_right = is_name(log_in) && user.as_deref().is_none_or(is_name);
        is_right.then(|| Self { log_in: log_in.to_owned(), user })
    }

    fn text(&self) -> String {
        let user = self.user.iter().map(|user| format!(":{user}"));
        [self.log_in.clone()].into_iter().chain(user).collect()
    }
}

/// A desk without what must stand before it names nobody whom it answers.
const UNGUARDED: &str = "support.listen: the desk asks who is there, and needs support.config_file: a web configuration \
                         file with basic_auth_users, or with client_auth_type";

impl Desk {
    /// Of a table; none where nothing is listened at.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn of(support: &Support) -> Result<Option<Self>, (Range<usize>, String)> {
        let roles = DeskRoles {
            support: people(&support.roles.support, "support.roles.support")?,
            privacy: people(&support.roles.privacy, "support.roles.privacy")?,
        };
        let Some(listen) = &support.listen else { return Ok(None) };
        let address: SocketAddr = listen.as_ref().parse().map_err(|_| {
            let what = "support.listen: expected ADDRESS:PORT, like \"127.0.0.1:9777\" or \"[::1]:9777\"";
            (listen.span(), what.to_owned())
        })?;
        let config_file = support.config_file.as_ref().filter(|path| !path.as_os_str().is_empty());
        let Some(config_file) = config_file else { return Err((listen.span(), UNGUARDED.to_owned())) };
        let listen = SocketAddr::new(address.ip().to_canonical(), address.port());
        Ok(Some(Self { listen, config_file: config_file.clone(), roles }))
    }

    /// As TOML, below `[support]`.
    pub(super) fn effective(&self) -> String {
        let list = |people: &[Person]| {
            people.iter().map(|person| format!("\"{}\"", person.text())).collect::<Vec<_>>().join(", ")
        };
        format!(
            "listen = \"{}\"\nconfig_file = \"{}\"\n\n[support.roles]\nsupport = [{}]\nprivacy = [{}]",
            self.listen,
            self.path().display(),
            list(&self.roles.support),
            list(&self.roles.privacy)
        )
    }

    /// The web configuration file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.config_file
    }
}

fn people(listed: &[Spanned<String>], key: &str) -> Result<Vec<Person>, (Range<usize>, String)> {
    let person = |text: &Spanned<String>| {
        let what = || format!("{key}: expected a log-in, or \"log-in:unix-user\" for one person's two names");
        Person::of(text.as_ref()).ok_or_else(|| (text.span(), what()))
    };
    listed.iter().map(person).collect()
}
