//! Everything the daemon ever logs: a closed list of events, one line each on standard error.
//!
//! No free text, no timestamps, no address, no account, nothing that traffic causes. A new line needs
//! a new variant here, where a reviewer sees it. Once the daemon is set up, a thread of its own writes
//! the lines (`writer`), so that a log which nobody reads stops nothing.

mod writer;

use crate::clock::ImplausibleClock;
use crate::meter::policy::SmallCrowd;
use crate::roster::sources::Unread;
use crate::store::StoreError;
use crate::system::sandbox::Restriction;
use crate::tap::Overlap;
use crate::tap::kernel::PinError;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use writer::Writer;

/// The thread that writes, once it was started.
static WRITER: OnceLock<Arc<Writer>> = OnceLock::new();

/// Something worth a line.
pub enum Event<'a> {
    /// A build without the floors.
    LabBuild,
    /// Which tap was chosen and why.
    TapChosen(&'static str, &'a str),
    /// What the kernel tap counts does not outlive the process.
    NothingKept(&'a PinError),
    /// The next process cannot find what the kernel tap counts.
    PinsHidden(&'a Path),
    /// A part of the sandbox is not in force.
    SandboxMissing(Restriction, &'a str),
    /// Nothing is kept at rest: the current epoch will not be released.
    MemoryStart,
    /// Nothing was ever kept here: the current epoch will not be released.
    FirstStart,
    /// The state of the last save is back, with everything counted since.
    Resumed,
    /// The state of the last save is back; what was counted since is lost.
    ResumedWithoutCounters,
    /// What was kept is lost, and the operator accepted that.
    LossAccepted,
    /// The state cannot be saved.
    SaveFailed(&'a StoreError),
    /// The state cannot be saved, and the process ends.
    LastSaveFailed(&'a StoreError),
    /// The state can be saved again.
    SaveRecovered,
    /// A cluster of the fleet does not take what is sent.
    FleetTrouble(char, &'a str),
    /// It takes it again.
    FleetRecovered(char),
    /// A named interface does not exist yet.
    InterfaceAwaited(&'a str),
    /// A named interface was attached.
    InterfaceAttached(&'a str),
    /// A named interface is gone.
    InterfaceGone(&'a str),
    /// The link type of a named interface, or of one that a glob matches, is not supported.
    LinkTypeUnsupported(&'a str, u16),
    /// The kernel refused to attach to an interface.
    InterfaceRefused(&'a str, &'a io::Error),
    /// The control socket lies where there are no access lists.
    SocketOpenToAll(&'a Path),
    /// The same, on a kernel that cannot keep descriptors of strangers out.
    SocketForOwner(&'a Path),
    /// A member of a role passed a descriptor, and is barred.
    DescriptorPassed,
    /// The control socket lies on a disk, so that a stop forgets what hooks said.
    AssignmentsForgotten(&'a Path),
    /// What hooks said could not be written down at a stop.
    AssignmentsLost(&'a Path, &'a io::Error),
    /// No descriptor is left for an interface; the limit.
    DescriptorsShort(&'a str, u64),
    /// Interfaces that see the same packets are both metered.
    CountedTwice(&'a Overlap),
    /// Somebody had taken the tap off an interface; it is attached again.
    AttachedAgain(&'a str),
    /// Somebody had come to stand before the tap; it is in front again.
    InFrontAgain(&'a str, String),
    /// Somebody stands before the tap, and it cannot pass them.
    Behind(&'a str, String),
    /// Nobody stands before the tap any more.
    NobodyBefore(&'a str),
    /// A role names a user or group that does not exist.
    UnknownRoleMember(&'a str),
    /// A listener that other hosts can reach has neither TLS nor a log-in.
    ListeningWide,
    /// It has a log-in but no TLS.
    ListeningInClear,
    /// It has TLS, but neither a log-in nor client certificates.
    ListeningToAll,
    /// A certificate has expired.
    CertificateOver(&'a Path),
    /// A certificate is not valid yet.
    CertificateEarly(&'a Path),
    /// A name in the roster file looks like an address.
    NameLooksLikeAddress(&'a Path, usize),
    /// The roster file has fewer accounts than an epoch needs.
    SmallCrowd(SmallCrowd),
    /// A part of a roster source cannot be read any more, and why.
    SourceLost(&'a str, &'a str, &'a Unread),
    /// It is read again.
    SourceBack(&'a str, &'a str),
    /// The clock shows a time at which this program cannot run.
    ImplausibleClock(ImplausibleClock),
    /// Another program has a port; metering begins without it.
    PortTaken(&'a str),
    /// It is free by now, and these pages are served.
    PortsBound(&'a [String]),
    /// A file is mounted by itself, and its place outside the mount has another one.
    ReplacedOutside(&'a Path),
    /// The daemon has started, and serves these pages.
    Ready(&'a [String]),
    /// The configuration and the roster were read again.
    Reloaded,
    /// The reload was refused, and why.
    ReloadRefused(&'a str),
    /// So many lines could not be written.
    LinesDropped(u64),
    /// The daemon cannot go on, and why.
    Failed(&'a str),
    /// The daemon is ending.
    Stopping,
    /// The daemon is ending, and another one follows.
    HandingOver,
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LabBuild => out.write_str(
                "LAB BUILD: the privacy floors are lifted; never run this build on a node with users",
            ),
            Self::TapChosen(tap, why) => write!(out, "tap: {tap}: {why}"),
            Self::SandboxMissing(part, why) => {
                write!(out, "sandbox: {} is not in force ({why}): {}", part.as_str(), part.remedy())
            }
            Self::NothingKept(error) => write!(out, "{error}"),
            Self::PinsHidden(folder) => write!(
                out,
                "tap.pin {}: something else is there now, so after a kill the next process does not find what \
                 was counted; stop and start blindmeter, which saves it",
                folder.display()
            ),
            Self::FirstStart => out.write_str(
                "store: first start; the current epoch will not be released; a power cut or kernel crash \
                 loses what was counted since the last save",
            ),
            Self::Resumed => out.write_str("store: resumed; nothing that was counted was lost"),
            Self::ResumedWithoutCounters => out.write_str(
                "store: resumed from the last save; what was counted since is lost, unless the last process \
                 stopped cleanly",
            ),
            Self::LossAccepted => out.write_str(
                "store: loss accepted; totals start from zero, and the current epoch will not be released",
            ),
            Self::SaveFailed(error) => {
                write!(out, "{error}; metering continues, but nothing is released until a save succeeds")
            }
            Self::LastSaveFailed(error) => write!(
                out,
                "{error}; pins on a bpffs keep what was counted since the last save for the next start, but no unit's \
                 descriptor store outlives a stop: use `systemctl restart` while the store fails"
            ),
            Self::SaveRecovered => out.write_str("store: saving works again"),
            Self::FleetTrouble(cluster, why) => {
                write!(out, "fleet: cluster {cluster} {why}; metering goes on, and what waits is sent again")
            }
            Self::FleetRecovered(cluster) => write!(out, "fleet: cluster {cluster} takes what is sent again"),
            Self::MemoryStart => out.write_str(
                "store: memory mode; totals end with this process, and the current epoch will not be \
                 released, since an earlier process may have released it",
            ),
            Self::InterfaceAwaited(name) => write!(out, "interface {name}: not present yet; waiting for it"),
            Self::InterfaceAttached(name) => write!(out, "interface {name}: attached"),
            Self::InterfaceGone(name) => write!(out, "interface {name}: gone; waiting for it"),
            Self::LinkTypeUnsupported(name, number) => write!(
                out,
                "interface {name}: link type {number} is not supported; meter the tunnel device or \
                 an Ethernet device"
            ),
            Self::InterfaceRefused(name, error) => write!(out, "interface {name}: cannot attach: {error}"),
            Self::SocketOpenToAll(path) => write!(
                out,
                "control.socket {}: the file system has no access lists, so that every local user may connect \
                 and delay others; put it on a tmpfs, in a folder that is closed to them",
                path.display()
            ),
            Self::SocketForOwner(path) => write!(
                out,
                "control.socket {}: the file system has no access lists, and this kernel (before 6.16) does not keep \
                 descriptors of strangers out, so that only root and the daemon's user may connect; put it on a tmpfs",
                path.display()
            ),
            Self::DescriptorPassed => write!(
                out,
                "control.socket: a user who has a role passed a file descriptor, which could hold up the daemon, and \
                 is let in no more until the next reload"
            ),
            Self::AssignmentsForgotten(path) => write!(
                out,
                "{}: not in memory, so that a stop forgets what hooks, RADIUS and `roster assign` said; put \
                 control.socket under /run",
                path.display()
            ),
            Self::AssignmentsLost(path, error) => write!(
                out,
                "{}: {error}; what hooks, RADIUS and `roster assign` said is forgotten",
                path.display()
            ),
            Self::DescriptorsShort(name, limit) => write!(
                out,
                "interface {name}: not counted where none of the {limit} descriptors is left for it; raise \
                 LimitNOFILE= in the unit, or ulimit -n"
            ),
            Self::CountedTwice(overlap) => write!(out, "tap.interfaces: {overlap}"),
            Self::AttachedAgain(name) => write!(
                out,
                "interface {name}: other software took the tap off; it is attached again, and what passed \
                 meanwhile is told as lost"
            ),
            Self::InFrontAgain(name, who) => {
                write!(out, "interface {name}: {who} came to stand before the tap; it is in front again")
            }
            Self::Behind(name, who) => write!(
                out,
                "interface {name}: before the tap stands {who}, which may keep packets from it; remove it, or \
                 make sure that it lets every packet pass"
            ),
            Self::NobodyBefore(name) => {
                write!(out, "interface {name}: nothing stands before the tap any more")
            }
            Self::UnknownRoleMember(name) => {
                write!(out, "control.roles: no user or group {name}; create it, or remove it from the list")
            }
            Self::ListeningWide => out.write_str(
                "web.listen: other hosts can reach /metrics without TLS or a log-in; listen on 127.0.0.1, or \
                 set web.config_file",
            ),
            Self::ListeningInClear => out.write_str(
                "web.listen: other hosts can reach /metrics, and passwords are sent unencrypted; add \
                 tls_server_config to web.config_file",
            ),
            Self::ListeningToAll => out.write_str(
                "web.listen: other hosts can reach /metrics with TLS but without a log-in; add \
                 basic_auth_users or client_auth_type to web.config_file",
            ),
            Self::CertificateOver(path) => {
                write!(out, "{}: contains an expired certificate; renew it and reload", path.display())
            }
            Self::CertificateEarly(path) => {
                write!(
                    out,
                    "{}: contains a certificate that is not valid yet; check the host's clock",
                    path.display()
                )
            }
            Self::NameLooksLikeAddress(path, line) => write!(
                out,
                "{} line {line}: the account name looks like an address; rename the account",
                path.display()
            ),
            Self::SmallCrowd(crowd) => write!(out, "{crowd}"),
            Self::SourceLost(source, part, why) => {
                write!(out, "roster: {source} {part}: {why}; {}", why.consequence())
            }
            Self::SourceBack(source, part) => write!(out, "roster: {source} {part}: works again"),
            Self::ImplausibleClock(clock) => write!(out, "{clock}"),
            Self::PortTaken(why) => {
                write!(out, "{why}; counting goes on without it, and it is asked for again every 10 s")
            }
            Self::PortsBound(pages) => {
                write!(out, "every port is the daemon's by now; metrics: {}", pages.join(" "))
            }
            Self::ReplacedOutside(path) => write!(
                out,
                "{}: replaced outside its mount, and the old file is still read; mount its folder instead of the \
                 file, and restart",
                path.display()
            ),
            Self::Ready(pages) => {
                let (metrics, desk): (Vec<&str>, Vec<&str>) =
                    pages.iter().map(String::as_str).partition(|page| page.ends_with("/metrics"));
                let none = if metrics.is_empty() { "none" } else { "" };
                write!(
                    out,
                    "ready: version {}, metrics: {none}{}",
                    env!("CARGO_PKG_VERSION"),
                    metrics.join(" ")
                )?;
                desk.iter().try_for_each(|page| write!(out, ", desk: {page}"))
            }
            Self::Reloaded => out.write_str("reloaded"),
            Self::ReloadRefused(why) => write!(out, "reload refused, keeping the old configuration: {why}"),
            Self::LinesDropped(number) => write!(
                out,
                "log: {number} lines were dropped here, since nothing took them; see what reads this log"
            ),
            Self::Failed(why) => out.write_str(why),
            Self::Stopping => out.write_str("stopping"),
            Self::HandingOver => {
                out.write_str("handing over to the next process; counting continues where it can")
            }
        }
    }
}

/// From now on a thread of its own writes the lines. Not before the process is set up: the kernel tap's
/// helper is forked from one that has one thread.
///
/// # Errors
/// When there is no descriptor or no thread to be had.
pub fn write_apart() -> io::Result<()> {
    let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let writer = Writer::start(output, |number| line(&Event::LinesDropped(number)))?;
    // The daemon starts one, once.
    let _ = WRITER.set(writer);
    Ok(())
}

/// Writes the line of an event, or queues it. If the log cannot be written, metering continues.
pub fn emit(event: &Event<'_>) {
    match WRITER.get() {
        Some(writer) => writer.push(line(event)),
        None => drop(io::stderr().write_all(line(event).as_bytes())),
    }
}

/// Waits until the queued lines are written, but no longer than a reader that has stopped deserves.
pub fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush();
    }
}

/// Writes the one line of a panic, where the log takes it.
pub fn last_line(text: &str) {
    writer::write_last(&io::stderr(), &format!("blindmeter: {text}\n"));
}

fn line(event: &Event<'_>) -> String {
    format!("blindmeter: {event}\n")
}
