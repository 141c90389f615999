//! The bpf(2) calls that make maps and programs.
//!
//! Holds nothing; what to make is the caller's. Needs CAP_BPF, for programs CAP_NET_ADMIN as well.
//!
//! # Source
//! bpf(2); include/uapi/linux/bpf.h (union bpf_attr), kernel/bpf/syscall.c.

use super::sys::{MAP_UPDATE, bpf, halves, owned, word};
use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

const MAP_CREATE: i32 = 0;
const PROGRAM_LOAD: i32 = 5;
const MAP_FREEZE: i32 = 22;

/// BPF_PROG_TYPE_SCHED_CLS.
const CLASSIFIER: u32 = 3;

/// Bytes of a name, the zero at its end included, and of the verifier's log.
const NAME_BYTES: usize = 16;
const LOG_BYTES: usize = 1 << 16;

/// BPF_LOG_STATS: the verifier says why it refuses and what it took, and not each step, of which there may be a
/// million. So the log has room for all, without which older kernels refuse.
const LOG_STATISTICS: u32 = 1 << 2;

/// What a map is to be.
pub(super) struct MapShape {
    pub(super) kind: u32,
    pub(super) key_bytes: u32,
    pub(super) value_bytes: u32,
    pub(super) entries: u32,
    pub(super) flags: u32,
}

/// Makes a map, which tools show under this name.
pub(super) fn map(name: &str, shape: &MapShape) -> io::Result<OwnedFd> {
    let MapShape { kind, key_bytes, value_bytes, entries, flags } = *shape;
    let mut attributes = vec![kind, key_bytes, value_bytes, entries, flags, 0, 0];
    attributes.extend(name_words(name));
    bpf(MAP_CREATE, &attributes).map(owned)
}

/// Writes the only value of a map, which from then on nobody changes: the verifier takes its words for
/// constants.
pub(super) fn constants(map: &OwnedFd, value: &[u8]) -> io::Result<()> {
    let key = [0; 4];
    let [key_low, key_high] = halves(key.as_ptr());
    let [value_low, value_high] = halves(value.as_ptr());
    bpf(MAP_UPDATE, &[word(map), 0, key_low, key_high, value_low, value_high, 0, 0])?;
    bpf(MAP_FREEZE, &[word(map)]).map(drop)
}

/// Loads a classifier. An error is what the kernel says, and the last that its verifier says.
pub(super) fn program(
    name: &str,
    instructions: &[[u8; 8]],
    license: &CStr,
) -> Result<OwnedFd, (io::Error, String)> {
    let mut log = vec![0; LOG_BYTES];
    load(name, instructions, license, &mut log).map_err(|error| (error, last_words(&log)))
}

fn load(name: &str, instructions: &[[u8; 8]], license: &CStr, log: &mut [u8]) -> io::Result<OwnedFd> {
    let [code_low, code_high] = halves(instructions.as_ptr().cast());
    let [license_low, license_high] = halves(license.as_ptr().cast());
    let [log_low, log_high] = halves(log.as_mut_ptr());
    let count = u32::try_from(instructions.len()).map_err(io::Error::other)?;
    let log_bytes = u32::try_from(log.len()).map_err(io::Error::other)?;
    let mut attributes = vec![CLASSIFIER, count, code_low, code_high, license_low, license_high];
    attributes.extend([LOG_STATISTICS, log_bytes, log_low, log_high, 0, 0]);
    attributes.extend(name_words(name));
    bpf(PROGRAM_LOAD, &attributes).map(owned)
}

fn name_words(name: &str) -> [u32; NAME_BYTES / 4] {
    let mut bytes = [0; NAME_BYTES];
    for (to, from) in bytes[..NAME_BYTES - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|at| u32::from_ne_bytes(words[at]))
}

/// What the verifier's log says of its work behind all else.
const STATISTICS: [&str; 3] = ["verification time ", "stack depth ", "processed "];

/// The last line of the verifier's log before its statistics.
fn last_words(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let says = |line: &&str| !line.is_empty() && !STATISTICS.iter().any(|word| line.starts_with(word));
    text.lines().rfind(says).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_ends_with_the_reason() {
        let log =
            b"R3 unbounded memory access\nverification time 9 usec\nstack depth 0+8\nprocessed 12 insns\n\0\0\0";
        assert_eq!(last_words(log), "R3 unbounded memory access");
        assert_eq!(last_words(&[0; 8]), "");
    }

    #[test]
    fn a_refusal_has_its_reason() {
        // "Exit", before which register 0 holds nothing.
        let exit = [0x95, 0, 0, 0, 0, 0, 0, 0];
        let (_, why) = program("refused", &[exit], c"GPL").expect_err("no kernel takes it");
        assert_eq!(why, "R0 !read_ok");
    }
}
