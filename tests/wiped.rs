//! What is freed is cleared, and so is what calls left on the stack: a process that uses the program's
//! allocator looks into its own memory, freed or not, through /proc.
//!
//! What the whole program keeps is measured by `tests/leakage/needles/`.

use blindmeter::roster::account::AccountName;
use blindmeter::system::allocator::{REQUEST_BYTES, WipingAllocator, wipe_stack};
use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

#[global_allocator]
static HEAP: WipingAllocator = WipingAllocator;

/// Looks at memory, whoever it belongs to now. What it looks with is allocated before.
struct Window {
    memory: File,
    bytes: Vec<u8>,
}

impl Window {
    fn new() -> Self {
        Self {
            memory: File::open("/proc/self/mem").expect("a process reads itself"),
            bytes: vec![0; 1 << 17],
        }
    }

    /// Whether a text begins at an address.
    fn reads(&mut self, address: usize, text: &[u8]) -> bool {
        let at = u64::try_from(address).expect("an address of 64 bits");
        let bytes = &mut self.bytes[..text.len()];
        self.memory.read_exact_at(bytes, at).expect("small buffers stay mapped");
        bytes == text
    }

    /// Copies of the needle in a range, where there may be others' bytes by now.
    fn copies(&mut self, address: usize, length: usize) -> usize {
        let at = u64::try_from(address).expect("an address of 64 bits");
        let bytes = &mut self.bytes[..length];
        self.memory.read_exact_at(bytes, at).expect("small buffers stay mapped");
        bytes.windows(NEEDLE.len()).filter(|window| *window == NEEDLE).count()
    }
}

const NEEDLE: [u8; 16] = *b"\xd1needle-on-heap\x9e";

#[test]
fn what_is_freed_is_cleared() {
    let mut window = Window::new();
    let text = NEEDLE.repeat(64);
    let address = text.as_ptr().addr();
    assert_eq!(window.copies(address, 1024), 64);
    drop(text);
    assert_eq!(window.copies(address, 1024), 0);
}

#[test]
fn a_buffer_that_moves_leaves_nothing_behind() {
    let mut window = Window::new();
    let mut places = Vec::with_capacity(1 << 13);
    let mut text = NEEDLE.to_vec();
    while text.len() < 64 << 10 {
        places.push((text.as_ptr().addr(), text.capacity()));
        text.extend(NEEDLE);
    }
    let (last, bytes) = (text.as_ptr().addr(), text.capacity());
    places.retain(|(address, capacity)| address + capacity <= last || *address >= last + bytes);
    assert!(places.len() > 4, "the buffer moved");
    assert!(places.iter().all(|(address, capacity)| window.copies(*address, *capacity) == 0));
}

#[test]
fn a_map_that_grows_leaves_nothing_behind() {
    let mut window = Window::new();
    let mut places = Vec::with_capacity(500);
    let mut map = HashMap::new();
    for number in 0..500_u32 {
        map.insert(number, NEEDLE);
        let (_, value) = map.iter().next().expect("it holds something");
        places.push(value.as_ptr().addr());
    }
    drop(map);
    assert!(places.iter().all(|address| window.copies(*address, NEEDLE.len()) == 0));
}

/// Neither where a name lay nor where it was read from, moved to or copied to.
#[test]
fn a_name_that_was_dropped_is_nowhere() {
    let mut window = Window::new();
    let text = "needle-of-a-name".to_owned();
    let bytes = |name: &AccountName| name.reveal().as_ptr().addr();
    let name = AccountName::parse(&text).expect("a good name");
    let (copied, kept) = (name.clone(), Box::new(name));
    let places = [text.as_ptr().addr(), bytes(&copied), bytes(&kept)];
    assert!(places.iter().all(|place| window.reads(*place, b"needle-of-a-name")));
    drop((text, copied, kept));
    assert!(!places.iter().any(|place| window.reads(*place, b"needle-of-a-name")));
    let long = "needle-of-a-name".repeat(8);
    let address = bytes(&AccountName::parse(&long).expect("a good name"));
    assert!(!window.reads(address, b"needle-of-a-name"));
}

/// Works on a needle and tells where on the stack it was: deeper than whoever looks at it gets.
#[inline(never)]
fn work() -> usize {
    let mut place = [0_u8; 48 << 10];
    place[100..116].copy_from_slice(&NEEDLE);
    black_box(&mut place).as_ptr().addr()
}

#[test]
fn what_calls_leave_on_the_stack_is_wiped() {
    let mut window = Window::new();
    let address = work();
    wipe_stack::<REQUEST_BYTES>();
    assert_eq!(window.copies(address, 256), 0);
}
