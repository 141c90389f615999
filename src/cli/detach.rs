//! `blindmeter detach`: removes what a dead daemon left in the kernel and in memory.
//!
//! This discards what was counted since the last save; a new start would take it over instead.

use super::output;
use crate::config::Locations;
use crate::control::client;
use crate::engine::kept_assignments;
use crate::exit::{ExitError, ExitStatus};
use crate::store::keys;
use crate::tap::kernel::{self, DetachError, KernelError, PinError, Removed};
use crate::tap::memory_file::{self, MemoryFileError};
use serde::Serialize;

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    pins: usize,
    filtered_interfaces: usize,
    links: usize,
    counters_file: bool,
    assignments_file: bool,
}

/// Removes everything a dead daemon left behind.
///
/// # Errors
/// A daemon that is running (69), or missing privileges (77).
pub(super) fn run(left: &Locations, json: bool) -> Result<(), ExitError> {
    if client::server(&left.control_socket).is_some() {
        let path = left.control_socket.display();
        let what = format!("{path}: another daemon counts here; stop it first");
        return Err(ExitError::new(ExitStatus::Unavailable, what));
    }
    let node = keys::binding(&left.node_name);
    let Removed { pins, filtered_interfaces, links } =
        kernel::detach(&left.pin, node).map_err(kernel_error)?;
    let counters_file =
        memory_file::discard(&memory_file::beside(&left.control_socket)).map_err(file_error)?;
    let assignments_file =
        kept_assignments::wipe(&kept_assignments::beside(&left.control_socket)).map_err(|error| {
            let code = if is_permission(&error) { ExitStatus::Permission } else { ExitStatus::Io };
            ExitError::new(code, format!("cannot wipe the file of assignments: {error}"))
        })?;
    let report =
        Report { schema_version: 1, pins, filtered_interfaces, links, counters_file, assignments_file };
    if json {
        return output::json(&report);
    }
    if pins + filtered_interfaces + links == 0 && !counters_file && !assignments_file {
        return output::line("nothing to remove");
    }
    let file = if counters_file { "the counter file" } else { "no counter file" };
    let assignments = if assignments_file { "; what hooks said is wiped" } else { "" };
    output::line(&format!(
        "removed {pins} pins, the filters of {filtered_interfaces} interfaces, {links} links without a pin and \
         {file}; counts since the last save are lost{assignments}"
    ))
}

fn kernel_error(error: DetachError) -> ExitError {
    let code = match &error {
        DetachError::PinStore(PinError::InUse(_)) => ExitStatus::Unavailable,
        DetachError::Kernel(KernelError::PinnedSets) => {
            return ExitError::new(
                ExitStatus::Permission,
                "cannot remove the filters; run `blindmeter detach` as root",
            );
        }
        DetachError::Kernel(KernelError::System(error)) if is_permission(error) => ExitStatus::Permission,
        DetachError::PinStore(PinError::Folder { error, .. }) if is_permission(error) => {
            ExitStatus::Permission
        }
        _ => ExitStatus::Io,
    };
    ExitError::new(code, error.to_string())
}

fn file_error(error: MemoryFileError) -> ExitError {
    let code = match &error {
        MemoryFileError::InUse { .. } => ExitStatus::Unavailable,
        MemoryFileError::Io { error, .. } if is_permission(error) => ExitStatus::Permission,
        _ => ExitStatus::Io,
    };
    ExitError::new(code, error.to_string())
}

fn is_permission(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied
}
