//! The daemon: the order of start and stop, and reloads. No arithmetic.
//!
//! Threads: the main one runs everything asynchronous; one holds the tap, one changes the roster.

mod engine;
mod footing;

pub use engine::{End, Engine, assemble, start};
pub use footing::{Footing, Prepared, choose, try_out};

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::control::changes::{Change, Outcome};
use crate::control::desk::Access;
use crate::control::server;
use crate::failure::{Code, Failure};
use crate::guard::capabilities;
use crate::guard::heap;
use crate::guard::sandbox::{self, Enclosure, Folder, Level, Reach};
use crate::guard::service::{self, Word};
use crate::keeper::{KeeperError, Start};
use crate::log::{Event, say};
use crate::meter::policy::Profile;
use crate::publish::exposition;
use crate::publish::http::{self, Bound, Listeners};
use crate::publish::web::{self, Door, Openness, Terms, WebFile};
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::csv::Row;
use crate::roster::{Source, csv};
use crate::store::disk::credential_of;
use crate::tap::kernel::KernelError;
use crate::tap::{TapError, TapKind};
use crate::world::{Files, System, SystemFiles};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Reads the roster file of a configuration; empty where none is configured.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_roster(files: &impl Files, config: &Config) -> Result<Vec<Row>, String> {
    let Some(path) = &config.roster_file else { return Ok(Vec::new()) };
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = files
        .read(path)
        .map_err(|error| format!("roster.file {}: cannot be read: {error}", path.display()))?;
    csv::rows(&bytes).map_err(|error| named(&error))
}

/// Reads the web configuration file and every file that it names; without one, whoever reaches a
/// listener may read. `before` is what was in force.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_terms(files: &impl Files, config: &Config, before: &Terms) -> Result<Terms, String> {
    let path = config.web_config_file.as_deref();
    path.map_or_else(|| Ok(Terms::default()), |path| Terms::load(files, path, before))
}

/// Says which certificates clients will refuse, by file.
pub fn warn_of_certificates(terms: &Terms) {
    for warning in &terms.warnings {
        say(&if warning.is_over {
            Event::CertificateOver(&warning.path)
        } else {
            Event::CertificateEarly(&warning.path)
        });
    }
}

/// Says which names of the file look like addresses, by line.
pub fn warn_of_names(path: &Path, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.account.looks_like_an_address()) {
        say(&Event::NameLooksLikeAddress(path, row.line));
    }
}

/// What a store that cannot be opened or written means for the command.
fn kept_failure(error: KeeperError) -> Failure {
    let code = match &error {
        KeeperError::Store(store) if store.is_disk() => Code::Io,
        _ => Code::Config,
    };
    Failure::new(code, error.to_string())
}

/// What a tap that cannot start means for the command.
#[must_use]
pub fn tap_failure(error: TapError) -> Failure {
    let code = match &error {
        TapError::Permission(_) | TapError::Kernel(KernelError::Capabilities) => Code::Permission,
        TapError::Kernel(error) if error.is_in_the_way() => Code::Config,
        TapError::Kernel(KernelError::Tcx(..)) => Code::Config,
        TapError::Kernel(_) | TapError::Failed(..) => Code::Io,
    };
    Failure::new(code, error.to_string())
}

fn assignments(rows: Vec<Row>) -> Vec<(Prefix, AccountName)> {
    rows.into_iter().map(|row| (row.prefix, row.account)).collect()
}

/// The running daemon's reloadable rest.
struct Daemon<'a> {
    path: &'a Path,
    config: Config,
    engine: Engine<System>,
    web: Listeners,
    door: Arc<Door>,
}

