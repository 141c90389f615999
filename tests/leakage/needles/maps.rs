//! Everything in the kernel's maps that a process holds: keys and values, by bpf(2).
//!
//! # Source
//! bpf(2); include/uapi/linux/bpf.h (union bpf_attr, struct bpf_map_info).
#![expect(unsafe_code, reason = "maps of any shape can be read by the system call alone")]

use std::fs;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const LOOK_UP: libc::c_int = 1;
const NEXT_KEY: libc::c_int = 4;
const DESCRIPTOR_BY_ID: libc::c_int = 14;
const INFO: libc::c_int = 15;

/// The longest prefix of `union bpf_attr` that is used here.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    first: u32,
    second: u32,
    key: u64,
    value: u64,
}

/// The beginning of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
    name: [u8; 16],
}

/// Reads every map that a process holds a descriptor of: of each, every key with its value behind it.
pub(crate) fn of(process: u32) -> Vec<Vec<u8>> {
    let mut ids: Vec<u32> = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fdinfo")).expect("the process lives") {
        let text = entry.ok().and_then(|entry| fs::read_to_string(entry.path()).ok()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:")?.trim().parse().ok());
        ids.extend(id.filter(|id| !ids.contains(id)));
    }
    ids.into_iter().map(read).collect()
}

fn read(id: u32) -> Vec<u8> {
    let by_id = Attributes { first: id, ..Attributes::default() };
    let descriptor = call(DESCRIPTOR_BY_ID, &by_id).unwrap_or_else(|error| panic!("map {id}: {error}"));
    // SAFETY: the call has just made the descriptor, and nobody else owns it.
    let map = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let number = map.as_raw_fd().cast_unsigned();
    let mut info = Info::default();
    let length = u32::try_from(size_of::<Info>()).expect("small");
    call(INFO, &Attributes { first: number, second: length, key: address(&raw mut info), value: 0 })
        .unwrap_or_else(|error| panic!("map {id}: {error}"));
    let size = |bytes: u32| usize::try_from(bytes).expect("a length").next_multiple_of(8);
    let mut key = vec![0_u8; size(info.key_bytes)];
    let mut next = vec![0_u8; size(info.key_bytes)];
    let mut value = vec![0_u8; size(info.value_bytes)];
    let mut bytes = Vec::new();
    let mut before = 0;
    loop {
        let step = Attributes { first: number, second: 0, key: before, value: address(next.as_mut_ptr()) };
        if call(NEXT_KEY, &step).is_err() {
            break;
        }
        key.copy_from_slice(&next);
        before = address(key.as_mut_ptr());
        let look = Attributes { first: number, second: 0, key: before, value: address(value.as_mut_ptr()) };
        bytes.extend(&key[..usize::try_from(info.key_bytes).expect("a length")]);
        // An entry may be gone by now; its key was there.
        if call(LOOK_UP, &look).is_ok() {
            bytes.extend(&value[..usize::try_from(info.value_bytes).expect("a length")]);
        }
    }
    bytes
}

fn address<T>(pointer: *mut T) -> u64 {
    u64::try_from(pointer.expose_provenance()).expect("an address of 64 bits")
}

fn call(command: libc::c_int, attributes: &Attributes) -> io::Result<i32> {
    // SAFETY: the attributes are of the length told; buffers that they point to are live and as long as
    // the map's keys and values, rounded up as the kernel does.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<Attributes>())
    };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}
