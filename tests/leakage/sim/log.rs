//! The log of simulated nodes: standard error of one thread and of those that it starts, in memory.
//!
//! The daemon writes its log to descriptor 2. A thread that does not share its table of descriptors
//! any more may put another file there, and no other thread of the process notices.

use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::dup2_stderr;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What was logged, and how far it was read.
pub(crate) struct Log {
    file: File,
    read_bytes: u64,
}

impl Log {
    /// Takes over the standard error of the calling thread, for good.
    pub(crate) fn divert() -> Self {
        unshare(CloneFlags::CLONE_FILES).expect("a thread may have descriptors of its own");
        let file = memfd_create("log", MFdFlags::MFD_CLOEXEC).expect("a file in memory");
        dup2_stderr(&file).expect("descriptor 2 can be replaced");
        Self { file: File::from(file), read_bytes: 0 }
    }

    /// Appends what was logged since the last call.
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) {
        let mut bytes = [0; 512];
        loop {
            let count = self.file.read_at(&mut bytes, self.read_bytes).expect("memory can be read");
            if count == 0 {
                return;
            }
            into.extend_from_slice(&bytes[..count]);
            self.read_bytes += count as u64;
        }
    }
}
