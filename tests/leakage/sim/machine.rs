//! A machine with its world, and the daemon's engine on it, as whoever stands around it meets it:
//! packets in; pages, answers, files and log lines out; starts, stops, kills and power cuts.

use super::disk::Fault;
use super::packets::Packet;
use super::setup::{KEY, Setup};
use super::world::Simulated;
use axum::body::{Body, to_bytes};
use axum::http::Request as Ask;
use blindmeter::config::Config;
use blindmeter::control::access::AccessPolicy;
use blindmeter::control::handler::Handler;
use blindmeter::control::peer::Peer;
use blindmeter::control::protocol::{Answer, Request};
use blindmeter::engine::persistence::EngineParts;
use blindmeter::engine::roster_writer::{Change, Outcome};
use blindmeter::engine::{End, Engine, assemble};
use blindmeter::environment::identity;
use blindmeter::exit::{ExitError, ExitStatus};
use blindmeter::publish::http;
use blindmeter::roster::{Roster, Source, csv};
use blindmeter::tap::CounterMemory;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::path::Path;
use std::sync::Arc;

/// A page is far shorter; see the golden page of `publish/exposition.rs`.
const PAGE_BYTES: usize = 1 << 16;

/// A machine. The process on it may be running or not.
pub(crate) struct Machine {
    pub(crate) world: Simulated,
    config: Config,
    memory: CounterMemory,
    process: Option<Process>,
    /// The fault that is planned takes the machine with it.
    cuts_power: bool,
}

/// The running process.
struct Process {
    engine: Engine<Simulated>,
    handler: Handler<Simulated>,
    router: TowerToHyperService<axum::Router>,
}

impl Machine {
    /// A machine at this time, with a key and no state. Nothing runs on it.
    pub(crate) fn new(setup: &Setup, seed: u64, wall_seconds: u64) -> Self {
        let world = Simulated::new(seed, wall_seconds);
        world.disk.put(Path::new(KEY), &[42; 32]);
        let config = setup.config();
        let memory = memory(&world, &config);
        Self { world, config, memory, process: None, cuts_power: false }
    }

    /// Starts the process with this roster file. Counters that outlived the one before are gone on
    /// with.
    ///
    /// # Errors
    /// The exit code and the line that the process ends with.
    pub(crate) fn start(&mut self, roster: &str, accept_loss: bool) -> Result<(), String> {
        let refused = |failure: ExitError| format!("{} {}", failure.code as u8, failure.message);
        let engine = self.try_start(roster, accept_loss);
        let dead = self.world.disk.is_dead();
        self.end_if_dead();
        let engine = engine.map_err(refused)?;
        if dead {
            return Err("it was killed".to_owned());
        }
        let (access, unknown) = AccessPolicy::resolve(&self.config.roles);
        assert!(unknown.is_empty(), "the roles are those of the group of number 0");
        let handler = Handler::new(Arc::clone(&engine.state));
        handler.set_access(access);
        let router = TowerToHyperService::new(http::router(engine.state.pages()));
        self.process = Some(Process { engine, handler, router });
        Ok(())
    }

    fn try_start(&self, roster: &str, accept_loss: bool) -> Result<Engine<Simulated>, ExitError> {
        let bad = |error: csv::CsvError| ExitError::new(ExitStatus::Config, error.to_string());
        let filed =
            |filed: &Roster| csv::read(roster.as_bytes(), |row| filed.tag_of(&row.account)).map_err(bad);
        let footing = EngineParts::without_tap(self.memory, self.world.random().word());
        let engine = assemble(&self.world, &self.config, footing, filed, accept_loss)?;
        engine.save_first()?;
        Ok(engine)
    }

    /// True while a process runs.
    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// The running engine.
    pub(crate) fn engine(&self) -> &Engine<Simulated> {
        &self.process().engine
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("a process runs")
    }

    /// Time passes, and the process looks at the clock at the end of it. A disk that ends the process
    /// meanwhile leaves none.
    pub(crate) async fn pass(&mut self, seconds: u64) {
        self.world.clocks.pass(seconds);
        if let Some(process) = &self.process {
            process.engine.step().await;
        }
        self.end_if_dead();
    }

    /// A fault of the disk at the operation of this number from now.
    pub(crate) fn plan(&mut self, fault: Fault, after: u64) {
        self.cuts_power = fault == Fault::PowerCut;
        self.world.disk.plan(fault, after);
    }

