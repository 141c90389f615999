//! A TUN device whose far end is the test: a write is a packet arriving (ingress), and a thread drains
//! what the namespace sends out (egress), so that the device never drops for want of a reader.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::Namespace;
use crate::support::wait::let_pass;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Bytes of `struct virtio_net_hdr`, which precedes each packet on a device with offloads.
pub(crate) const VNET_HEADER: usize = 10;
/// Above the largest super-packet with its vnet header.
const LARGEST_READ: usize = 70_000;

pub(crate) struct Tun {
    file: Arc<File>,
    name: String,
    came_out: Arc<CameOut>,
    stop: Arc<AtomicBool>,
    drain: Option<thread::JoinHandle<()>>,
}

/// What left the namespace through the device.
#[derive(Default)]
struct CameOut {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Tun {
    /// Makes the device and brings it up, without a queueing discipline.
    pub(crate) fn open(namespace: &Namespace, name: &str) -> Self {
        Self::make(namespace, name, 0)
    }

    /// Makes the device with a vnet header before each packet and every segmentation offload on.
    pub(crate) fn open_with_offloads(namespace: &Namespace, name: &str) -> Self {
        Self::make(namespace, name, libc::IFF_VNET_HDR)
    }

    fn make(namespace: &Namespace, name: &str, extra_flags: libc::c_int) -> Self {
        let owned = name.to_owned();
        let file = namespace.run(move || attach(&owned, extra_flags));
        namespace.command(&format!("ip link set {name} txqueuelen 20000"));
        // What a queueing discipline drops is never shown to a tap, and would not be an error of it.
        namespace.command(&format!("tc qdisc replace dev {name} root noqueue"));
        namespace.command(&format!("ip link set {name} up"));
        let file = Arc::new(file);
        let came_out = Arc::new(CameOut::default());
        let stop = Arc::new(AtomicBool::new(false));
        let drain = {
            let (file, came_out, stop) = (Arc::clone(&file), Arc::clone(&came_out), Arc::clone(&stop));
            thread::spawn(move || drain(&file, &came_out, &stop))
        };
        Self { file, name: name.to_owned(), came_out, stop, drain: Some(drain) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Lets one packet arrive from the tunnel.
    pub(crate) fn inject(&self, packet: &[u8]) {
        let written = (&*self.file).write(packet).expect("the TUN device takes a packet");
        assert_eq!(written, packet.len(), "the TUN device takes a whole packet");
    }

    /// Packets that left the namespace through the device so far.
    pub(crate) fn came_out(&self) -> u64 {
        // Relaxed: a count read for a later comparison orders nothing.
        self.came_out.packets.load(Ordering::Relaxed)
    }

    /// Bytes of the same, of a device without a vnet header.
    pub(crate) fn bytes_that_came_out(&self) -> u64 {
        // Relaxed: as above.
        self.came_out.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Tun {
    fn drop(&mut self) {
        // Relaxed: the drain only needs to see the flag eventually.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(drain) = self.drain.take() {
            // A panic of the drain shows as packets that did not come out.
            let _ = drain.join();
        }
    }
}

/// A device alone, down and with nobody who reads it, where hundreds are wanted.
pub(crate) fn bare(namespace: &Namespace, name: &str) -> File {
    let owned = name.to_owned();
    namespace.run(move || attach(&owned, 0))
}

fn attach(name: &str, extra_flags: libc::c_int) -> File {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .expect("live tests need /dev/net/tun");
    // SAFETY: ifreq is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    assert!(name.len() < libc::IFNAMSIZ, "an interface name fits");
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | extra_flags;
    request.ifr_ifru.ifru_flags = i16::try_from(flags).expect("TUN flags fit a short");
    // SAFETY: the descriptor is open and the request outlives the call.
    let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(made, 0, "TUNSETIFF {name}: {}", std::io::Error::last_os_error());
    if extra_flags & libc::IFF_VNET_HDR != 0 {
        let offloads =
            libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_USO4 | libc::TUN_F_USO6;
        // SAFETY: TUNSETOFFLOAD takes its argument by value.
        let set =
            unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(offloads)) };
        assert_eq!(set, 0, "TUNSETOFFLOAD {name}: {}", std::io::Error::last_os_error());
    }
    file
}

fn drain(file: &File, came_out: &CameOut, stop: &AtomicBool) {
    let mut buffer = vec![0; LARGEST_READ];
    // Relaxed: see `Drop`.
    while !stop.load(Ordering::Relaxed) {
        match (&*file).read(&mut buffer) {
            Ok(length) => {
                // Relaxed: plain counts, each read alone.
                came_out.bytes.fetch_add(length as u64, Ordering::Relaxed);
                came_out.packets.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // No error of the wait matters: the device is read again.
                let _ = poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], PollTimeout::from(5_u8));
            }
            // A device that is down or gone gives EIO and EBADFD until it is back or dropped.
            Err(_) => let_pass(Duration::from_millis(5), "a device that is down shows nothing to wait for"),
        }
    }
}
