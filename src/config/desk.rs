//! The desk's part of a configuration: where its pages are, and what a client must present there. Holds
//! no name.
#![expect(clippy::disallowed_types, reason = "the desk's own listener is configured here")]

use super::raw::Support;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The pages for support and for the rights of account holders.
#[derive(Clone, PartialEq, Eq)]
pub struct Desk {
    /// Where they are served.
    pub listen: SocketAddr,
    /// The web configuration file: TLS and log-ins.
    pub config_file: PathBuf,
}

/// A desk without what must stand before it names nobody whom it answers.
const UNGUARDED: &str = "support.listen: the desk asks who is there, and needs support.config_file: a web configuration \
                         file with basic_auth_users, or with client_auth_type";

impl Desk {
    /// Of a table; none where nothing is listened at. `pages` are the addresses of `/metrics`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn of(
        support: &Support,
        pages: &[SocketAddr],
    ) -> Result<Option<Self>, (Range<usize>, String)> {
        let Some(listen) = &support.listen else { return Ok(None) };
        let address: SocketAddr = listen.as_ref().parse().map_err(|_| {
            let what = "support.listen: expected ADDRESS:PORT, like \"127.0.0.1:9777\" or \"[::1]:9777\"";
            (listen.span(), what.to_owned())
        })?;
        let config_file = support.config_file.as_ref().filter(|path| !path.as_os_str().is_empty());
        let Some(config_file) = config_file else { return Err((listen.span(), UNGUARDED.to_owned())) };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        if pages.contains(&address) {
            let what =
                "support.listen: web.listen has this address; the desk has a port of its own, like 9777";
            return Err((listen.span(), what.to_owned()));
        }
        Ok(Some(Self { listen: address, config_file: config_file.clone() }))
    }

    /// As TOML, below `[support]`.
    pub(super) fn effective(&self) -> String {
        format!("listen = \"{}\"\nconfig_file = \"{}\"", self.listen, self.config_file.display())
    }

    /// The web configuration file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.config_file
    }
}
