//! A running daemon, and how a reload changes it.
//!
//! Generic over the environment and the files, so that a simulation runs this very reload.

use super::inputs::{
    read_roster, read_web_config, take_probe, warn_of_certificates, warn_of_crowd, warn_of_names,
};
use crate::config::{self, Config};
use crate::control::access::AccessPolicy;
use crate::control::handler::{Handler, ReloadAsked};
use crate::control::socket;
use crate::engine::Engine;
use crate::engine::roster_writer::{Change, Outcome};
use crate::environment::{Environment, Files};
use crate::log::{Event, emit};
use crate::publish::http::{self, Bound, Listeners};
use crate::publish::web::{ActiveWebConfig, Exposure, WebConfig};
use crate::roster::Source;
use crate::system::allocator;
use crate::system::service_manager::{self, Notification};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A running meter, with everything around it that a reload may change.
pub struct Daemon<E: Environment> {
    path: PathBuf,
    config: Config,
    /// The meter.
    pub engine: Engine<E>,
    /// Answers on the control socket.
    pub handler: Arc<Handler<E>>,
    /// Reloads that were asked for on the control socket.
    pub reloads: mpsc::Receiver<ReloadAsked>,
    listeners: Listeners,
    web: Arc<ActiveWebConfig>,
}

impl<E: Environment> Daemon<E> {
    /// A daemon with this configuration, which was read from that path. It serves no page before
    /// [`Daemon::adopt`], and refuses all requests before [`Daemon::resolve_roles`].
    #[must_use]
    pub fn new(path: PathBuf, mut config: Config, engine: Engine<E>, listeners: Listeners) -> Self {
        let probe = take_probe(&mut config, engine.state.roster());
        engine.state.set_probe(probe);
        let (handler, reloads) = Handler::new(Arc::clone(&engine.state));
        Self { path, config, engine, handler: Arc::new(handler), reloads, listeners, web: Arc::default() }
    }

    /// Serves these listeners under this web configuration, and closes those that are no longer
    /// configured.
    ///
    /// # Errors
    /// When the runtime cannot take a listener.
    pub fn adopt(&mut self, bound: Bound, web: WebConfig) -> std::io::Result<()> {
        warn_of_certificates(&web);
        let exposure = web.exposure();
        self.web.replace(web);
        let router = http::router(self.engine.state.pages());
        self.listeners.adopt(bound, &self.config.listen, &router, &self.web)?;
        self.engine.state.set_listeners(http::pages(&self.config.listen, exposure));
        if http::others_can_reach(&self.config.listen) {
            match exposure {
                Exposure::Plain => emit(&Event::ListeningWide),
                Exposure::PlainLogIn => emit(&Event::ListeningInClear),
                Exposure::Encrypted => emit(&Event::ListeningToAll),
                Exposure::Closed => {}
            }
        }
        Ok(())
    }

    /// Looks up the users that have a role, and puts the roles in force.
    pub fn resolve_roles(&self, files: &impl Files) {
        let (access, unknown) = AccessPolicy::resolve(&self.config.roles, |name| files.users(name));
        for name in unknown {
            emit(&Event::UnknownRoleMember(&name));
        }
        self.handler.set_access(access);
    }

    /// Lets everyone who has a role connect to the control socket.
    pub fn admit(&self) {
        socket::admit(&self.config.control_socket, &self.handler.members());
    }

    /// Reads the configuration, roster, web configuration and certificates again. If any of them is
    /// invalid, nothing changes.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn reload(&mut self, files: &impl Files) -> Result<(), String> {
        service_manager::notify(Notification::Reloading);
        let result = Box::pin(self.try_reload(files)).await;
        allocator::wipe_stack::<{ allocator::REQUEST_BYTES }>();
        service_manager::notify(Notification::Ready);
        self.engine.state.update_health(|health| health.reload_refusal = result.as_ref().err().cloned());
        match &result {
            Ok(()) => emit(&Event::Reloaded),
            Err(why) => emit(&Event::ReloadRefused(why)),
        }
        result
    }

    async fn try_reload(&mut self, files: &impl Files) -> Result<(), String> {
        let mut new = config::load(files, &self.path)?;
        if let Some(table) = self.config.restart_needed_for(&new) {
            return Err(format!("{}: a change to {table} needs a restart", self.path.display()));
        }
        let roster = self.engine.state.roster();
        let probe = take_probe(&mut new, roster);
        let file = read_roster(files, &new, |account| roster.tag_of(account))?;
        let web = read_web_config(files, &new, &self.web.current())?;
        let listeners = self.listeners.prepare(&new.listen).map_err(|error| error.message)?;
        if let Some(path) = &new.roster_file {
            warn_of_names(&file);
            warn_of_crowd(&new, &file);
            let change = Change::Replace(Source::File, file.assignments);
            match self.engine.state.change(change).await {
                Outcome::Full(why) => return Err(format!("{}: {why}", path.display())),
                Outcome::NotQuiesced => return Err("the tap did not catch up within two seconds".into()),
                Outcome::Done | Outcome::NotAssigned => {}
            }
        }
        self.engine.state.set_probe(probe);
        self.config = new;
        self.resolve_roles(files);
        self.adopt(listeners, web).map_err(|error| error.to_string())
    }
}
