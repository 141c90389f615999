//! A running daemon, and how a reload changes it.
//!
//! Generic over the environment and the files, so that a simulation runs this very reload.

use super::inputs::{
    read_desk_config, read_names, read_roster, read_secrets, read_web_config, take_probe,
    warn_of_certificates, warn_of_names, warn_of_reach, warn_of_replaced,
};
use super::radius::{self, RadiusInbox, Secrets};
use super::sources::{self, WireGuard};
use super::taken::{Taken, await_free, desk_address};
use crate::config::{self, Config};
use crate::control::access::AccessPolicy;
use crate::control::flagged::Desk as Texts;
use crate::control::handler::{Handler, ReloadAsked};
use crate::control::hook_pipe::HookPipe;
use crate::control::inbox::inbox;
use crate::control::socket;
use crate::desk::{Desk, Settings};
use crate::engine::Engine;
use crate::engine::roster_writer::{Change, Door, Outcome};
use crate::environment::{Environment, Files};
use crate::exit::{ExitError, ExitStatus};
use crate::log::{Event, emit};
use crate::publish::http;
use crate::publish::listeners::{Bound, Listeners};
use crate::publish::web::{ActiveWebConfig, WebConfig};
use crate::roster::Source;
use crate::roster::sources::wireguard::Reader;
use crate::system::allocator;
use crate::system::descriptors;
use crate::system::service_manager::{self, Notification};
use std::net::UdpSocket;
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
    /// The pages for support.
    pub desk: Arc<Desk<E>>,
    desk_listeners: Listeners,
    desk_web: Arc<ActiveWebConfig>,
    /// WireGuard devices that are asked, where there are any.
    wireguard: Option<WireGuard>,
    /// Of the listeners for RADIUS accounting.
    secrets: Secrets,
    /// Their sockets are bound.
    hears_radius: bool,
}

impl<E: Environment> Daemon<E> {
    /// A daemon with this configuration, which was read from that path. It serves no page before
    /// [`Daemon::adopt`], and refuses all requests before [`Daemon::resolve_roles`].
    #[must_use]
    pub fn new(path: PathBuf, mut config: Config, engine: Engine<E>, listeners: Listeners) -> Self {
        let probe = take_probe(&mut config, engine.state.roster());
        engine.state.set_probe(probe);
        let (handler, reloads) = Handler::new(Arc::clone(&engine.state));
        handler.set_desk(texts(&config));
        let handler = Arc::new(handler);
        let connections = descriptors::share(descriptors::limit(), descriptors::DESK_CONNECTIONS);
        Self {
            path,
            config,
            engine,
            desk: Arc::new(Desk::new(Arc::clone(&handler))),
            desk_listeners: Listeners::of_desk(connections),
            desk_web: Arc::default(),
            handler,
            reloads,
            listeners,
            web: Arc::default(),
            wireguard: None,
            secrets: Secrets::default(),
            hears_radius: true,
        }
    }

