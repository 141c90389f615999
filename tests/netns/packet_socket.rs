//! A raw packet socket on one device: sends frames as they are, and counts frames as an oracle that
//! shares nothing with the daemon.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::Namespace;
use super::tun::VNET_HEADER;
use crate::support::wait::{TIMEOUT, let_pass, wait_at_most};

const ETH_P_ALL: u16 = 0x0003;
const PACKET_VNET_HDR: libc::c_int = 15;
const PACKET_QDISC_BYPASS: libc::c_int = 20;
/// The kernel charges whole pages, so a small buffer would lose packets of its own.
const ORACLE_BUFFER: libc::c_int = 64 << 20;

/// Where a frame goes when the device refuses it for want of room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Egress: the taps have seen the frame before the driver dropped it.
    Counted,
    /// Ingress of the peer: the frame was dropped before the peer saw it, so it is sent again.
    SentAgain,
}

pub(crate) struct PacketSocket {
    socket: OwnedFd,
    index: i32,
    refused: Refused,
}

impl PacketSocket {
    /// Sends out of `device`, which is the one that is metered.
    pub(crate) fn egress(namespace: &Namespace, device: &str) -> Self {
        Self { socket: open(namespace, 0), index: namespace.device_index(device), refused: Refused::Counted }
    }

    /// Sends out of the metered device with a vnet header before each frame.
    pub(crate) fn egress_with_vnet_header(namespace: &Namespace, device: &str) -> Self {
        let socket = Self::egress(namespace, device);
        set_option(&socket.socket, libc::SOL_PACKET, PACKET_VNET_HDR, 1);
        socket
    }

    /// Sends out of the metered device by a way that meets no tap and no queueing discipline.
    pub(crate) fn past_taps(namespace: &Namespace, device: &str) -> Self {
        let socket = Self::egress(namespace, device);
        set_option(&socket.socket, libc::SOL_PACKET, PACKET_QDISC_BYPASS, 1);
        socket
    }

    /// Sends out of `device`, whose veth peer is the one that is metered.
    pub(crate) fn towards_peer(namespace: &Namespace, device: &str) -> Self {
        Self { refused: Refused::SentAgain, ..Self::egress(namespace, device) }
    }

    /// The same with a vnet header before each frame.
    pub(crate) fn towards_peer_with_vnet_header(namespace: &Namespace, device: &str) -> Self {
        Self { refused: Refused::SentAgain, ..Self::egress_with_vnet_header(namespace, device) }
    }

    /// Receives whatever passes `device`, both ways.
    pub(crate) fn oracle(namespace: &Namespace, device: &str) -> Self {
        let socket = open(namespace, ETH_P_ALL);
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, ORACLE_BUFFER);
        let index = namespace.device_index(device);
        let address = link_address(index, ETH_P_ALL);
        // SAFETY: the address is a sockaddr_ll of the length told, and outlives the call.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), address_length()) };
        assert_eq!(bound, 0, "bind a packet socket: {}", io::Error::last_os_error());
        Self { socket, index, refused: Refused::Counted }
    }

    /// Sends an Ethernet frame.
    pub(crate) fn send_frame(&self, frame: &[u8]) {
        self.send(frame, 0);
    }

    /// Sends an IP packet on a device without a link header.
    pub(crate) fn send_ip(&self, packet: &[u8]) {
        self.send(packet, protocol_of(packet[0]));
    }

    /// Sends an IP packet that a vnet header precedes on a device without a link header.
    pub(crate) fn send_super(&self, header_and_packet: &[u8]) {
        self.send(header_and_packet, protocol_of(header_and_packet[VNET_HEADER]));
    }

    fn send(&self, frame: &[u8], protocol: u16) {
        let address = link_address(self.index, protocol);
        loop {
            // SAFETY: buffer and address are live for the call and of the lengths told.
            let sent = unsafe {
                libc::sendto(
                    self.socket.as_raw_fd(),
                    frame.as_ptr().cast(),
                    frame.len(),
                    0,
                    (&raw const address).cast(),
                    address_length(),
                )
            };
            if sent >= 0 {
                return;
            }
            let error = io::Error::last_os_error();
            match (error.raw_os_error(), self.refused) {
                (Some(libc::ENOBUFS), Refused::Counted) => return,
                (Some(libc::ENOBUFS), Refused::SentAgain) => {
                    let_pass(Duration::from_millis(1), "the device makes room");
                }
                _ => panic!("sending {} bytes: {error}", frame.len()),
            }
        }
    }

    /// Takes so many frames, and what comes after them: (incoming, outgoing) frames as pairs of count and
    /// bytes on the wire.
    pub(crate) fn take(&self, frames: u64) -> [(u64, u64); 2] {
        let mut seen = [(0, 0); 2];
        // Whoever asks compares the figures, and says more of what is missing.
        wait_at_most(TIMEOUT, || {
            self.take_waiting(&mut seen);
            seen[0].0 + seen[1].0 >= frames
        });
        let_pass(Duration::from_millis(200), "a frame too many would be seen by now");
        self.take_waiting(&mut seen);
        seen
    }

    fn take_waiting(&self, seen: &mut [(u64, u64); 2]) {
        let mut buffer = [0_u8; 64];
        loop {
            let mut address = link_address(0, 0);
            let mut length = address_length();
            // SAFETY: buffer and address are live for the call and of the lengths told.
            let received = unsafe {
                libc::recvfrom(
                    self.socket.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                    (&raw mut address).cast(),
                    &raw mut length,
                )
            };
            let Ok(received) = u64::try_from(received) else { return };
            let outgoing = usize::from(address.sll_pkttype == libc::PACKET_OUTGOING);
            seen[outgoing].0 += 1;
            seen[outgoing].1 += received;
        }
    }
}

fn open(namespace: &Namespace, protocol: u16) -> OwnedFd {
    let protocol = libc::c_int::from(protocol.to_be());
    namespace.run(move || {
        // SAFETY: socket takes plain numbers; a good descriptor is owned by nobody else.
        let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        assert!(raw >= 0, "live tests need CAP_NET_RAW: {}", io::Error::last_os_error());
        // SAFETY: as above.
        unsafe { OwnedFd::from_raw_fd(raw) }
    })
}

fn set_option(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) {
    // SAFETY: the value is an int of the length told, and outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("an int is small"),
        )
    };
    assert_eq!(set, 0, "socket option {option}: {}", io::Error::last_os_error());
}

fn link_address(index: i32, protocol: u16) -> libc::sockaddr_ll {
    // SAFETY: sockaddr_ll is plain data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).expect("families are small");
    address.sll_ifindex = index;
    address.sll_protocol = protocol.to_be();
    address
}

fn address_length() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("a socket address is small")
}

fn protocol_of(first_byte: u8) -> u16 {
    match first_byte >> 4 {
        6 => 0x86dd,
        _ => 0x0800,
    }
}
