//! Which tap to take, why one cannot start, and which interfaces it would be attached to.

use super::interfaces;
use super::kernel::{self, Attacher, Kernel, KernelError};
use super::ring::Ring;
use super::{Hardware, TapKind};
use crate::config::{Backend, Hook};
use std::io;

/// Why a tap cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The process may not open packet sockets.
    #[error(
        "no permission to open a packet socket: the {0} tap needs CAP_NET_RAW; run as root, or \
         grant it with AmbientCapabilities=CAP_NET_RAW in the unit"
    )]
    Permission(&'static str),
    /// The kernel tap was asked for and does not work here.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Something else failed.
    #[error("cannot start the {0} tap: {1}")]
    Failed(&'static str, io::Error),
}

/// A tap that works here, attached to nothing yet.
pub enum Chosen {
    /// The program is loaded, and the helper that attaches it runs.
    Kernel(Box<Kernel>, Attacher),
    /// Packet sockets may be opened, and the kernel has rings.
    Ring,
    /// Packet sockets may be opened.
    Pnet,
}

impl Chosen {
    /// Which tap it is.
    #[must_use]
    pub const fn kind(&self) -> TapKind {
        match self {
            Self::Kernel(..) => TapKind::Kernel,
            Self::Ring => TapKind::Ring,
            Self::Pnet => TapKind::Pnet,
        }
    }
}

/// Takes the best tap that the privileges and the kernel allow, and says why. Must be called while
/// the process has one thread: the kernel tap's helper is forked from it.
///
/// # Errors
/// When no tap is allowed, or the tap that was asked for does not work here.
pub fn choose(
    backend: Backend,
    hook: Option<Hook>,
    load: impl FnOnce(Hook) -> Result<Kernel, KernelError>,
) -> Result<(Chosen, String), TapError> {
    let load = || {
        let hook = kernel::hook(hook)?;
        let mut kernel = load(hook)?;
        let attacher = kernel.attacher(hook).map_err(KernelError::System)?;
        Ok((Chosen::Kernel(Box::new(kernel), attacher), hook.as_str()))
    };
    match backend {
        Backend::Kernel => {
            let (chosen, hook) = load().map_err(TapError::Kernel)?;
            Ok((chosen, format!("as configured; attached by {hook}")))
        }
        Backend::Ring => ring("as configured".to_owned()),
        Backend::Pnet => {
            may_open_packet_sockets(TapKind::Pnet)?;
            Ok((Chosen::Pnet, "as configured; it copies whole packets, the ring does not".to_owned()))
        }
        Backend::Auto => match load() {
            Ok((chosen, hook)) => Ok((chosen, format!("the best there is; attached by {hook}"))),
            Err(error) if error.is_in_the_way() => Err(error.into()),
            Err(error) if Ring::probe().is_ok() => ring(error.to_string()),
            Err(error) => {
                may_open_packet_sockets(TapKind::Ring)?;
                Ok((Chosen::Pnet, format!("no packet rings with segment sizes here, and {error}")))
            }
        },
    }
}

fn ring(why: String) -> Result<(Chosen, String), TapError> {
    may_open_packet_sockets(TapKind::Ring)?;
    Ring::probe().map_err(|error| TapError::Failed(TapKind::Ring.word(), error))?;
    Ok((Chosen::Ring, why))
}

fn may_open_packet_sockets(kind: TapKind) -> Result<(), TapError> {
    match super::socket::open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(TapError::Permission(kind.word()))
        }
        Err(error) => Err(TapError::Failed(kind.word(), error)),
        Ok(_) => Ok(()),
    }
}

/// The interfaces there are, with the number of their link type and whether it can be metered; for
/// `run --dry-run`.
///
/// # Errors
/// When the kernel does not list the interfaces.
pub fn survey() -> io::Result<Vec<(String, u16, bool)>> {
    let links = interfaces::list()?.into_iter();
    Ok(links.map(|link| (link.name, link.hardware, Hardware::of_number(link.hardware).is_some())).collect())
}
