//! Everything the daemon ever logs: a closed list of events, one line each on standard error.
//!
//! No free text, no time stamps, no address, no account, nothing that traffic causes. Whoever
//! wants a new line adds a variant here, where a reviewer sees it.

use crate::store::StoreError;
use crate::system::sandbox::Restriction;
use crate::tap::kernel::PinError;
use std::fmt;
use std::io::Write;
use std::path::Path;

/// One thing that is worth a line.
pub enum Event<'a> {
    /// A build whose floors are lifted.
    LabBuild,
    /// Which tap was taken and why.
    TapChosen(&'static str, &'a str),
    /// What the kernel tap counts ends with the process.
    NothingKept(&'a PinError),
    /// A part of the sandbox is not in force.
    SandboxMissing(Restriction, &'a str),
    /// Nothing is kept at rest: the running epoch will not be released.
    MemoryStart,
    /// Nothing was ever kept here: the running epoch will not be released.
    FirstStart,
    /// The state of the last save is there, and all that was counted since.
    Resumed,
    /// The state of the last save is there; what was counted since is not.
    ResumedWithoutCounters,
    /// What was kept is lost, and the operator accepted it.
    LossAccepted,
    /// The state cannot be saved.
    SaveFailed(&'a StoreError),
    /// It can be saved again.
    SaveRecovered,
    /// An interface that is named is not there yet.
    InterfaceAwaited(&'a str),
    /// An interface that is named was attached.
    InterfaceAttached(&'a str),
    /// An interface that is named is gone.
    InterfaceGone(&'a str),
    /// The link type of an interface, or of one that the glob matches, is not supported.
    LinkTypeUnsupported(&'a str, u16),
    /// The kernel refused to attach.
    InterfaceRefused(&'a str, &'a std::io::Error),
    /// A role names a user or group that does not exist.
    UnknownRoleMember(&'a str),
    /// A listener that others can reach has no TLS and no log-in.
    ListeningWide,
    /// The same with a log-in and no TLS.
    ListeningInClear,
    /// The same with TLS, and with neither log-in nor client certificates.
    ListeningToAll,
    /// A certificate whose time is over.
    CertificateOver(&'a Path),
    /// A certificate whose time has not come yet.
    CertificateEarly(&'a Path),
    /// A name in the roster file looks like an address.
    NameLooksLikeAddress(&'a Path, usize),
    /// The last line of a start.
    Ready,
    /// The configuration and the roster were read again.
    Reloaded,
    /// They were not.
    ReloadRefused(&'a str),
    /// The daemon ends.
    Stopping,
    /// The daemon ends, and another one follows.
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
                write!(out, "sandbox: {} is not in force ({why}): {}", part.word(), part.remedy())
            }
            Self::NothingKept(error) => write!(out, "{error}"),
            Self::FirstStart => out.write_str(
                "store: first start; the running epoch is not released. A power cut or kernel crash loses \
                 what was counted since the last save",
            ),
            Self::Resumed => out.write_str("store: resumed; nothing that was counted is lost"),
            Self::ResumedWithoutCounters => out.write_str(
                "store: resumed from the last save; what was counted since is lost if the last process did \
                 not stop by itself",
            ),
            Self::LossAccepted => out
                .write_str("store: loss accepted; totals begin anew, and the running epoch is not released"),
            Self::SaveFailed(error) => {
                write!(out, "{error}; metering goes on, nothing is released meanwhile")
            }
            Self::SaveRecovered => out.write_str("store: saved again"),
            Self::MemoryStart => out.write_str(
                "store: memory: totals end with this process; the running epoch is not released, \
                 since an earlier process may have released it",
            ),
            Self::InterfaceAwaited(name) => write!(out, "interface {name}: not there yet, waiting for it"),
            Self::InterfaceAttached(name) => write!(out, "interface {name}: attached"),
            Self::InterfaceGone(name) => write!(out, "interface {name}: gone, waiting for it"),
            Self::LinkTypeUnsupported(name, number) => write!(
                out,
                "interface {name}: link type {number} is not supported; meter the tunnel device or \
                 an Ethernet device"
            ),
            Self::InterfaceRefused(name, error) => write!(out, "interface {name}: cannot attach: {error}"),
            Self::UnknownRoleMember(name) => {
                write!(out, "control.roles: no user or group {name}; create it, or remove it from the list")
            }
            Self::ListeningWide => out.write_str(
                "web.listen: others can reach this address, without TLS or log-in; listen on 127.0.0.1, or \
                 name a web.config_file",
            ),
            Self::ListeningInClear => out.write_str(
                "web.listen: others can reach this address, and passwords pass in clear; add \
                 tls_server_config to web.config_file",
            ),
            Self::ListeningToAll => out.write_str(
                "web.listen: others can reach this address, with TLS and without log-in; add \
                 basic_auth_users or client_auth_type to web.config_file",
            ),
            Self::CertificateOver(path) => {
                write!(out, "{}: a certificate in it has expired; renew it and reload", path.display())
            }
            Self::CertificateEarly(path) => {
                write!(
                    out,
                    "{}: a certificate in it is not valid yet; look at this host's clock",
                    path.display()
                )
            }
            Self::NameLooksLikeAddress(path, line) => write!(
                out,
                "{} line {line}: the account name looks like an address; name accounts otherwise",
                path.display()
            ),
            Self::Ready => out.write_str("ready"),
            Self::Reloaded => out.write_str("reloaded"),
            Self::ReloadRefused(why) => write!(out, "reload refused, the old configuration stays: {why}"),
            Self::Stopping => out.write_str("stopping"),
            Self::HandingOver => out.write_str("handing over to the next start; what can count on does"),
        }
    }
}

/// Writes the line of an event. A log that cannot be written ends nothing: metering goes on.
pub fn emit(event: &Event<'_>) {
    let _ = writeln!(std::io::stderr(), "blindmeter: {event}");
}