/// Runs the daemon until SIGTERM or SIGINT, which end it for good, or SIGUSR1, after which another
/// process goes on.
///
/// # Errors
/// What stops it from starting, with the exit code that says which.
pub fn run(path: &Path, accept_loss: bool) -> Result<(), Failure> {
    let bad = |why: String| Failure::new(Code::Config, why);
    heap::give_back_large_buffers();
    let config = config::load(&SystemFiles, path).map_err(bad)?;
    if Profile::BUILT == Profile::Lab {
        say(&Event::LabBuild);
    }
    let prepared = choose(&config)?;
    let web = Listeners::default();
    let listeners = web.prepare(&config.listen)?;
    let control = server::bind(&config.control_socket)?;
    // Only to know which folders to open: all is read again inside, where a reload reads it.
    let file = config.web_config_file.as_deref().map(|path| web::read(&SystemFiles, path));
    let file = file.transpose().map_err(bad)?;
    let level = enclose(path, &config, file.as_ref(), prepared.chosen.kind());
    let terms = read_terms(&SystemFiles, &config, &Terms::default()).map_err(bad)?;
    let rows = read_roster(&SystemFiles, &config).map_err(bad)?;
    if let Some(file) = &config.roster_file {
        warn_of_names(file, &rows);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Io, error.to_string()))?;
    let socket = config.control_socket.clone();
    let result = runtime.block_on(async {
        let engine = start(&config, Some(prepared), rows, accept_loss)?;
        engine.save_first()?;
        for (part, why) in level.missing() {
            say(&Event::SandboxMissing(*part, why));
        }
        engine.desk.sandbox.store(Arc::new(level));
        say(&match engine.started {
            None => Event::MemoryStart,
            Some(Start::First) => Event::FirstStart,
            Some(Start::Resumed) => Event::Resumed,
            Some(Start::ResumedWithoutCounters) => Event::ResumedWithoutCounters,
            Some(Start::LossAccepted) => Event::LossAccepted,
        });
        let mut daemon = Daemon { path, config, engine, web, door: Arc::default() };
        daemon.adopt(listeners, terms).map_err(|error| Failure::new(Code::Io, error.to_string()))?;
        daemon.serve(control).await
    });
    // The socket is ours: `bind` has made sure that no other daemon answers on it.
    let _ = std::fs::remove_file(socket);
    result
}

/// Puts the sandbox around the process, which has one thread yet.
fn enclose(path: &Path, config: &Config, web: Option<&WebFile>, tap: TapKind) -> Level {
    // What both need later and cannot reach from inside: users and groups by the system's own
    // libraries, and the boot.
    let _ = Access::resolve(&config.roles);
    let _ = SystemClock.boot();
    let packet_sockets = tap != TapKind::Kernel;
    sandbox::enter(&Enclosure {
        capabilities: if packet_sockets { &capabilities::PACKET_SOCKETS } else { &[] },
        folders: folders(path, config, web),
        packet_sockets,
    })
}

/// Every folder that the daemon reaches once it is set up.
fn folders(path: &Path, config: &Config, web: Option<&WebFile>) -> Vec<Folder> {
    // Users and groups are looked up again at a reload.
    let mut folders = vec![Folder::new(Path::new("/etc"), Reach::Read)];
    let key = config.store.as_ref().map(|store| store.key_file.as_path());
    let credential = key.and_then(credential_of);
    let read = [Some(path), config.roster_file.as_deref(), key, credential.as_deref()];
    let read = read.into_iter().chain([config.web_config_file.as_deref()]).flatten();
    let read = read.chain(web.into_iter().flat_map(WebFile::files));
    folders.extend(read.flat_map(|file| Folder::of_file(file, Reach::Read)));
    folders.extend(Folder::of_file(&config.control_socket, Reach::Keep));
    if let Some(store) = &config.store {
        folders.extend(Folder::of_file(&store.path, Reach::Keep));
        folders.push(Folder::new(&config.pin, Reach::Names));
        folders.extend(config.pin.parent().map(|parent| Folder::new(parent, Reach::RemoveFolder)));
    }
    folders
}

