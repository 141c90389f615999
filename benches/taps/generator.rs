//! Packets of many accounts at the full rate of one core: on a veth end, towards its peer.
#![expect(unsafe_code, reason = "sendmmsg(2) has no safe form here")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::netns::Namespace;
use crate::owners::Owners;
use crate::support::rng::Rng;

/// Bytes of a frame, its Ethernet header included: of a small one, and of one that carries data.
pub(crate) const SMALL: usize = 128;
pub(crate) const LARGE: usize = 1400;

/// A link address that nobody has: the stack lets go of its frames at once.
pub(crate) const STRANGER: [u8; 6] = [2, 0, 0, 0, 0, 0x99];

/// Bytes of the frames that are made in advance, of accounts drawn uniformly: the worst case for a
/// meter's caches.
const MADE_BYTES: usize = 8 << 20;

/// Frames sent by one call.
const BATCH: usize = 64;

const ETHERNET_HEADER: usize = 14;
const QDISC_BYPASS: libc::c_int = 20;

/// Bytes that are written between two packets on a busy node, and what they are taken from: more
/// than the cores' own caches hold.
pub(crate) const BUSY_BYTES: usize = 4096;
const BUSY_MEMORY: usize = 64 << 20;

/// Other work of a core: it takes the caches that a meter had filled.
pub(crate) struct Work {
    memory: Vec<u8>,
    at: usize,
}

impl Work {
    pub(crate) fn new() -> Self {
        Self { memory: vec![1; BUSY_MEMORY], at: 0 }
    }

    fn go_on(&mut self) {
        const CACHE_LINE: usize = 64;
        let part = &mut self.memory[self.at..self.at + BATCH * BUSY_BYTES];
        part.iter_mut().step_by(CACHE_LINE).for_each(|byte| *byte = byte.wrapping_add(1));
        self.at = (self.at + BATCH * BUSY_BYTES) % BUSY_MEMORY;
    }
}

/// Frames that are sent over and over, and the socket that sends them.
pub(crate) struct Generator {
    socket: OwnedFd,
    frames: Vec<Vec<u8>>,
    next: usize,
}

impl Generator {
    /// Frames of so many bytes to the owner of this link address, out of `device`.
    pub(crate) fn new(namespace: &Namespace, device: &str, to: [u8; 6], frame_bytes: usize) -> Self {
        let index = namespace.device_index(device);
        let socket = namespace.run(move || open(index)).expect("a packet socket can be opened");
        let mut frame = vec![0; frame_bytes];
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        let frames = vec![frame; MADE_BYTES / frame_bytes / BATCH * BATCH];
        Self { socket, frames, next: 0 }
    }

    /// Frames from now on come from so many accounts.
    pub(crate) fn speak_for(&mut self, owners: Owners, accounts: u32) {
        let mut rng = Rng::seeded(1);
        for frame in &mut self.frames {
            let account = u32::try_from(rng.below(accounts as usize)).expect("below a u32");
            let ethertype: u16 = if owners.is_v4() { 0x0800 } else { 0x86dd };
            frame[12..ETHERNET_HEADER].copy_from_slice(&ethertype.to_be_bytes());
            let length = frame.len() - ETHERNET_HEADER;
            frame[ETHERNET_HEADER..].copy_from_slice(&owners.packet(account, length));
        }
    }

    /// Sends so many frames, a multiple of the batch at least.
    pub(crate) fn send(&mut self, frames: u64, mut work: Option<&mut Work>) {
        let mut sent = 0;
        while sent < frames {
            let batch = &self.frames[self.next..self.next + BATCH];
            send_all(&self.socket, batch);
            sent += BATCH as u64;
            self.next = (self.next + BATCH) % self.frames.len();
            if let Some(work) = &mut work {
                work.go_on();
            }
        }
    }
}

fn open(index: i32) -> io::Result<OwnedFd> {
    // SAFETY: socket takes plain numbers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: sockaddr_ll is plain data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).expect("families are small");
    address.sll_ifindex = index;
    let length = libc::socklen_t::try_from(size_of_val(&address)).expect("a small struct");
    // SAFETY: the address is of the length told and outlives the call.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).expect("an int is small");
    // SAFETY: the value is an int of the length told, and outlives the call.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, QDISC_BYPASS, (&raw const on).cast(), length)
    };
    if set != 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

/// Sends a batch; what the device refuses for want of room is sent again.
fn send_all(socket: &OwnedFd, batch: &[Vec<u8>]) {
    let mut parts: [libc::iovec; BATCH] = std::array::from_fn(|at| libc::iovec {
        iov_base: batch[at].as_ptr().cast_mut().cast(),
        iov_len: batch[at].len(),
    });
    // SAFETY: mmsghdr is plain data for which all zeroes is a valid value.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for (message, part) in messages.iter_mut().zip(&mut parts) {
        (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (part, 1);
    }
    let mut sent = 0;
    while sent < BATCH {
        let left = libc::c_uint::try_from(BATCH - sent).expect("a small batch");
        // SAFETY: the messages, their parts and the frames outlive the call, which reads the frames.
        let took = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages[sent..].as_mut_ptr(), left, 0) };
        match usize::try_from(took) {
            Ok(took) => sent += took,
            Err(_) => {
                let error = io::Error::last_os_error();
                assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS), "sending frames: {error}");
            }
        }
    }
}
