//! Which tap to take, why one cannot start, and which interfaces it would be attached to.

use super::links;
use super::ring::Ring;
use super::{Hardware, TapKind};
use crate::config::{Backend, Pattern};
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
    /// Something else failed.
    #[error("cannot start the {0} tap: {1}")]
    Failed(&'static str, io::Error),
}

/// Takes the best tap that the privileges and the kernel allow, and says why.
///
/// # Errors
/// When packet sockets may not be opened, or the tap that was asked for does not work here.
pub fn choose(backend: Backend) -> Result<(TapKind, &'static str), TapError> {
    let permitted = |kind: TapKind| match super::socket::open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(TapError::Permission(kind.word()))
        }
        Err(error) => Err(TapError::Failed(kind.word(), error)),
        Ok(_) => Ok(()),
    };
    match backend {
        Backend::Pnet => {
            permitted(TapKind::Pnet)?;
            Ok((TapKind::Pnet, "as configured; it copies whole packets, the ring does not"))
        }
        Backend::Ring => {
            permitted(TapKind::Ring)?;
            Ring::probe().map_err(|error| TapError::Failed(TapKind::Ring.word(), error))?;
            Ok((TapKind::Ring, "as configured"))
        }
        Backend::Auto => {
            permitted(TapKind::Ring)?;
            if Ring::probe().is_ok() {
                Ok((
                    TapKind::Ring,
                    "the best of this version; CAP_NET_RAW is there, the kernel has packet rings",
                ))
            } else {
                Ok((TapKind::Pnet, "this kernel refuses packet rings with segment sizes"))
            }
        }
    }
}

/// The interfaces there are that match, with the number of their link type and whether it can be
/// metered; for `run --dry-run`.
///
/// # Errors
/// When the kernel does not list the interfaces.
pub fn survey(patterns: &[Pattern]) -> io::Result<Vec<(String, u16, bool)>> {
    let wanted = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let links = links::list()?.into_iter().filter(|link| wanted(&link.name));
    Ok(links.map(|link| (link.name, link.hardware, Hardware::of_number(link.hardware).is_some())).collect())
}
