//! What it means for the command when a part of the meter cannot start: the exit code and its line.

use super::checkpoint::CheckpointError;
use crate::exit::{ExitError, ExitStatus};
use crate::tap::TapError;
use crate::tap::kernel::KernelError;

/// What a store that cannot be opened or written means for the command.
pub(super) fn checkpoint_error(error: CheckpointError) -> ExitError {
    let code = match &error {
        CheckpointError::Store(store) if store.is_disk() => ExitStatus::Io,
        _ => ExitStatus::Config,
    };
    ExitError::new(code, error.to_string())
}

/// What a tap that cannot start means for the command.
pub(super) fn tap_error(error: TapError) -> ExitError {
    let code = match &error {
        TapError::Permission(_) | TapError::Kernel(KernelError::Capabilities) => ExitStatus::Permission,
        TapError::Kernel(error) if error.is_in_the_way() => ExitStatus::Config,
        TapError::Kernel(KernelError::Tcx(..) | KernelError::OneForAllInterfaces) => ExitStatus::Config,
        TapError::Kernel(_) | TapError::Failed(..) => ExitStatus::Io,
    };
    ExitError::new(code, error.to_string())
}
