//! What the bench asks of bpf(2): attach a program, count its runs, and say how long they took.
//!
//! Source: include/uapi/linux/bpf.h (union bpf_attr, struct bpf_prog_info); kernel/bpf/syscall.c.
#![expect(unsafe_code, reason = "bpf(2)")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const OBJECT_INFO_BY_DESCRIPTOR: i64 = 15;
const LINK_CREATE: i64 = 28;
const ENABLE_STATISTICS: i64 = 32;

/// Where a program is attached: BPF_TCX_INGRESS and BPF_TCX_EGRESS.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    In = 46,
    Out = 47,
}

/// Words of struct bpf_prog_info up to `run_cnt`, and where in it the figures lie.
const INFO_WORDS: usize = 26;
const CODE_BYTES: usize = 2;
const RUN_TIME: usize = 24;
const RUN_COUNT: usize = 25;

/// What the kernel counted of a program.
#[derive(Clone, Copy, Default)]
pub(crate) struct Runs {
    pub(crate) nanoseconds: u64,
    pub(crate) count: u64,
    /// Bytes of machine code.
    pub(crate) code_bytes: u64,
}

impl Runs {
    pub(crate) fn since(self, earlier: Self) -> Self {
        let nanoseconds = self.nanoseconds - earlier.nanoseconds;
        Self { nanoseconds, count: self.count - earlier.count, ..self }
    }

    /// Nanoseconds a run.
    pub(crate) fn mean(self) -> f64 {
        self.nanoseconds as f64 / self.count as f64
    }
}

/// Has the kernel take the time of every run, until the descriptor is closed. Needs CAP_SYS_ADMIN.
pub(crate) fn take_run_times() -> io::Result<OwnedFd> {
    descriptor(ENABLE_STATISTICS, &[0; 4])
}

/// Attaches a program to a device, until the descriptor is closed.
pub(crate) fn attach(program: &impl AsFd, index: i32, way: Way) -> io::Result<OwnedFd> {
    descriptor(LINK_CREATE, &[word(program), index.cast_unsigned(), way as u32, 0, 0, 0, 0, 0])
}

/// What the kernel counted of a program so far.
pub(crate) fn runs(program: &impl AsFd) -> io::Result<Runs> {
    let mut info = [0_u64; INFO_WORDS];
    let [low, high] = halves(info.as_mut_ptr().expose_provenance() as u64);
    let length = u32::try_from(size_of_val(&info)).expect("a small struct");
    call(OBJECT_INFO_BY_DESCRIPTOR, &[word(program), length, low, high])?;
    let info = std::hint::black_box(info);
    let code_bytes = info[CODE_BYTES] & u64::from(u32::MAX);
    Ok(Runs { nanoseconds: info[RUN_TIME], count: info[RUN_COUNT], code_bytes })
}

fn descriptor(command: i64, attributes: &[u32]) -> io::Result<OwnedFd> {
    let descriptor = call(command, attributes)?;
    // SAFETY: the kernel made it for this call, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn call(command: i64, attributes: &[u32]) -> io::Result<i32> {
    // SAFETY: pointer and length describe `attributes`; what a command writes through them lies in a
    // buffer of the caller, of the length that it names, which outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}

fn word(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

fn halves(pointer: u64) -> [u32; 2] {
    let bytes = pointer.to_ne_bytes();
    let half = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [half(0), half(4)]
}
