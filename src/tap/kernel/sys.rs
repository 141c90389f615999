//! The bpf(2) calls of this tap that go by descriptor, path and interface index.
//!
//! [`making`](super::making) makes maps and programs; attaching by index (a name may have gone to another interface by then),
//! changing a map after all capabilities are gone, and finding again what an earlier process left
//! are done here.
//!
//! # Source
//! bpf(2); include/uapi/linux/bpf.h (union bpf_attr, struct bpf_link_info, struct bpf_prog_info),
//! kernel/bpf/syscall.c, kernel/bpf/tcx.c; membarrier(2).
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper that reaches these calls")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const MAP_LOOKUP: i32 = 1;
pub(super) const MAP_UPDATE: i32 = 2;
const MAP_DELETE: i32 = 3;
const MAP_NEXT_KEY: i32 = 4;
const OBJECT_PIN: i32 = 6;
const OBJECT_GET: i32 = 7;
const PROGRAM_BY_ID: i32 = 13;
const MAP_BY_ID: i32 = 14;
const OBJECT_INFO: i32 = 15;
const PROGRAM_QUERY: i32 = 16;
const LINK_CREATE: i32 = 28;
const LINK_UPDATE: i32 = 29;
const LINK_BY_ID: i32 = 30;
const LINK_DETACH: i32 = 34;

/// BPF_ANY and BPF_NOEXIST.
const NEW_OR_NOT: u32 = 0;
const ONLY_NEW: u32 = 1;

/// BPF_F_BEFORE, which without another program means first of all.
const FIRST: u32 = 1 << 3;

/// BPF_TCX_INGRESS and BPF_TCX_EGRESS.
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;

/// Words of struct bpf_link_info and struct bpf_prog_info that are asked for, and the places of a
/// program's id in them: of the program itself, and of a link's program.
const INFO_WORDS: usize = 6;
const PROGRAM_ID: usize = 1;
const LINK_PROGRAM_ID: usize = 2;
const LINK_INTERFACE: usize = 4;

/// Makes a call; where a command writes through pointers in its attributes, they are the caller's.
pub(super) fn bpf(command: i32, attributes: &[u32]) -> io::Result<i32> {
    // SAFETY: the pointer and length describe `attributes`, which outlives the call; where a
    // command writes through them, the caller has said where.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}

/// The descriptor that a call has just made.
pub(super) fn owned(result: i32) -> OwnedFd {
    // SAFETY: the descriptor was just made and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(result) }
}

/// A descriptor as a word of the attributes.
pub(super) fn word(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

/// A pointer as two words of the attributes.
pub(super) fn halves(pointer: *const u8) -> [u32; 2] {
    let bytes = (pointer.expose_provenance() as u64).to_ne_bytes();
    let half = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [half(0), half(4)]
}

/// Sets the value of a key; true when the key is new. Needs no capability since Linux 5.19.
pub(super) fn update(map: &OwnedFd, key: &[u8], value: &[u8]) -> io::Result<bool> {
    let [key_low, key_high] = halves(key.as_ptr());
    let [value_low, value_high] = halves(value.as_ptr());
    let set = |how: u32| bpf(MAP_UPDATE, &[word(map), 0, key_low, key_high, value_low, value_high, how, 0]);
    match set(ONLY_NEW) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => set(NEW_OR_NOT).map(|_| false),
        result => result.map(|_| true),
    }
}

/// Removes a key; true when it was there.
pub(super) fn delete(map: &OwnedFd, key: &[u8]) -> io::Result<bool> {
    let [key_low, key_high] = halves(key.as_ptr());
    match bpf(MAP_DELETE, &[word(map), 0, key_low, key_high, 0, 0, 0, 0]) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        result => result.map(|_| true),
    }
}

/// The value of a key; none where the map does not hold it. Values have eight bytes in all maps that
/// are asked.
pub(super) fn value(map: &OwnedFd, key: &[u8]) -> Option<[u8; 8]> {
    let value = AtomicU64::new(0);
    let [key_low, key_high] = halves(key.as_ptr());
    let [value_low, value_high] = halves(value.as_ptr().cast_const().cast());
    let found = bpf(MAP_LOOKUP, &[word(map), 0, key_low, key_high, value_low, value_high, 0, 0]).is_ok();
    // Relaxed: the kernel has written it before the call returned.
    found.then(|| value.load(Ordering::Relaxed).to_ne_bytes())
}

