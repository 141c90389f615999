//! Other software of the host at the same hooks: programs of two instructions that give one verdict, and
//! calls of bpf(2) by hand, since Debian 12's tools know no tcx.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::Namespace;

const PROGRAM_LOAD: i32 = 5;
const OBJECT_PIN: i32 = 6;
const OBJECT_GET: i32 = 7;
const LINK_CREATE: i32 = 28;
const LINK_DETACH: i32 = 34;

/// BPF_PROG_TYPE_SCHED_CLS and BPF_PROG_TYPE_XDP.
const CLASSIFIER: u32 = 3;
const XDP: u32 = 6;

/// What a program answers: TC_ACT_UNSPEC or TCX_NEXT, TC_ACT_OK or TCX_PASS; XDP_ABORTED, XDP_DROP, XDP_PASS,
/// XDP_TX.
pub(crate) const GO_ON: i32 = -1;
pub(crate) const OK: i32 = 0;
pub(crate) const XDP_ABORTED: i32 = 0;
pub(crate) const XDP_DROP: i32 = 1;
pub(crate) const XDP_PASS: i32 = 2;
pub(crate) const XDP_TX: i32 = 3;

/// BPF_F_BEFORE.
const FIRST: u32 = 1 << 3;

/// A program of somebody else's.
pub(crate) struct Foreign(OwnedFd);

impl Foreign {
    /// One for the hooks of tc, which gives this verdict for every packet.
    pub(crate) fn classifier(verdict: i32) -> Self {
        Self::load(CLASSIFIER, verdict)
    }

    /// One for XDP.
    pub(crate) fn xdp(verdict: i32) -> Self {
        Self::load(XDP, verdict)
    }

    fn load(kind: u32, verdict: i32) -> Self {
        // r0 = verdict; exit.
        let immediate = u64::from(verdict.cast_unsigned()) << 32;
        let code: [u64; 2] = [immediate | 0xb7, 0x95];
        let license = c"GPL";
        let [code_low, code_high] = halves(code.as_ptr().cast());
        let [license_low, license_high] = halves(license.as_ptr().cast());
        let words = [kind, 2, code_low, code_high, license_low, license_high, 0, 0, 0, 0, 0, 0];
        Self(owned(bpf(PROGRAM_LOAD, &words).expect("two instructions are a program")))
    }

    /// Gives it a name on a bpffs, for the tools.
    pub(crate) fn pin(&self, path: &Path) {
        let text = CString::new(path.to_str().expect("text")).expect("no NUL");
        let [low, high] = halves(text.as_ptr().cast());
        bpf(OBJECT_PIN, &[low, high, self.0.as_raw_fd().cast_unsigned(), 0]).expect("a bpffs is there");
    }

    /// Links it at a device's tcx hook, in front of all or behind; it stays as long as the descriptor.
    pub(crate) fn link(&self, namespace: &Namespace, device: &str, ingress: bool, first: bool) -> OwnedFd {
        let (program, device) = (self.0.as_raw_fd().cast_unsigned(), device.to_owned());
        let made = namespace.run(move || {
            let index = nix::net::if_::if_nametoindex(device.as_str())?;
            let (hook, place) = (if ingress { 46 } else { 47 }, if first { FIRST } else { 0 });
            bpf(LINK_CREATE, &[program, index, hook, place, 0, 0, 0, 0])
        });
        owned(made.expect("a link can be made"))
    }
}

/// Takes the program of a pinned link off its interface, as root may with anybody's.
pub(crate) fn detach_link(pin: &Path) {
    let text = CString::new(pin.to_str().expect("text")).expect("no NUL");
    let [low, high] = halves(text.as_ptr().cast());
    let link = owned(bpf(OBJECT_GET, &[low, high, 0, 0]).expect("it is pinned"));
    bpf(LINK_DETACH, &[link.as_raw_fd().cast_unsigned()]).expect("root may");
}

fn bpf(command: i32, words: &[u32]) -> io::Result<i32> {
    // SAFETY: pointer and length describe `words`, and what these commands read lives as long as the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_ptr(), size_of_val(words)) };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}

fn owned(descriptor: i32) -> OwnedFd {
    // SAFETY: the kernel just made it for us.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

fn halves(pointer: *const u8) -> [u32; 2] {
    let address = pointer.expose_provenance() as u64;
    [(address & 0xffff_ffff) as u32, (address >> 32) as u32]
}
