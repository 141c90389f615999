//! `blindmeter demo`: the whole product without setup, on real packets in a private namespace.
//!
//! No configuration can select its two-second epochs and its floors; its accounts are synthetic.
//! The listener is bound before the namespace is entered, so that a browser can reach it.
#![expect(clippy::disallowed_types, reason = "the demo's own listener has an address")]

mod desk;
mod injector;
pub(super) mod namespace;
mod screen;
mod traffic;

use super::output::{self, VolumeReport};
use crate::clock::{Stopwatch, sleep};
use crate::config::{ComparablePolicy, Config, DeskRoles, Language, MEMORY_BUDGET_BYTES, Pattern, Roles};
use crate::control::advice;
use crate::engine::persistence::choose;
use crate::engine::roster_writer::Change;
use crate::engine::{End, Engine, start};
use crate::environment::System;
use crate::exit::{ExitError, ExitStatus};
use crate::meter::budget::Epsilon;
use crate::meter::flags::kind::{Kind, Kinds};
use crate::meter::policy::{DAY_SECONDS, Flagging, Mode, Noise, Policy, Profile};
use crate::meter::release::Release;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::publish::http;
use crate::publish::listeners::bind;
use crate::roster::address::Prefix;
use clap::Args;
use injector::Injector;
use namespace::{DEVICE, PrivateNamespace};
use screen::View;
use serde::Serialize;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use traffic::{Crowd, Sent};

/// Length of a demo's epoch.
const EPOCH_SECONDS: u64 = 2;

/// How often the table is redrawn.
const FRAME: Duration = Duration::from_millis(250);

/// How to run the demo.
#[derive(Args)]
pub(super) struct Options {
    /// Seconds to run; 0 to run until Ctrl-C
    #[arg(long, default_value_t = 30, value_parser = seconds)]
    seconds: u64,
    /// Number of synthetic accounts, 12 to 60000
    #[arg(long, default_value_t = 40, value_parser = accounts)]
    accounts: u32,
    /// Serve /metrics here; by default on loopback port 9776, or a free port if that is taken
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen)]
    listen: Option<SocketAddr>,
    /// Print only a final report, as JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "expected whole seconds; 0 runs until Ctrl-C")
}

fn accounts(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|accounts| (12..=60_000).contains(accounts));
    number.ok_or("expected a number from 12 to 60000")
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an address and a port, like 127.0.0.1:9776 or [::1]:9776")
}

/// A flag of an account, as of the last release.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct FlaggedAccount {
    account: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    seconds: u64,
    epochs_released: usize,
    backend: String,
    sent: VolumeReport,
    counted: VolumeReport,
    accounts: u32,
    flagged: Vec<FlaggedAccount>,
    metrics_url: String,
}