    /// Asks the WireGuard devices of the configuration from now on, and waits for their first answers.
    ///
    /// # Errors
    /// A file of peers that cannot be read.
    pub fn ask_wireguard(&mut self, files: &impl Files, reader: Reader) -> Result<(), String> {
        let roster = self.engine.state.roster();
        let names = read_names(files, &self.config, |account| roster.tag_of_named(account))?;
        let asking = WireGuard::start(&self.engine.state, &self.config, reader, names);
        self.wireguard = Some(asking.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Reads the status files of the configuration from now on, and waits until each was read once.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn read_status_files(&self) -> std::io::Result<()> {
        sources::read_status_files(&self.engine.state, &self.config.openvpn)
    }

    /// Asks the charons of the configuration from now on, and waits until each was asked once.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn ask_charons(&self) -> std::io::Result<()> {
        sources::ask_charons(&self.engine.state, &self.config.strongswan)
    }

    /// Hears RADIUS accounting on these sockets from now on.
    ///
    /// # Errors
    /// A secret that cannot be read (78), or no randomness (74).
    pub async fn hear_radius(
        &mut self,
        files: &impl Files,
        sockets: Vec<UdpSocket>,
    ) -> Result<(), ExitError> {
        self.hears_radius = sockets.len() == self.config.radius.len();
        if sockets.is_empty() {
            return Ok(());
        }
        let secrets = read_secrets(files, &self.config);
        self.secrets.store(Arc::new(secrets.map_err(|why| ExitError::new(ExitStatus::Config, why))?));
        let (state, secrets) = (Arc::clone(&self.engine.state), Arc::clone(&self.secrets));
        let inbox = RadiusInbox::new(state, sockets, &self.config.radius, secrets);
        let inbox = inbox.map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
        let _ = self.engine.state.change(Change::Open(Door::Radius, inbox)).await;
        Ok(())
    }

    /// Ports are another program's for now: that is told, and they are asked for again.
    pub(super) fn go_on_without(&self, taken: Taken) {
        emit(&Event::PortTaken(&taken.why));
        self.engine.state.update_health(|health| {
            health.reload_refusal = Some(taken.why.clone());
            health.show_source(Source::Radius, self.hears_radius);
        });
        tokio::spawn(await_free(taken, Arc::clone(&self.handler)));
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
        self.tell_listeners();
        warn_of_reach(exposure, http::others_can_reach(&self.config.listen));
        Ok(())
    }

    /// The same for the desk.
    ///
    /// # Errors
    /// When the runtime cannot take a listener.
    pub fn adopt_desk(&mut self, bound: Bound, web: WebConfig) -> std::io::Result<()> {
        warn_of_certificates(&web);
        self.desk_web.replace(web);
        let router = self.desk.router(&self.desk_web);
        self.desk_listeners.adopt(bound, &desk_address(&self.config), &router, &self.desk_web)?;
        self.tell_listeners();
        Ok(())
    }

    fn tell_listeners(&self) {
        let mut pages = http::pages(&self.listeners.addresses(), self.web.current().exposure(), "/metrics");
        pages.extend(http::pages(&self.desk_listeners.addresses(), self.desk_web.current().exposure(), "/"));
        self.engine.state.set_listeners(pages);
    }

    /// Looks up the users that have a role, and puts the roles in force.
    pub fn resolve_roles(&self, files: &impl Files) {
        let (roles, desk, two_person) = (&self.config.roles, &self.config.desk_roles, self.config.two_person);
        let (access, unknown) = AccessPolicy::resolve(roles, desk, two_person, |name| files.users(name));
        let (language, node_name) = (self.config.language, self.config.node_name.clone());
        self.desk.set(Settings { open: None, language, node_name });
        for name in unknown {
            emit(&Event::UnknownRoleMember(&name));
        }
        self.handler.set_access(access);
    }

    /// Warns where the roster names fewer accounts than an epoch needs to be released.
    pub fn warn_of_crowd(&self) {
        let accounts = self.engine.state.roster().counts().accounts;
        if let Some(crowd) = self.engine.state.small_crowd(accounts) {
            emit(&Event::SmallCrowd(crowd));
        }
    }

    /// Lets everyone who has a role connect to the control socket, and those of the role `roster` send as hooks.
    ///
    /// # Errors
    /// A folder of hooks that cannot be written; nothing of a hook is heard then.
    pub async fn admit(&self, hooks: &mut HookPipe) -> std::io::Result<()> {
        socket::admit(&self.config.control_socket, &self.handler.members());
        match hooks.admit(&self.handler.hook_users()) {
            Ok(false) => Ok(()),
            // The key has changed.
            changed => self.hear(hooks).await.and(changed.map(drop)),
        }
    }

    /// Lets a user who has passed a descriptor connect no more, until the next reload.
    pub fn bar(&self) -> impl Fn(u32) + Clone + Send + Sync + 'static {
        let (handler, path) = (Arc::clone(&self.handler), self.config.control_socket.clone());
        move |user| {
            if handler.bar(user) {
                socket::admit(&path, &handler.members());
                emit(&Event::DescriptorPassed);
            }
        }
    }

    /// From now on, does what hooks ask for.
    ///
    /// # Errors
    /// No descriptor is left.
    pub async fn hear(&self, hooks: &HookPipe) -> std::io::Result<()> {
        let inbox = inbox(hooks, Arc::clone(&self.handler))?;
        let _ = self.engine.state.change(Change::Open(Door::Hooks, inbox)).await;
        Ok(())
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
        let table = roster.table();
        let file = read_roster(files, &new, table.places(), |account| roster.tag_of(account))?;
        let names = read_names(files, &new, |account| roster.tag_of(account))?;
        let secrets = read_secrets(files, &new)?;
        let web = read_web_config(files, &new, &self.web.current())?;
        let desk_web = read_desk_config(files, &new, &self.desk_web.current())?;
        let listeners = self.listeners.prepare(&new.listen).map_err(|error| error.message)?;
        let accounting = if self.hears_radius { Ok(Vec::new()) } else { radius::bind(&new.radius) };
        let accounting = accounting.map_err(|error| error.message)?;
        let desk = self.desk_listeners.prepare(&desk_address(&new)).map_err(|error| error.message)?;
        if let Some(path) = &new.roster_file {
            warn_of_names(&file);
            let change = Change::Replace(Source::File, file.assignments);
            match self.engine.state.change(change).await {
                Outcome::Full(why) => return Err(format!("{}: {why}", path.display())),
                Outcome::NotQuiesced => return Err("the tap did not catch up within two seconds".into()),
                Outcome::Done | Outcome::NotAssigned => {}
            }
            self.warn_of_crowd();
        }
        if let Some(wireguard) = &self.wireguard {
            wireguard.rename(names);
        }
        self.secrets.store(Arc::new(secrets));
        self.engine.state.set_probe(probe);
        self.handler.set_desk(texts(&new));
        self.config = new;
        if !accounting.is_empty() {
            self.hear_radius(files, accounting).await.map_err(|error| error.message)?;
            self.engine.state.update_health(|health| health.show_source(Source::Radius, true));
        }
        warn_of_replaced(files, &self.path, &self.config);
        self.resolve_roles(files);
        let adopted = self.adopt(listeners, web).and_then(|()| self.adopt_desk(desk, desk_web));
        adopted.map_err(|error| error.to_string())
    }
}

/// What answers to support are made with: the language, and the files that name accounts.
fn texts(config: &Config) -> Texts {
    Texts {
        language: config.language,
        roster_file: config.roster_file.clone(),
        peer_files: config.wireguard.iter().filter_map(|device| device.accounts.clone()).collect(),
        index: Arc::default(),
    }
}
