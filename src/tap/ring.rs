//! The ring tap: a TPACKET_V3 ring on a raw packet socket, one per interface.
//!
//! The kernel copies headers only, as `snap.rs` tells it. Records are parsed in place and cleared, times of arrival
//! included; nothing of a packet is kept. Needs CAP_NET_RAW.
//!
//! # Source
//! Documentation/networking/packet_mmap.rst; net/packet/af_packet.c (`tpacket_rcv`,
//! `prb_retire_rx_blk_timer_expired`).
#![expect(unsafe_code, reason = "the ring is memory shared with the kernel")]

use super::attribution::Attribution;
use super::frame::LinkType;
use super::interfaces::Hardware;
use super::snap::headers_only;
use super::socket;
use super::super_packet::{Gso, Transport};
use super::unseen::Unseen;
use crate::meter::slot::Direction;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a block: about 1,500 packets.
const BLOCK_BYTES: u32 = 1 << 18;

/// Blocks of an interface that is named: 32 MiB, a tenth of a second at two million packets a
/// second.
const BLOCKS: u32 = 128;

/// Blocks of an interface that a glob matched, of which there may be hundreds: 2 MiB.
const BLOCKS_OF_MANY: u32 = 8;

/// Milliseconds after which the kernel hands over a block that is not full. Bounds how long a
/// hand-over of an address waits; an idle interface wakes nobody.
const RETIRE_MILLISECONDS: u32 = 8;

/// Offsets in a block: status, number of packets, first packet, and the times of the first and the
/// last packet (struct tpacket_hdr_v1).
const STATUS: usize = 8;
const PACKETS: usize = 12;
const FIRST: usize = 16;
const TIMES: usize = 32;
const TIMES_BYTES: usize = 16;

/// Bytes of struct tpacket3_hdr; struct sockaddr_ll follows it.
const RECORD_HEADER: usize = 48;
const PACKET_TYPE: usize = RECORD_HEADER + 10;

/// Bytes of struct virtio_net_hdr, which stands before the frame.
const VNET_HEADER: usize = 10;

/// One interface's ring.
pub(super) struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    blocks: usize,
    /// Blocks walked since the start; the next one is this modulo `blocks`.
    walked: usize,
    link_type: LinkType,
    unseen: Unseen,
}

// SAFETY: the mapping belongs to this value alone; it may move to another thread with it.
unsafe impl Send for Ring {}

impl Ring {
    /// A ring that receives nothing yet.
    pub(super) fn prepare(hardware: Hardware, one_of_many: bool) -> io::Result<Self> {
        Self::unbound(hardware, if one_of_many { BLOCKS_OF_MANY } else { BLOCKS })
    }

    /// From here on it receives what passes the interface of this index.
    pub(super) fn bind(&self, index: u32) -> io::Result<()> {
        socket::bind(&self.socket, index)
    }

    /// Whether this kernel has rings with segment sizes.
    pub(super) fn probe() -> io::Result<()> {
        Self::unbound(Hardware::Ip, 1).map(drop)
    }

    fn unbound(hardware: Hardware, blocks: u32) -> io::Result<Self> {
        let socket = socket::open()?;
        socket::set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, &libc::tpacket_versions::TPACKET_V3)?;
        socket::set(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, &1_i32)?;
        socket::attach_filter(&socket, &headers_only(hardware))?;
        let frame_bytes = 2048;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_BYTES,
            tp_block_nr: blocks,
            tp_frame_size: frame_bytes,
            tp_frame_nr: BLOCK_BYTES / frame_bytes * blocks,
            tp_retire_blk_tov: RETIRE_MILLISECONDS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        socket::set(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let length = BLOCK_BYTES as usize * blocks as usize;
        // SAFETY: a fresh shared mapping of the ring that the kernel made for this socket.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        let memory = NonNull::new(memory.cast()).filter(|_| memory != libc::MAP_FAILED);
        let memory = memory.ok_or_else(io::Error::last_os_error)?;
        let (link_type, unseen) = (hardware.link_type(), Unseen::default());
        Ok(Self { socket, memory, blocks: blocks as usize, walked: 0, link_type, unseen })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Counts every block that the kernel has handed over, and the drops it reports; the number of
    /// both.
    pub(super) fn drain(&mut self, attribution: &Attribution) -> u64 {
        let mut seen = 0;
        let mut unseen = self.unseen;
        // Once around at the most: in a flood that outruns the tap, commands are heard as well.
        for _ in 0..self.blocks {
            if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                break;
            }
            // Acquire above: pairs with the kernel's write barrier before it sets TP_STATUS_USER
            // (prb_close_block), so the block's records are seen whole.
            seen += u64::from(self.walk(attribution, &mut unseen));
            self.walked += 1;
        }
        // The kernel writes there when it opened the block, which is when the last packets passed: an
        // empty block stays open. It never reads it; where it opens one a moment later, the read of
        // the interfaces' counters a second after the last packet comes by here again.
        self.clear(TIMES, TIMES_BYTES);
        let drops = socket::take_drops(&self.socket);
        attribution.lost(unseen.lost(drops));
        self.unseen = unseen;
        seen + drops
    }

