//! A machine with its environment, and the daemon on it, as whoever stands around it meets it: packets
//! in; pages, answers, files and log lines out; starts, reloads, stops, kills and power cuts.

use super::disk::Fault;
use super::environment::SimEnvironment;
use super::packets::Packet;
use super::setup::{CONFIG, KEY, Setup, TextFiles};
use axum::body::{Body, to_bytes};
use axum::http::Request as Ask;
use blindmeter::config::{self, Config};
use blindmeter::control::peer::Peer;
use blindmeter::control::protocol::{Answer, Request};
use blindmeter::control::server::exchange;
use blindmeter::daemon::inputs::load_roster;
use blindmeter::daemon::reload::Daemon;
use blindmeter::engine::persistence::EngineParts;
use blindmeter::engine::{End, Engine, assemble};
use blindmeter::environment::identity;
use blindmeter::exit::{ExitError, ExitStatus};
use blindmeter::publish::http;
use blindmeter::publish::listeners::Listeners;
use blindmeter::publish::web::{LogInName, WebConfig};
use blindmeter::roster::Roster;
use blindmeter::tap::CounterMemory;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A page is far shorter; see the golden page of `publish/exposition.rs`.
const PAGE_BYTES: usize = 1 << 16;

/// How long the daemon waits for a line. Those of the simulation are there whole.
const SILENCE: Duration = Duration::from_secs(30);

/// A machine. The process on it may be running or not.
pub(crate) struct Machine {
    pub(crate) environment: SimEnvironment,
    files: TextFiles,
    config: Config,
    memory: CounterMemory,
    process: Option<Process>,
    /// The fault that is planned takes the machine with it.
    cuts_power: bool,
}

/// The running process.
struct Process {
    daemon: Daemon<SimEnvironment>,
    router: TowerToHyperService<axum::Router>,
    desk: TowerToHyperService<axum::Router>,
}

impl Machine {
    /// A machine at this time, with a key and no state. Nothing runs on it.
    pub(crate) fn new(setup: &Setup, seed: u64, wall_seconds: u64) -> Self {
        let environment = SimEnvironment::new(seed, wall_seconds);
        environment.disk.put(Path::new(KEY), &[42; 32]);
        let files = TextFiles { config: setup.text(), roster: String::new() };
        let config = config::load(&files, Path::new(CONFIG));
        let config = config.unwrap_or_else(|error| panic!("the simulation's configuration: {error}"));
        let memory = memory(&environment, &config);
        Self { environment, files, config, memory, process: None, cuts_power: false }
    }

    /// Starts the process with this roster file. Counters that outlived the one before are gone on
    /// with.
    ///
    /// # Errors
    /// The exit code and the line that the process ends with.
    pub(crate) fn start(&mut self, roster: &str, accept_loss: bool) -> Result<(), String> {
        let refused = |failure: ExitError| format!("{} {}", failure.code as u8, failure.message);
        roster.clone_into(&mut self.files.roster);
        let daemon = self.try_start(accept_loss);
        let dead = self.environment.disk.is_dead();
        self.end_if_dead();
        let daemon = daemon.map_err(refused)?;
        if dead {
            return Err("it was killed".to_owned());
        }
        daemon.resolve_roles(&self.files);
        self.name_by(&daemon);
        let router = TowerToHyperService::new(http::router(daemon.engine.state.pages()));
        let desk = TowerToHyperService::new(daemon.desk.router(&Arc::default()));
        self.process = Some(Process { daemon, router, desk });
        Ok(())
    }

    /// The daemon finds names in the roster file as it is now.
    fn name_by(&self, daemon: &Daemon<SimEnvironment>) {
        let text = self.files.roster.clone().into_bytes();
        daemon.handler.read_by(Arc::new(move |_| Ok(text.clone())));
    }

    fn try_start(&self, accept_loss: bool) -> Result<Daemon<SimEnvironment>, ExitError> {
        let filed = |roster: &Roster| load_roster(&self.files, &self.config, roster);
        let parts = EngineParts::without_tap(self.memory, self.environment.rng().word());
        let engine = assemble(&self.environment, &self.config, parts, filed, accept_loss)?;
        engine.save_first()?;
        let path = PathBuf::from(CONFIG);
        let mut daemon = Daemon::new(path, self.config.clone(), engine, Listeners::sharing(256));
        // Nothing is listened on, so that no listener can fail.
        let adopted = daemon.adopt(Vec::new(), WebConfig::default());
        adopted.map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
        Ok(daemon)
    }

    /// True while a process runs.
    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// The running engine.
    pub(crate) fn engine(&self) -> &Engine<SimEnvironment> {
        &self.process().daemon.engine
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("a process runs")
    }

    /// Time passes, and the process looks at the clock at the end of it. A disk that ends the process
    /// meanwhile leaves none.
    pub(crate) async fn pass(&mut self, seconds: u64) {
        self.environment.clocks.pass(seconds);
        if let Some(process) = &self.process {
            process.daemon.engine.step().await;
        }
        self.end_if_dead();
    }

    /// A fault of the disk at the operation of this number from now.
    pub(crate) fn plan(&mut self, fault: Fault, after: u64) {
        self.cuts_power = fault == Fault::PowerCut;
        self.environment.disk.plan(fault, after);
    }

    /// Ends the process, or the machine, where a fault of the disk has done so.
    fn end_if_dead(&mut self) {
        match self.environment.disk.is_dead() {
            true if self.cuts_power => self.cut_power(),
            true => self.kill(),
            false => {}
        }
    }