/// Runs the demo.
///
/// # Errors
/// A port in use (69), packets that could not be sent (74), or counts that do not match what was
/// sent (70).
pub(super) fn run(options: &Options) -> Result<(), ExitError> {
    let listener = listener(options.listen)?;
    let address = listener.local_addr().map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
    let metrics_url = format!("http://{address}/metrics");
    let desk = desk::listener()?;
    let namespace = match namespace::enter() {
        Ok(namespace) => Some(namespace),
        Err(why) => {
            output::error(&format!("{why}; feeding the packets to the tap in-process instead"));
            None
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
    runtime.block_on(perform(options, (listener, desk), namespace, metrics_url))
}

async fn perform(
    options: &Options,
    (listener, desk): (TcpListener, TcpListener),
    namespace: Option<PrivateNamespace>,
    metrics_url: String,
) -> Result<(), ExitError> {
    let io = |error: std::io::Error| ExitError::new(ExitStatus::Io, error.to_string());
    let crowd = Crowd::new(options.accounts);
    let config = config(options.accounts);
    let prepared = namespace.as_ref().map(|_| choose(&config)).transpose()?;
    let engine = start(&config, prepared, None, |roster| Ok(crowd.assignments(roster)), false)?;
    let names = crowd.names(engine.state.roster());
    let listener = tokio::net::TcpListener::from_std(listener).map_err(io)?;
    let serving = tokio::spawn(http::serve(listener, http::router(engine.state.pages())));
    let desk_url = desk::url(&desk).map_err(io)?;
    let desk = tokio::spawn(http::serve(
        tokio::net::TcpListener::from_std(desk).map_err(io)?,
        desk::router(&engine, &names),
    ));
    let mut injector = match namespace {
        Some(namespace) => Injector::open(namespace).map_err(io)?,
        None => Injector::in_process(&engine),
    };
    let sent = Arc::new(Sent::new(&crowd));
    let generator = {
        let sent = Arc::clone(&sent);
        let generate = move || crowd.send(&mut injector, &sent);
        std::thread::Builder::new().name("accounts".into()).spawn(generate).map_err(io)?
    };
    let (releases, seconds) = watch(options, &engine, &sent, (&names, [&metrics_url, &desk_url])).await?;
    sent.stop();
    let generated = generator
        .join()
        .map_err(|_| ExitError::new(ExitStatus::Bug, "the traffic generator stopped early"))?;
    generated.map_err(io)?;
    let _ = engine.state.change(Change::Quiesce).await;
    let totals = engine.state.node().node_totals();
    let counted = totals.attributed.plus(totals.unattributed);
    let report = Report {
        schema_version: 1,
        seconds,
        epochs_released: releases,
        backend: engine.state.backend().to_owned(),
        sent: VolumeReport {
            bytes: sent.bytes.load(Ordering::Relaxed),
            packets: sent.packets.load(Ordering::Relaxed),
        },
        counted: VolumeReport { bytes: counted.bytes(), packets: counted.packets() },
        accounts: options.accounts,
        flagged: flagged(&engine, &names),
        metrics_url,
    };
    serving.abort();
    desk.abort();
    engine.stop(End::Stop).await;
    conclude(&report, options.json)
}

/// Every flag that support would be told of now, by account.
fn flagged(engine: &Engine<System>, names: &HashMap<Tag, String>) -> Vec<FlaggedAccount> {
    let Some((_, slots)) = engine.state.node().flagged() else { return Vec::new() };
    let of_slot = |(slot, kinds): (Slot, Kinds)| {
        let name = engine.state.roster().account_of(slot).and_then(|tag| names.get(&tag)).cloned();
        kinds
            .by_severity()
            .filter_map(move |kind| Some(FlaggedAccount { account: name.clone()?, kind: kind.name() }))
    };
    let mut flagged: Vec<FlaggedAccount> = slots.into_iter().flat_map(of_slot).collect();
    flagged.sort();
    flagged
}

fn conclude(report: &Report, json: bool) -> Result<(), ExitError> {
    let exact = report.sent.bytes == report.counted.bytes && report.sent.packets == report.counted.packets;
    if json {
        output::json(report)?;
    } else {
        let row = |name: &str, volume: &VolumeReport| {
            [name.to_owned(), volume.packets.to_string(), volume.bytes.to_string()]
        };
        output::line("")?;
        output::table(&[
            ["", "packets", "bytes"].map(String::from),
            row("sent", &report.sent),
            row("counted", &report.counted),
        ])?;
        for FlaggedAccount { account, kind } in &report.flagged {
            let of_name = Kind::ALL.into_iter().find(|one| one.name() == *kind);
            let advice = of_name.map_or("", |kind| advice::advice(kind, Language::English));
            output::line(&format!("flagged: {account}, {kind}: {advice}"))?;
        }
        let epochs = report.epochs_released;
        output::line(&format!(
            "{} after {} seconds; epochs released: {epochs}",
            if exact { "exact" } else { "NOT EXACT" },
            report.seconds
        ))?;
    }
    if exact {
        Ok(())
    } else {
        Err(ExitError::new(ExitStatus::Bug, "the counts do not match what was sent; please report this"))
    }
}

/// Shows the demo until its time is up; returns the number of released epochs, and the seconds.
async fn watch(
    options: &Options,
    engine: &Engine<System>,
    sent: &Sent,
    (names, [metrics_url, desk_url]): (&HashMap<Tag, String>, [&str; 2]),
) -> Result<(usize, u64), ExitError> {
    let stopwatch = Stopwatch::start();
    let live = !options.json && std::io::stdout().is_terminal();
    if live {
        output::raw("\x1b[2J")?;
    } else {
        output::note(&format!("metrics: {metrics_url}"));
        output::note(&format!("desk: {desk_url} (look up account-02, or see who is flagged)"));
    }
    let mut releases: Vec<Release> = Vec::new();
    let show = |second: u64, releases: &[Release], once: bool| {
        let rows = sent.seconds.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let backend = engine.state.backend();
        let flagged: Vec<String> =
            flagged(engine, names).iter().map(|flag| format!("{} {}", flag.account, flag.kind)).collect();
        let width = screen::width();
        let view =
            View { width, second, metrics_url, desk_url, backend, releases, sent: &rows, flagged: &flagged };
        if once { screen::print(&view) } else { screen::draw(&view) }
    };
    let running = async {
        loop {
            sleep(FRAME).await;
            let released = engine.state.node().released();
            if released.ordinal() != releases.last().map_or(0, Release::ordinal) {
                releases.push(released);
            }
            let second = stopwatch.elapsed().as_secs();
            if live {
                show(second, &releases, false)?;
            }
            if options.seconds != 0 && second >= options.seconds {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = running => ended?,
        () = engine.keep_time() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    let second = stopwatch.elapsed().as_secs();
    if !live && !options.json {
        show(second, &releases, true)?;
    }
    Ok((releases.len(), second))
}

fn listener(requested: Option<SocketAddr>) -> Result<TcpListener, ExitError> {
    let default = SocketAddr::from(([127, 0, 0, 1], 9776));
    match requested {
        Some(address) => bind("--listen", address),
        None => {
            bind("--listen", default).or_else(|_| bind("--listen", SocketAddr::from(([127, 0, 0, 1], 0))))
        }
    }
}

fn config(accounts: u32) -> Config {
    let pool = |text: &str| Prefix::parse(text).expect("the demo's pools are valid");
    let policy = Policy {
        profile: Profile::Demo,
        epoch_seconds: EPOCH_SECONDS,
        crowd: 10,
        // Each of the demo's epochs spends an epsilon of 1, as one of 24 h does. The accounts are
        // synthetic and small, and so is the clamp.
        mode: Mode::Noisy(Noise {
            epsilon: Epsilon::of_billionths(DAY_SECONDS / EPOCH_SECONDS * 1_000_000_000),
            clamp_bytes: 2 << 20,
        }),
        flags: Some(Flagging { tick_nanoseconds: Flagging::tick_of(EPOCH_SECONDS), ..Flagging::DEFAULT }),
        ..Policy::DEFAULT
    };
    Config {
        interfaces: vec![Pattern::of_name(DEVICE)],
        backend: None,
        hook: None,
        node_name: "demo".to_owned(),
        probe_account: None,
        pools: vec![pool("10.66.0.0/16"), pool("fd66::/112")],
        roster_file: None,
        wireguard: Vec::new(),
        strongswan: Vec::new(),
        radius: Vec::new(),
        openvpn: Vec::new(),
        // The demo has no control socket.
        control_socket: std::path::PathBuf::new(),
        two_person: false,
        desk_roles: DeskRoles::default(),
        roles: Roles { roster: Vec::new(), support: Vec::new(), privacy: Vec::new() },
        policy: ComparablePolicy(policy),
        listen: Vec::new(),
        web_config_file: None,
        language: Language::English,
        desk: None,
        capacity: accounts as usize,
        store: None,
        fleet: None,
        // Nothing outlives the demo.
        pin: std::path::PathBuf::new(),
        memory_budget_bytes: MEMORY_BUDGET_BYTES,
    }
}
