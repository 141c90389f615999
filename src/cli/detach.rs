//! `blindmeter detach`: takes what a dead daemon left out of the kernel and out of memory.
//!
//! What was counted since the last save goes with it: a start that adopts it loses nothing, this does.

use super::output;
use crate::config::Places;
use crate::exit::{ExitError, ExitStatus};
use crate::tap::kernel::{self, DetachError, KernelError, PinError};
use crate::tap::memory_file::{self, MemoryFileError};
use serde::Serialize;

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    pins: usize,
    filtered_interfaces: usize,
    counters_file: bool,
}

/// Removes everything that a dead daemon left.
///
/// # Errors
/// A daemon that lives (69), or privileges that are missing (77).
pub(super) fn run(places: &Places, json: bool) -> Result<(), ExitError> {
    let (pins, filtered_interfaces) = kernel::detach(&places.pin).map_err(kernel_failure)?;
    let counters_file =
        memory_file::discard(&memory_file::beside(&places.control_socket)).map_err(file_failure)?;
    let report = Report { schema_version: 1, pins, filtered_interfaces, counters_file };
    if json {
        return output::json(&report);
    }
    if pins == 0 && filtered_interfaces == 0 && !counters_file {
        return output::line("nothing was left");
    }
    let file = if counters_file { "the file of counters" } else { "no file of counters" };
    output::line(&format!(
        "removed {pins} pins, the filters of {filtered_interfaces} interfaces, and {file}; what was counted \
         since the last save is lost"
    ))
}

fn kernel_failure(error: DetachError) -> ExitError {
    let code = match &error {
        DetachError::PinStore(PinError::InUse(_)) => ExitStatus::Unavailable,
        DetachError::Kernel(KernelError::PinnedSets) => {
            return ExitError::new(
                ExitStatus::Permission,
                "the filters cannot be taken off; run `detach` as root",
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

fn file_failure(error: MemoryFileError) -> ExitError {
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