/// The key after this one, or the first; none at the end.
pub(super) fn next_key(map: &OwnedFd, key: Option<&[u8]>, bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut next = vec![0; bytes];
    let [key_low, key_high] = key.map_or([0, 0], |key| halves(key.as_ptr()));
    let [next_low, next_high] = halves(next.as_mut_ptr());
    match bpf(MAP_NEXT_KEY, &[word(map), 0, key_low, key_high, next_low, next_high]) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        result => result.map(|_| Some(next)),
    }
}

/// Attaches a program to an interface's tcx hook; it stays until the link is closed everywhere.
///
/// In front of others in both directions: one that ends the chain would hide packets from it.
/// Needs CAP_BPF and CAP_NET_ADMIN.
pub(super) fn tcx(program: &impl AsFd, index: u32, ingress: bool) -> io::Result<OwnedFd> {
    let hook = if ingress { TCX_INGRESS } else { TCX_EGRESS };
    bpf(LINK_CREATE, &[word(program), index, hook, FIRST, 0, 0, 0, 0]).map(owned)
}

/// Puts another program in the place of a link's, between two packets.
pub(super) fn exchange(link: &impl AsFd, program: &impl AsFd) -> io::Result<()> {
    bpf(LINK_UPDATE, &[word(link), word(program), 0, 0]).map(drop)
}

/// Takes a link's program off its interface at once, whoever else holds the link.
pub(super) fn detach(link: &impl AsFd) -> io::Result<()> {
    bpf(LINK_DETACH, &[word(link)]).map(drop)
}

/// Waits until no processor runs a program that was exchanged before: what it counted is final.
pub(super) fn wait_for_running_programs() -> io::Result<()> {
    const GLOBAL: i32 = 1;
    // SAFETY: takes numbers only; waits for a grace period of RCU, under which programs run.
    match unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn info(object: &impl AsFd) -> io::Result<[u32; INFO_WORDS]> {
    let mut words = [0_u32; INFO_WORDS];
    let [low, high] = halves(words.as_mut_ptr().cast());
    let bytes = u32::try_from(size_of_val(&words)).map_err(io::Error::other)?;
    bpf(OBJECT_INFO, &[word(object), bytes, low, high]).map(|_| words)
}

/// The id of a program.
pub(super) fn program_id(program: &impl AsFd) -> io::Result<u32> {
    Ok(info(program)?[PROGRAM_ID])
}

/// The id of a link's program, and the interface's index: 0 when that interface is gone.
pub(super) fn link_target(link: &impl AsFd) -> io::Result<(u32, u32)> {
    let words = info(link)?;
    Ok((words[LINK_PROGRAM_ID], words[LINK_INTERFACE]))
}

/// A program, as far as it is asked for: its name, of fifteen letters at most, and its maps' numbers.
pub(super) struct ProgramInfo {
    pub(super) name: String,
    pub(super) maps: Vec<u32>,
}

/// A map's name, and how many bytes its values take.
pub(super) struct MapInfo {
    pub(super) name: String,
    pub(super) bytes: usize,
}

/// Programs that a hook holds at most (BPF_MPROG_MAX).
const PROGRAMS_AT_A_HOOK: usize = 64;

/// Maps of a program that are looked at: ours have eleven.
const MAPS_OF_A_PROGRAM: usize = 64;

/// The numbers of the programs at an interface's tcx hook, in the order in which they see a packet, each
/// with its link's; 0 for a program without a link. Needs CAP_NET_ADMIN.
pub(super) fn programs_at(index: u32, ingress: bool) -> io::Result<Vec<(u32, u32)>> {
    let programs = [const { AtomicU32::new(0) }; PROGRAMS_AT_A_HOOK];
    let links = [const { AtomicU32::new(0) }; PROGRAMS_AT_A_HOOK];
    let hook = if ingress { TCX_INGRESS } else { TCX_EGRESS };
    let [programs_low, programs_high] = halves(programs.as_ptr().cast());
    let [links_low, links_high] = halves(links.as_ptr().cast());
    let room = u32::try_from(PROGRAMS_AT_A_HOOK).map_err(io::Error::other)?;
    let words =
        [index, hook, 0, 0, programs_low, programs_high, room, 0, 0, 0, links_low, links_high, 0, 0, 0, 0]
            .map(AtomicU32::new);
    written(PROGRAM_QUERY, &words)?;
    // Relaxed: the kernel has written before the call returned.
    let value = |word: &AtomicU32| word.load(Ordering::Relaxed);
    let count = value(&words[6]) as usize;
    Ok(programs.iter().map(value).zip(links.iter().map(value)).take(count).collect())
}

/// A call that answers in its attributes.
fn written(command: i32, attributes: &[AtomicU32]) -> io::Result<i32> {
    // SAFETY: pointer and length describe memory that outlives the call and may change behind a shared
    // reference; pointers inside it are of the caller.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}

/// A program by its number. Needs CAP_SYS_ADMIN, as do the next two.
pub(super) fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf(PROGRAM_BY_ID, &[id, 0, 0]).map(owned)
}

/// A map by its number.
pub(super) fn map_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf(MAP_BY_ID, &[id, 0, 0]).map(owned)
}