impl Daemon<'_> {
    async fn serve(mut self, control: UnixListener) -> Result<(), Failure> {
        let io = |error: std::io::Error| Failure::new(Code::Io, error.to_string());
        let mut hangup = signal(SignalKind::hangup()).map_err(io)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
        let mut hand_over = signal(SignalKind::user_defined1()).map_err(io)?;
        self.resolve_roles();
        let control = tokio::net::UnixListener::from_std(control).map_err(io)?;
        heap::wipe_stack::<{ heap::REQUEST_BYTES }>();
        say(&Event::Ready);
        service::tell(Word::Ready);
        let answering = tokio::spawn(server::serve(control, Arc::clone(&self.engine.desk)));
        let end = loop {
            tokio::select! {
                () = self.engine.keep_time() => {}
                _ = hangup.recv() => self.reload().await,
                _ = terminate.recv() => break End::Stop,
                _ = interrupt.recv() => break End::Stop,
                _ = hand_over.recv() => break End::HandOver,
            }
        };
        service::tell(Word::Stopping);
        say(&if end == End::Stop { Event::Stopping } else { Event::HandingOver });
        answering.abort();
        self.engine.stop(end).await;
        Ok(())
    }

    /// Serves these listeners on these terms, and lets go of those that are not configured any more.
    fn adopt(&mut self, bound: Bound, terms: Terms) -> std::io::Result<()> {
        warn_of_certificates(&terms);
        let openness = terms.openness();
        self.door.exchange(terms);
        let router = http::router(Arc::clone(&self.engine.pages));
        self.web.adopt(bound, &self.config.listen, &router, &self.door)?;
        if http::others_can_reach(&self.config.listen) {
            match openness {
                Openness::Plain => say(&Event::ListeningWide),
                Openness::PlainLogIn => say(&Event::ListeningInClear),
                Openness::Encrypted => say(&Event::ListeningToAll),
                Openness::Closed => {}
            }
        }
        Ok(())
    }

    fn resolve_roles(&self) {
        let (access, unknown) = Access::resolve(&self.config.roles);
        for name in unknown {
            say(&Event::UnknownRoleMember(&name));
        }
        self.engine.desk.access.store(Arc::new(access));
    }

    /// Reads configuration, roster, web configuration and certificates again; a bad one is refused whole.
    async fn reload(&mut self) {
        service::tell(Word::Reloading);
        let result = Box::pin(self.try_reload()).await;
        heap::wipe_stack::<{ heap::REQUEST_BYTES }>();
        service::tell(Word::Ready);
        {
            let mut health = self.engine.desk.health();
            health.reload_ok = result.is_ok();
            self.engine.pages.set_status(exposition::status(&health, &self.engine.policy));
        }
        match result {
            Ok(()) => say(&Event::Reloaded),
            Err(why) => say(&Event::ReloadRefused(&why)),
        }
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let new = config::load(&SystemFiles, self.path)?;
        if let Some(table) = self.config.restart_needed_for(&new) {
            return Err(format!("{}: a change to {table} needs a restart", self.path.display()));
        }
        let rows = read_roster(&SystemFiles, &new)?;
        let terms = read_terms(&SystemFiles, &new, &self.door.terms())?;
        let listeners = self.web.prepare(&new.listen).map_err(|failure| failure.message)?;
        if let Some(file) = &new.roster_file {
            warn_of_names(file, &rows);
            let change = Change::Replace(Source::File, assignments(rows));
            match self.engine.desk.make(change).await {
                Outcome::Full(why) => return Err(format!("{}: {why}", file.display())),
                Outcome::Unsettled => return Err("the tap did not settle within two seconds".into()),
                Outcome::Done | Outcome::NotAssigned => {}
            }
        }
        self.engine.desk.probe.store(Arc::new(new.probe_account.clone()));
        self.config = new;
        self.resolve_roles();
        self.adopt(listeners, terms).map_err(|error| error.to_string())
    }
}
