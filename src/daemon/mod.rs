//! The daemon: the order of start and stop, and signals. No arithmetic.
//!
//! Threads: the main thread runs everything asynchronous; one holds the tap, one changes the roster, one
//! writes the log.

mod asking;
mod confine;
mod fleet;
pub mod inputs;
mod radius;
pub mod reload;
mod sources;
mod taken;

use crate::clock::{Clock, SystemClock, implausible_clock};
use crate::config::{self, Desk};
use crate::control::hook_pipe::HookPipe;
use crate::control::socket::Openness;
use crate::control::{server, socket};
use crate::engine::checkpoint::StartKind;
use crate::engine::persistence::choose;
use crate::engine::{End, start};
use crate::environment::{Files, System, SystemFiles};
use crate::exit::{ExitError, ExitStatus};
use crate::log::{self, Event, emit};
use crate::meter::policy::Profile;
use crate::publish::listeners::Listeners;
use crate::publish::web::{self, WebConfig, WebConfigFile};
use crate::roster::Roster;
use crate::roster::sources::wireguard::Reader;
use crate::system::allocator;
use crate::system::descriptors;
use crate::system::service_manager::{self, Notification};
use confine::enter_sandbox;
use fleet::Prepared;
use inputs::{load_roster, read_desk_config, read_web_config};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use reload::Daemon;
use std::path::Path;
use std::sync::Arc;
use taken::Ports;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Runs the daemon until SIGTERM or SIGINT, which end it for good, or SIGUSR1, after which another
/// process takes over.
///
/// # Errors
/// What keeps it from starting, with its exit status.
pub fn run(path: &Path, accept_loss: bool) -> Result<(), ExitError> {
    let bad = |why: String| ExitError::new(ExitStatus::Config, why);
    allocator::give_back_large_buffers();
    descriptors::raise_limit();
    let mut config = config::load(&SystemFiles, path).map_err(bad)?;
    if Profile::BUILT == Profile::Lab {
        emit(&Event::LabBuild);
    }
    // The helper that is forked here is to hold no name: the one in the configuration is read again.
    let has_probe = config.probe_account.take().is_some();
    if let Some(clock) = implausible_clock(SystemClock.now().wall_seconds) {
        emit(&Event::ImplausibleClock(clock));
    }
    let prepared = choose(&config)?;
    let reader = sources::start_reader(&config)?;
    let fleet = fleet::prepare(&SystemFiles, &config)?;
    if has_probe {
        config.probe_account = config::load(&SystemFiles, path).map_err(bad)?.probe_account;
    }
    let listeners =
        Listeners::sharing(descriptors::share(descriptors::limit(), descriptors::PAGE_CONNECTIONS));
    let Ports { pages, desk, accounting, taken } = taken::bind(&config)?;
    let control = socket::bind(&config.control_socket)?;
    match control.openness {
        Openness::Members => {}
        Openness::Everyone => emit(&Event::SocketOpenToAll(&config.control_socket)),
        Openness::Owner => emit(&Event::SocketForOwner(&config.control_socket)),
    }
    // Only to know which folders to allow: the files are read again inside the sandbox, as by a reload.
    let named = [
        ("web.config_file", config.web_config_file.as_deref()),
        ("support.config_file", config.desk.as_ref().map(Desk::path)),
    ];
    let named = named.into_iter().filter_map(|(key, path)| Some(web::read(&SystemFiles, key, path?)));
    let web_files: Vec<WebConfigFile> = named.collect::<Result<_, _>>().map_err(bad)?;
    let status = enter_sandbox(path, &config, &web_files, prepared.kind());
    drop(web_files);
    log::write_apart().map_err(|error| ExitError::new(ExitStatus::Io, format!("log: {error}")))?;
    let web_config = read_web_config(&SystemFiles, &config, &WebConfig::default()).map_err(bad)?;
    let desk_config = read_desk_config(&SystemFiles, &config, &WebConfig::default()).map_err(bad)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
    let path_of_socket = config.control_socket.clone();
    let result = runtime.block_on(async {
        // A file that may not grow further is a disk that fails, and no end of the process.
        let _too_large = signal(SignalKind::from_raw(libc::SIGXFSZ));
        let filed = |roster: &Roster| load_roster(&SystemFiles, &config, roster);
        let account_key = fleet.as_ref().map(|fleet| fleet.key.of_accounts());
        let engine = start(&config, Some(prepared), account_key, filed, accept_loss)?;
        engine.save_first()?;
        for (part, why) in status.missing() {
            emit(&Event::SandboxMissing(*part, why));
        }
        engine.state.set_sandbox(status);
        emit(&match engine.started {
            None => Event::MemoryStart,
            Some(StartKind::First) => Event::FirstStart,
            Some(StartKind::Resumed) => Event::Resumed,
            Some(StartKind::ResumedWithoutCounters) => Event::ResumedWithoutCounters,
            Some(StartKind::LossAccepted) => Event::LossAccepted,
        });
        let mut daemon = Daemon::new(path.to_owned(), config, engine, listeners);
        let io = |error: std::io::Error| ExitError::new(ExitStatus::Io, error.to_string());
        daemon.adopt(pages, web_config).map_err(io)?;
        daemon.adopt_desk(desk, desk_config).map_err(io)?;
        let children = [reader.as_ref().map(Reader::process), fleet.as_ref().map(Prepared::process)];
        let children: Vec<Pid> = children.into_iter().flatten().collect();
        if let Some(fleet) = fleet {
            daemon.handler.join_fleet(fleet::join(fleet, &daemon.engine.state).map_err(io)?);
        }
        if let Some(reader) = reader {
            daemon.ask_wireguard(&SystemFiles, reader).map_err(bad)?;
        }
        daemon.read_status_files().map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
        daemon.ask_charons().map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
        daemon.hear_radius(&SystemFiles, accounting).await?;
        if let Some(taken) = taken {
            daemon.go_on_without(taken);
        }
        serve(daemon, control, &children).await
    });
    // The socket is ours: `bind` made sure that no other daemon answers on it.
    socket::remove(&path_of_socket);
    let result = result.map_err(|ExitError { code, message }| {
        // Whoever writes it past the queue might wait for ever.
        emit(&Event::Failed(&message));
        ExitError::new(code, "")
    });
    log::flush();
    result
}

