//! What the memory of a process holds, as root reads it: every page of every readable mapping, and
//! the registers of every thread.
//!
//! A live image is read while the process runs. A whole one is what a core would hold and more: all
//! threads are stopped, and what a core leaves out (shared mappings, devices, files) is in it.
//!
//! # Source
//! proc(5) (maps, mem, pagemap); ptrace(2) (PTRACE_SEIZE, PTRACE_GETREGSET).
#![expect(unsafe_code, reason = "ptrace has no safe form in the dependencies")]

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr;

const PAGE: usize = 4096;
/// Pages that are read at once.
const RUN: usize = 256;
/// More than any register set of x86 or Arm.
const REGISTERS: usize = 1 << 14;
/// Register sets: general, floating point, extended (x86).
const SETS: [i32; 3] = [1, 2, 0x202];

/// Where bytes of a process lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    Heap,
    Stack,
    /// Memory of its own without a name: further heaps, stacks of threads.
    Anonymous,
    /// The blocks of a packet socket, shared with the kernel.
    Ring,
    /// The counters of a user-space tap.
    Counters,
    /// A map of the kernel's program.
    KernelMap,
    /// A file: the program and its libraries.
    File,
    Registers,
}

/// Consecutive bytes of a process.
pub(crate) struct Part {
    pub(crate) place: Place,
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Reads what is present of a process that goes on running.
pub(crate) fn live(process: u32) -> Vec<Part> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("the process lives");
    let memory = File::open(format!("/proc/{process}/mem")).expect("root reads a process's memory");
    let pages = File::open(format!("/proc/{process}/pagemap")).expect("root reads a process's page map");
    let mut parts = Vec::new();
    for line in maps.lines() {
        let fields: Vec<&str> = line.splitn(6, ' ').collect();
        let name = fields.get(5).map_or("", |name| name.trim());
        if !fields[1].starts_with('r') || matches!(name, "[vvar]" | "[vvar_vclock]" | "[vsyscall]") {
            continue;
        }
        let (start, end) = fields[0].split_once('-').expect("maps have ranges");
        let number = |digits| u64::from_str_radix(digits, 16).expect("maps are in hexadecimal");
        let range = (number(start), number(end));
        read_range(&memory, &pages, range, place(name), &mut parts);
    }
    parts
}

/// Stops every thread and reads everything, registers included; then the process goes on.
pub(crate) fn whole(process: u32) -> Vec<Part> {
    let threads: Vec<i32> = fs::read_dir(format!("/proc/{process}/task"))
        .expect("the process lives")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let stopped: Vec<Stopped> = threads.into_iter().filter_map(Stopped::at_once).collect();
    let mut parts = live(process);
    for thread in &stopped {
        let registers = SETS.iter().flat_map(|set| thread.registers(*set)).collect();
        parts.push(Part { place: Place::Registers, start: 0, bytes: registers });
    }
    parts
}

fn place(name: &str) -> Place {
    match name {
        "[heap]" => Place::Heap,
        "[stack]" => Place::Stack,
        "" => Place::Anonymous,
        name if name.starts_with("[anon") => Place::Anonymous,
        name if name.starts_with("socket:") => Place::Ring,
        name if name.contains("bpf-map") => Place::KernelMap,
        name if name.contains(".counters") => Place::Counters,
        _ => Place::File,
    }
}

/// Appends what is present of a range, in runs of consecutive pages.
fn read_range(memory: &File, pages: &File, range: (u64, u64), place: Place, parts: &mut Vec<Part>) {
    let page_bytes = u64::try_from(PAGE).expect("small");
    let count = usize::try_from((range.1 - range.0) / page_bytes).expect("an address space of 64 bits");
    let mut entries = vec![0; count * 8];
    let known = pages.read_at(&mut entries, range.0 / page_bytes * 8).unwrap_or(0);
    // Bits 63 and 62: the page is present, or swapped out. A mapping of a device has no entries.
    let is_there = |at: usize| {
        let word = entries.get(at * 8..at * 8 + 8).map_or([0; 8], |word| word.try_into().expect("eight"));
        known < entries.len()
            || matches!(place, Place::Ring | Place::KernelMap)
            || u64::from_ne_bytes(word) >> 62 != 0
    };
    let mut at = 0;
    while at < count {
        let run = (at..count).take(RUN).take_while(|page| is_there(*page)).count();
        let start = range.0 + u64::try_from(at).expect("small") * page_bytes;
        let mut bytes = vec![0; run * PAGE];
        // What was unmapped meanwhile cannot be read any more.
        let read = if run == 0 { 0 } else { memory.read_at(&mut bytes, start).unwrap_or(0) };
        bytes.truncate(read);
        at += run.max(1);
        match parts.last_mut().filter(|last| last.place == place && end(last) == start) {
            Some(last) => last.bytes.extend(bytes),
            None if read > 0 => parts.push(Part { place, start, bytes }),
            None => {}
        }
    }
}

fn end(part: &Part) -> u64 {
    part.start + u64::try_from(part.bytes.len()).expect("a length")
}

/// A thread that stands still until this is dropped.
struct Stopped(i32);

impl Stopped {
    /// None when the thread has ended.
    fn at_once(thread: i32) -> Option<Self> {
        let none = ptr::null_mut::<libc::c_void>();
        // SAFETY: PTRACE_SEIZE and PTRACE_INTERRUPT take numbers only.
        let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread, none, none) };
        if seized != 0 {
            let error = io::Error::last_os_error();
            assert!(error.raw_os_error() == Some(libc::ESRCH), "root may trace a process: {error}");
            return None;
        }
        // SAFETY: as above; waitpid is told where to put the status.
        unsafe {
            libc::ptrace(libc::PTRACE_INTERRUPT, thread, none, none);
            let mut status = 0;
            libc::waitpid(thread, &raw mut status, libc::__WALL);
        }
        Some(Self(thread))
    }

    fn registers(&self, set: i32) -> Vec<u8> {
        let mut bytes = vec![0_u8; REGISTERS];
        let mut range = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: the range describes `bytes`, which outlives the call.
        let read =
            unsafe { libc::ptrace(libc::PTRACE_GETREGSET, self.0, libc::c_long::from(set), &raw mut range) };
        bytes.truncate(if read == 0 { range.iov_len } else { 0 });
        bytes
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let none = ptr::null_mut::<libc::c_void>();
        // SAFETY: takes numbers only; a thread that has ended meanwhile is an error that changes nothing.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, none, none) };
    }
}