    /// How many blocks must have been walked for everything that has arrived to be counted; none when it
    /// is counted already.
    pub(super) fn target(&self) -> Option<usize> {
        (self.waiting() != 0).then_some(self.walked + 1)
    }

    /// Blocks walked since the start.
    pub(super) fn walked(&self) -> usize {
        self.walked
    }

    /// Packets in the block that the kernel fills.
    pub(super) fn waiting(&self) -> u64 {
        // Relaxed: an estimate; a packet that the kernel writes at this moment is in flight.
        u64::from(self.word(PACKETS).load(Ordering::Relaxed))
    }

    pub(super) fn shut(&self) {
        socket::shut(&self.socket);
    }

    pub(super) fn is_bound(&self) -> bool {
        socket::take_error(&self.socket);
        socket::is_bound(&self.socket)
    }

    /// Counts the packets of the current block, and gives it back; how many they were.
    fn walk(&self, attribution: &Attribution, unseen: &mut Unseen) -> u32 {
        let packets = self.word(PACKETS).load(Ordering::Relaxed);
        let mut at = self.word(FIRST).load(Ordering::Relaxed) as usize;
        for _ in 0..packets {
            let next = self.record(at, attribution, unseen);
            if next == 0 {
                break;
            }
            at += next;
        }
        self.clear(TIMES, TIMES_BYTES);
        // Relaxed, then Release: the emptied count is seen before the block is the kernel's again;
        // pairs with the kernel's read of the status (prb_dispatch_next_block). `target` must not
        // take the old count of a reopened block for waiting packets.
        self.word(PACKETS).store(0, Ordering::Relaxed);
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        packets
    }

    /// Counts one record, clears it, and returns the distance to the next; 0 after the last, or
    /// when a record does not lie inside its block.
    fn record(&self, at: usize, attribution: &Attribution, unseen: &mut Unseen) -> usize {
        let Some(header) = self.bytes(at, RECORD_HEADER + 20) else { return 0 };
        let word = |offset: usize| {
            u32::from_ne_bytes([header[offset], header[offset + 1], header[offset + 2], header[offset + 3]])
        };
        let next = word(0) as usize;
        let captured_bytes = word(12) as usize;
        let length = word(16);
        let frame_at = usize::from(u16::from_ne_bytes([header[24], header[25]]));
        // Of a super-packet that struct virtio_net_hdr has no words for, the kernel has made a place, filled in
        // nothing, and counted a drop, which is told as lost.
        if frame_at < RECORD_HEADER {
            self.clear(at, RECORD_HEADER);
            unseen.knows_a_drop();
            return next;
        }
        let outgoing = header[PACKET_TYPE] == libc::PACKET_OUTGOING;
        let vnet_at = at + frame_at.saturating_sub(VNET_HEADER);
        let Some(frame) = self.bytes(vnet_at, VNET_HEADER + captured_bytes) else { return 0 };
        let (vnet, captured) = frame.split_at(VNET_HEADER);
        let direction = if outgoing { Direction::Down } else { Direction::Up };
        unseen.saw(attribution.count(self.link_type, captured, u64::from(length), direction, gso_of(vnet)));
        // The record's header holds the time of arrival: it goes with the rest.
        self.clear(at, vnet_at - at + VNET_HEADER + captured_bytes);
        next
    }

    /// Bytes of the current block; none when they do not lie inside it.
    fn bytes(&self, at: usize, length: usize) -> Option<&[u8]> {
        let end = at.checked_add(length)?;
        if end > BLOCK_BYTES as usize {
            return None;
        }
        // SAFETY: the range lies inside the current block, which is the process's until its
        // status is given back; the slice does not outlive `walk`.
        Some(unsafe { std::slice::from_raw_parts(self.block().add(at), length) })
    }

    fn clear(&self, at: usize, length: usize) {
        // SAFETY: `bytes` has checked the range, or it is one of the block's own header; no slice of
        // it is alive any more.
        unsafe { self.block().add(at).write_bytes(0, length) };
    }

    fn block(&self) -> *mut u8 {
        let offset = self.walked % self.blocks * BLOCK_BYTES as usize;
        // SAFETY: the offset lies inside the mapping.
        unsafe { self.memory.as_ptr().add(offset) }
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the first words of a block are 4-byte aligned and live as long as the mapping;
        // both sides access them atomically.
        unsafe { AtomicU32::from_ptr(self.block().add(offset).cast()) }
    }

    fn status(&self) -> &AtomicU32 {
        self.word(STATUS)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping of `open`, unmapped once; no reference into it is alive.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.blocks * BLOCK_BYTES as usize) };
    }
}

/// What struct virtio_net_hdr says of a super-packet; its `hdr_len` is a hint and not read.
pub(super) fn gso_of(vnet: &[u8]) -> Option<Gso> {
    /// Beside the type: TCP's headers use ECN.
    const ECN: u8 = 0x80;
    let transport = match vnet[1] & !ECN {
        0 => return None,
        1 | 4 => Transport::Tcp,
        5 => Transport::Udp,
        _ => Transport::Other,
    };
    Some(Gso { transport, segment_bytes: u16::from_ne_bytes([vnet[4], vnet[5]]) })
}
