//! Runs the kernel's program on a packet of ours: BPF_PROG_TEST_RUN.
//!
//! Source: bpf(2); include/uapi/linux/bpf.h (union bpf_attr, struct __sk_buff); net/bpf/test_run.c.
#![expect(unsafe_code, reason = "bpf(2)")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const PROG_TEST_RUN: libc::c_int = 10;

/// Where `gso_size` lies in struct __sk_buff, and the length of that struct.
const GSO_SIZE: usize = 176;
const CONTEXT: usize = 192;

/// Whether the kernel takes a packet for a run: an Ethernet header at least; and it reads every
/// packet as Ethernet, and refuses IP whose fixed header is not there whole. (Behind a VLAN tag and
/// on bare IP the same short packets are taken.)
pub(crate) fn is_taken(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        None => false,
        Some([0x08, 0x00]) => frame.len() >= 34,
        Some([0x86, 0xdd]) => frame.len() >= 54,
        Some(_) => true,
    }
}

/// struct of BPF_PROG_TEST_RUN in union bpf_attr.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    program: u32,
    verdict: u32,
    data_in_bytes: u32,
    data_out_bytes: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_in_bytes: u32,
    context_out_bytes: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    /// The kernel wants zeros up to the end.
    rest: u32,
}

/// Runs a program on a frame, `repeat` times; the verdict, and the mean time of a run in nanoseconds.
pub(crate) fn test_run(
    program: BorrowedFd<'_>,
    frame: &[u8],
    gso_size: u16,
    repeat: u32,
) -> io::Result<(i32, u32)> {
    let mut context = [0_u8; CONTEXT];
    context[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&u32::from(gso_size).to_ne_bytes());
    let mut attributes = Attributes {
        program: program.as_raw_fd().cast_unsigned(),
        data_in_bytes: u32::try_from(frame.len()).map_err(io::Error::other)?,
        data_in: frame.as_ptr().expose_provenance() as u64,
        repeat,
        context_in_bytes: u32::try_from(CONTEXT).expect("a small struct"),
        context_in: context.as_ptr().expose_provenance() as u64,
        ..Attributes::default()
    };
    // SAFETY: the pointers and lengths describe buffers that outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, PROG_TEST_RUN, &raw mut attributes, size_of::<Attributes>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((attributes.verdict.cast_signed(), attributes.duration))
}