    /// Ends the process, or the machine, where a fault of the disk has done so.
    fn end_if_dead(&mut self) {
        match self.world.disk.is_dead() {
            true if self.cuts_power => self.cut_power(),
            true => self.kill(),
            false => {}
        }
    }

    /// A packet passes the tap.
    pub(crate) fn count(&self, packet: &Packet) {
        packet.pass(&self.process().engine.attribution);
    }

    /// Asks for a page: the status, the headers in their order, an empty line, the body.
    pub(crate) async fn get(&self, method: &str, path: &str, headers: &[(&str, &str)], into: &mut Vec<u8>) {
        let mut ask = Ask::builder().method(method).uri(path);
        for (name, value) in headers {
            ask = ask.header(*name, *value);
        }
        let ask = ask.body(Body::empty()).expect("a request of the test");
        let Ok(answer) = self.process().router.call(ask).await;
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

    /// Asks the control socket as a user of these groups, and appends the line of the answer.
    pub(crate) async fn ask(&self, uid: u32, gid: u32, request: Request, into: &mut Vec<u8>) {
        self.ask_with(uid, gid, request, b"", into).await;
    }

    /// The same of a request that a text follows.
    pub(crate) async fn ask_with(
        &self,
        uid: u32,
        gid: u32,
        request: Request,
        text: &[u8],
        into: &mut Vec<u8>,
    ) {
        let answer = self.answer_with(uid, gid, request, text).await;
        serde_json::to_writer(&mut *into, &answer).expect("an answer is JSON");
        into.push(b'\n');
    }

    /// The answer of the control socket to a user of these groups.
    pub(crate) async fn answer(&self, uid: u32, gid: u32, request: Request) -> Answer {
        self.answer_with(uid, gid, request, b"").await
    }

    async fn answer_with(&self, uid: u32, gid: u32, request: Request, text: &[u8]) -> Answer {
        let handler = &self.process().handler;
        let peer = Peer { uid, gids: vec![gid] };
        match handler.refusal(&request, &peer) {
            Some(refusal) => refusal,
            None => handler.answer(request, &peer, text).await,
        }
    }

    /// A VPN server's hook, or an administrator, assigns a prefix. False when it was refused.
    pub(crate) async fn assign(&self, prefix: &str, account: &str) -> bool {
        let request = Request::Assign { prefix: prefix.to_owned(), account: account.to_owned() };
        matches!(self.answer(0, 0, request).await, Answer::Done {})
    }

    /// The assignment of a prefix is taken back. False when it was refused.
    pub(crate) async fn release(&self, prefix: &str) -> bool {
        matches!(self.answer(0, 0, Request::Unassign { prefix: prefix.to_owned() }).await, Answer::Done {})
    }

    /// Reads the roster file again, as SIGHUP does. False when it was refused.
    pub(crate) async fn reload(&self, roster: &str) -> bool {
        let roster = csv::read(roster.as_bytes(), |row| self.engine().state.roster().tag_of(&row.account));
        let Ok(roster) = roster else { return false };
        let change = Change::Replace(Source::File, roster);
        matches!(self.process().engine.state.change(change).await, Outcome::Done)
    }

    /// The process ends by itself. Its counters are left for the next one where that follows, or where
    /// they could not be saved.
    pub(crate) async fn stop(&mut self, end: End) {
        let Some(process) = self.process.take() else { return };
        let state = Arc::clone(&process.engine.state);
        process.engine.stop(end).await;
        if self.world.disk.is_dead() {
            return self.end_if_dead();
        }
        let left = self.config.store.is_some() && (end == End::HandOver || !state.health().store_ok);
        if left {
            self.memory.adopted = true;
        } else {
            self.memory = memory(&self.world, &self.config);
        }
    }

    /// The process is killed; its counters outlive it, as those in the kernel do.
    pub(crate) fn kill(&mut self) {
        self.process = None;
        self.world.disk.revive();
        self.memory.adopted = self.config.store.is_some();
        if !self.memory.adopted {
            self.memory = memory(&self.world, &self.config);
        }
    }

    /// The power goes: counters are lost, and of files what was not synced.
    pub(crate) fn cut_power(&mut self) {
        self.process = None;
        self.world.disk.cut_power();
        self.world.clocks.reboot();
        self.memory = memory(&self.world, &self.config);
    }
}

/// Memory for counters, of which nobody knows yet; as all counters it lives as long as the process.
fn memory(world: &Simulated, config: &Config) -> CounterMemory {
    CounterMemory::heap(config.capacity, identity(&mut world.random()))
}