/// Serves until a signal ends it.
async fn serve(mut daemon: Daemon<System>, control: socket::Bound, missed: &[Pid]) -> Result<(), ExitError> {
    let io = |error: std::io::Error| ExitError::new(ExitStatus::Io, error.to_string());
    let mut hangup = signal(SignalKind::hangup()).map_err(io)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
    let mut hand_over = signal(SignalKind::user_defined1()).map_err(io)?;
    let mut children = signal(SignalKind::child()).map_err(io)?;
    daemon.warn_of_crowd();
    daemon.resolve_roles(&SystemFiles);
    daemon.handler.read_by(Arc::new(|path| SystemFiles.read(path)));
    let socket::Bound { listener, mut hooks, .. } = control;
    daemon.admit(&mut hooks).await.map_err(io)?;
    daemon.hear(&hooks).await.map_err(io)?;
    let listener = tokio::net::UnixListener::from_std(listener).map_err(io)?;
    allocator::wipe_stack::<{ allocator::REQUEST_BYTES }>();
    emit(&Event::Ready(&daemon.engine.state.listeners()));
    service_manager::notify(Notification::Ready);
    let answering = tokio::spawn(server::serve(listener, Arc::clone(&daemon.handler), daemon.bar()));
    let mut reloads = std::mem::replace(&mut daemon.reloads, mpsc::channel(1).1);
    let (end, result) = loop {
        tokio::select! {
            () = daemon.engine.keep_time() => {}
            _ = hangup.recv() => {
                drop(reload(&mut daemon, &mut hooks).await);
            }
            Some(asked) = reloads.recv() => {
                let outcome = reload(&mut daemon, &mut hooks).await;
                // Whoever asked may be gone.
                let _ = asked.send(outcome);
            }
            _ = terminate.recv() => break (End::Stop, Ok(())),
            _ = interrupt.recv() => break (End::Stop, Ok(())),
            _ = hand_over.recv() => break (End::HandOver, Ok(())),
            () = helper_ended(&mut children, missed) => break (End::HandOver, Err(without_helper())),
        }
    };
    service_manager::notify(Notification::Stopping);
    emit(&if end == End::Stop { Event::Stopping } else { Event::HandingOver });
    answering.abort();
    daemon.engine.stop(end).await;
    result
}

/// Reads everything again, and lets those in who have a role now.
async fn reload(daemon: &mut Daemon<System>, hooks: &mut HookPipe) -> Result<(), String> {
    let outcome = daemon.reload(&SystemFiles).await;
    let admitted = daemon.admit(hooks).await;
    let admitted = admitted
        .map_err(|error| format!("control.hook: {error}; no hook is heard until a reload that succeeds"));
    if let Err(why) = &admitted {
        emit(&Event::ReloadRefused(why));
    }
    outcome.and(admitted)
}

/// Waits until the kernel tap's helper has ended; for ever where there is none. The roster reader and the fleet's
/// courier, the only other children, are missed by whoever asks them.
async fn helper_ended(children: &mut Signal, missed: &[Pid]) {
    loop {
        // A signal may have come before anybody waited for it.
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(ended, _) | WaitStatus::Signaled(ended, ..)) if missed.contains(&ended) => {
            }
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return,
            _ => _ = children.recv().await,
        }
    }
}

/// Without its helper the daemon could attach no interface that comes, and put nothing back: a new start
/// goes on with what the kernel has counted meanwhile.
fn without_helper() -> ExitError {
    ExitError::new(
        ExitStatus::Unavailable,
        "the helper process that attaches the tap has ended (killed, or out of memory?); start the daemon again, \
         nothing that was counted is lost",
    )
}