    /// A packet passes the tap.
    pub(crate) fn count(&self, packet: &Packet) {
        packet.pass(&self.engine().attribution);
    }

    /// Asks for a page: the status, the headers in their order, an empty line, the body.
    pub(crate) async fn get(&self, method: &str, path: &str, headers: &[(&str, &str)], into: &mut Vec<u8>) {
        let mut ask = Ask::builder().method(method).uri(path);
        for (name, value) in headers {
            ask = ask.header(*name, *value);
        }
        let ask = ask.body(Body::empty()).expect("a request of the test");
        let Ok(answer) = self.process().router.call(ask).await;
        write(answer, into).await;
    }

    /// Asks the desk as whoever has logged in by this name, and appends status, headers and body.
    pub(crate) async fn desk(&self, log_in: String, path: &str, form: Option<String>, into: &mut Vec<u8>) {
        let method = if form.is_some() { "POST" } else { "GET" };
        let body = form.unwrap_or_default();
        let ask = Ask::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("content-length", body.len())
            .header("sec-fetch-site", "same-origin")
            .extension(LogInName(log_in.into()));
        let ask = ask.body(Body::from(body)).expect("a request of the test");
        let Ok(answer) = self.process().desk.call(ask).await;
        write(answer, into).await;
    }

    /// Asks the control socket as this user, and appends the line of the answer.
    pub(crate) async fn ask(&self, uid: u32, request: Request, into: &mut Vec<u8>) {
        self.ask_with(uid, request, b"", into).await;
    }

    /// The same of a request that a text follows.
    pub(crate) async fn ask_with(&self, uid: u32, request: Request, text: &[u8], into: &mut Vec<u8>) {
        let mut line = serde_json::to_vec(&request).expect("a request is JSON");
        line.push(b'\n');
        line.extend_from_slice(text);
        let peer = Peer { uid, language: None };
        let handler = &self.process().daemon.handler;
        let exchanged = exchange(handler, &peer, SILENCE, &mut line.as_slice(), into).await;
        exchanged.expect("memory breaks no connection");
    }

    /// The answer of the control socket to this user.
    pub(crate) async fn answer(&self, uid: u32, request: Request) -> Answer {
        let mut line = Vec::new();
        self.ask(uid, request, &mut line).await;
        serde_json::from_slice(&line).expect("an answer is JSON")
    }

    /// A VPN server's hook, or an administrator, assigns a prefix. False when it was refused.
    pub(crate) async fn assign(&self, prefix: &str, account: &str) -> bool {
        let request = Request::Assign {
            prefix: prefix.to_owned(),
            account: account.to_owned(),
            interface: None,
            session: None,
        };
        matches!(self.answer(0, request).await, Answer::Done {})
    }

    /// The assignment of a prefix is taken back. False when it was refused.
    pub(crate) async fn release(&self, prefix: &str) -> bool {
        matches!(
            self.answer(0, Request::Unassign { prefix: prefix.to_owned(), interface: None, session: None })
                .await,
            Answer::Done {}
        )
    }

    /// Reads configuration and roster file again, as SIGHUP does. False when it was refused.
    pub(crate) async fn reload(&mut self, roster: &str) -> bool {
        roster.clone_into(&mut self.files.roster);
        let process = self.process.as_mut().expect("a process runs");
        let is_done = process.daemon.reload(&self.files).await.is_ok();
        let process = self.process.as_ref().expect("it still runs");
        self.name_by(&process.daemon);
        is_done
    }

    /// The process ends by itself. Its counters are left for the next one where that follows, or where
    /// they could not be saved.
    pub(crate) async fn stop(&mut self, end: End) {
        let Some(process) = self.process.take() else { return };
        let state = Arc::clone(&process.daemon.engine.state);
        process.daemon.engine.stop(end).await;
        if self.environment.disk.is_dead() {
            return self.end_if_dead();
        }
        let left = self.config.store.is_some() && (end == End::HandOver || !state.health().store_ok);
        if left {
            self.memory.adopted = true;
        } else {
            self.memory = memory(&self.environment, &self.config);
        }
    }

    /// The process is killed; its counters outlive it, as those in the kernel do.
    pub(crate) fn kill(&mut self) {
        self.process = None;
        self.environment.disk.revive();
        self.memory.adopted = self.config.store.is_some();
        if !self.memory.adopted {
            self.memory = memory(&self.environment, &self.config);
        }
    }

    /// The power goes: counters are lost, and of files what was not synced.
    pub(crate) fn cut_power(&mut self) {
        self.process = None;
        self.environment.disk.cut_power();
        self.environment.clocks.reboot();
        self.memory = memory(&self.environment, &self.config);
    }
}

/// Memory for counters, of which nobody knows yet; as all counters it lives as long as the process.
fn memory(environment: &SimEnvironment, config: &Config) -> CounterMemory {
    CounterMemory::heap(config.capacity, identity(&mut environment.rng()))
}

/// Appends status, headers and body of an answer.
async fn write(answer: axum::response::Response, into: &mut Vec<u8>) {
    let (head, body) = answer.into_parts();
    into.extend_from_slice(head.status.as_str().as_bytes());
    for (name, value) in &head.headers {
        into.push(b'\n');
        into.extend_from_slice(name.as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value.as_bytes());
    }
    into.extend_from_slice(b"\n\n");
    let body = to_bytes(body, PAGE_BYTES).await.expect("a page in memory");
    into.extend_from_slice(&body);
}