/// A link by its number.
pub(super) fn link_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf(LINK_BY_ID, &[id, 0, 0]).map(owned)
}

/// What the kernel says of a program.
pub(super) fn program_info(program: &impl AsFd) -> io::Result<ProgramInfo> {
    // struct bpf_prog_info: the number of maps and where their numbers go, then the name.
    const MAPS: usize = 13;
    const NAME: usize = 16;
    let maps = [const { AtomicU32::new(0) }; MAPS_OF_A_PROGRAM];
    let words = [const { AtomicU32::new(0) }; 20];
    let room = u32::try_from(MAPS_OF_A_PROGRAM).map_err(io::Error::other)?;
    words[MAPS].store(room, Ordering::Relaxed);
    for (word, half) in words[MAPS + 1..].iter().zip(halves(maps.as_ptr().cast())) {
        word.store(half, Ordering::Relaxed);
    }
    object_info(program, &words)?;
    let count = words[MAPS].load(Ordering::Relaxed) as usize;
    let maps = maps.iter().map(|map| map.load(Ordering::Relaxed)).take(count).collect();
    Ok(ProgramInfo { name: name(&words[NAME..]), maps })
}

/// What the kernel says of a map.
pub(super) fn map_info(map: &impl AsFd) -> io::Result<MapInfo> {
    // struct bpf_map_info: the size of a value, how many there are, flags, then the name.
    let words = [const { AtomicU32::new(0) }; 10];
    object_info(map, &words)?;
    let word = |at: usize| words[at].load(Ordering::Relaxed) as usize;
    Ok(MapInfo { name: name(&words[6..]), bytes: word(3).saturating_mul(word(4)) })
}

/// The name that stands in four words.
fn name(words: &[AtomicU32]) -> String {
    let bytes = words.iter().take(4).flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
    String::from_utf8_lossy(&bytes.take_while(|byte| *byte != 0).collect::<Vec<u8>>()).into_owned()
}

fn object_info(object: &impl AsFd, words: &[AtomicU32]) -> io::Result<()> {
    let [low, high] = halves(words.as_ptr().cast());
    let bytes = u32::try_from(size_of_val(words)).map_err(io::Error::other)?;
    bpf(OBJECT_INFO, &[word(object), bytes, low, high]).map(drop)
}

fn path_words(path: &Path) -> io::Result<(CString, [u32; 2])> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let words = halves(path.as_ptr().cast());
    Ok((path, words))
}

/// Gives an object a name on a bpffs, so that it outlives the process.
pub(super) fn pin(object: &impl AsFd, path: &Path) -> io::Result<()> {
    let (_path, [low, high]) = path_words(path)?;
    bpf(OBJECT_PIN, &[low, high, word(object), 0]).map(drop)
}

/// Gives an object a name in an open folder of a bpffs, wherever that is mounted by now.
pub(super) fn pin_in(folder: &impl AsFd, object: &impl AsFd, name: &str) -> io::Result<()> {
    /// BPF_F_PATH_FD, since Linux 6.5; tcx links, which come at any time, need 6.6.
    const IN_FOLDER: u32 = 1 << 14;
    let (_name, [low, high]) = path_words(Path::new(name))?;
    bpf(OBJECT_PIN, &[low, high, word(object), IN_FOLDER, word(folder)]).map(drop)
}

/// Opens what has a name on a bpffs.
pub(super) fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let (_path, [low, high]) = path_words(path)?;
    bpf(OBJECT_GET, &[low, high, 0, 0]).map(owned)
}
