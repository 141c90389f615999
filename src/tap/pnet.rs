//! The pnet tap: the portable fallback, two sockets per interface through pnet's datalink module.
//!
//! pnet hides the direction of a packet, so one socket ignores what goes out and the other, by a
//! classic filter, sees nothing else. pnet copies whole packets to learn their length; its buffer
//! is cleared after each. Exact below its capacity; above it the kernel counts what it dropped.
//! Needs CAP_NET_RAW.
#![expect(unsafe_code, reason = "pnet lends its buffer for reading only, and it has to be cleared")]

use super::attribution::Attribution;
use super::interfaces::Hardware;
use super::ring::gso_of;
use super::socket::{self, Instruction};
use super::unseen::Unseen;
use crate::meter::slot::Direction;
use pnet_datalink::{Channel, ChannelType, Config, DataLinkReceiver, NetworkInterface};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::time::Duration;

/// Longer than the longest super-packet (GSO_MAX_SIZE and GRO_MAX_SIZE of Linux are 524,280), and long enough
/// for the allocator to give it a mapping of its own: pages that no packet reached are not in memory.
const PACKET_BYTES: usize = 1 << 20;

/// The receive buffer asked for: the kernel charges at least 768 bytes a packet. What it holds has to be
/// read before an address may change hands.
const RECEIVE_BYTES: i32 = 8 << 20;

/// Packets read in a row before the other sockets get their turn.
const BURST: usize = 4096;

/// Bytes of struct virtio_net_hdr, which stands before the frame.
const VNET_HEADER: usize = 10;

/// `ret` all of it for packets that go out, `ret` nothing for others (SKF_AD_PKTTYPE).
const OUTGOING_ONLY: [Instruction; 4] =
    [(0x28, 0, 0, 0xffff_f004), (0x15, 0, 1, 4), (0x06, 0, 0, 0x0010_0000), (0x06, 0, 0, 0)];

/// One interface's two sockets.
pub(super) struct Pnet {
    sides: [Side; 2],
    hardware: Hardware,
}

struct Side {
    direction: Direction,
    socket: OwnedFd,
    receiver: Box<dyn DataLinkReceiver>,
    /// Packets read since the start.
    read: usize,
    /// Packets that the kernel had queued since the start, when it was last asked.
    queued: usize,
    unseen: Unseen,
}

impl Pnet {
    /// Opens both sockets on the interface of this index.
    pub(super) fn open(index: u32, hardware: Hardware) -> io::Result<Self> {
        let down = Side::open(index, Direction::Down)?;
        let up = Side::open(index, Direction::Up)?;
        Ok(Self { sides: [up, down], hardware })
    }

    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.sides[0].socket.as_fd(), self.sides[1].socket.as_fd()]
    }

    /// Counts what waits, up to a burst on each side, and the drops that the kernel reports; the
    /// number of both.
    pub(super) fn drain(&mut self, attribution: &Attribution) -> u64 {
        let mut seen = 0;
        for side in &mut self.sides {
            let before = side.read;
            side.drain(self.hardware, attribution);
            seen += (side.read - before) as u64;
            let (queued, dropped) = socket::take_statistics(&side.socket);
            side.queued += queued;
            attribution.lost(side.unseen.lost(dropped));
            seen += dropped;
        }
        seen
    }

    /// Packets in the queues, as of the last drain.
    pub(super) fn waiting(&self) -> u64 {
        self.sides.iter().map(|side| side.queued.saturating_sub(side.read) as u64).sum()
    }

    /// How many packets each side must have read for everything that waits to be counted; none
    /// when nothing waits.
    pub(super) fn target(&self) -> Option<[usize; 2]> {
        let waiting = self.sides.iter().any(|side| side.read < side.queued);
        waiting.then(|| [0, 1].map(|at| self.sides[at].queued))
    }

    /// Packets that each side has read since the start.
    pub(super) fn read(&self) -> [usize; 2] {
        [0, 1].map(|at| self.sides[at].read)
    }

    pub(super) fn shut(&self) {
        for side in &self.sides {
            socket::shut(&side.socket);
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        self.sides.iter().all(|side| {
            socket::take_error(&side.socket);
            socket::is_bound(&side.socket)
        })
    }
}

impl Side {
    fn open(index: u32, direction: Direction) -> io::Result<Self> {
        let socket = socket::open()?;
        socket::set(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, &1_i32)?;
        match direction {
            Direction::Up => {
                socket::set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
            }
            Direction::Down => socket::attach_filter(&socket, &OUTGOING_ONLY)?,
        }
        socket::grow_receive_buffer(&socket, RECEIVE_BYTES);
        let lent = socket.try_clone()?;
        let interface = NetworkInterface {
            name: String::new(),
            description: String::new(),
            index,
            mac: None,
            ips: Vec::new(),
            flags: 0,
        };
        let config = Config {
            // pnet owns this descriptor from here on, and closes it when it fails.
            socket_fd: Some(lent.into_raw_fd()),
            read_buffer_size: PACKET_BYTES,
            write_buffer_size: 0,
            read_timeout: Some(Duration::ZERO),
            channel_type: ChannelType::Layer2,
            promiscuous: false,
            ..Config::default()
        };
        let Channel::Ethernet(_, receiver) = pnet_datalink::channel(&interface, config)? else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        Ok(Self { direction, socket, receiver, read: 0, queued: 0, unseen: Unseen::default() })
    }

    fn drain(&mut self, hardware: Hardware, attribution: &Attribution) {
        for _ in 0..BURST {
            match self.receiver.next() {
                Ok(packet) => {
                    let (address, length) = (packet.as_ptr().addr(), packet.len());
                    self.unseen.saw(count(packet, hardware, self.direction, attribution));
                    self.read += 1;
                    clear(address, length);
                }
                // The kernel could not describe this super-packet; it was taken off the queue.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    attribution.lost(1);
                    self.read += 1;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                    return;
                }
                // The interface went down; the error is taken by being told, and packets wait behind it.
                Err(_) => {}
            }
        }
    }
}

/// Counts a packet; how many it stands for.
fn count(packet: &[u8], hardware: Hardware, direction: Direction, attribution: &Attribution) -> u64 {
    let Some((vnet, captured)) = packet.split_at_checked(VNET_HEADER) else {
        attribution.lost(1);
        return 1;
    };
    let gso = gso_of(vnet);
    // A packet that fills the buffer may be longer than it: its length is not known, and it stands for as many
    // packets as lie in the buffer, at least.
    if packet.len() == PACKET_BYTES {
        let segment = gso.map_or(PACKET_BYTES, |gso| usize::from(gso.segment_bytes).max(1));
        let at_least = (captured.len() / segment).max(1) as u64;
        attribution.lost(at_least);
        return at_least;
    }
    attribution.count(hardware.link_type(), captured, captured.len() as u64, direction, gso)
}

/// Clears the part of pnet's buffer that held a packet.
fn clear(address: usize, length: usize) {
    let buffer: *mut u8 = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: the bytes are those of the receiver's own heap buffer, which it owns mutably and
    // which recvfrom(2) has just written; the slice it lent was last used before this call, and
    // the receiver does not run meanwhile.
    unsafe { std::slice::from_raw_parts_mut(buffer, length) }.fill(0);
    // The bytes are not read again by us: keep the compiler from dropping the store.
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}
