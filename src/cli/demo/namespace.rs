//! A private network namespace with one tunnel device, for the demo. It ends with the process.
//!
//! Root enters a network namespace; an ordinary user also enters a user namespace, where that is
//! allowed. The device is a TUN, or a veth pair where /dev/net/tun cannot be opened. IPv6 is disabled
//! on it, so that the kernel adds no packets of its own to what the demo counts.
//! Must be entered before any thread is started: a namespace belongs to a thread.
//!
//! # Source
//! network_namespaces(7), user_namespaces(7); Documentation/networking/tuntap.rst; rtnetlink(7).
#![expect(unsafe_code, reason = "TUNSETIFF is an ioctl")]

use crate::system::netlink::{CREATE, EXCLUSIVE, attribute, request, text};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

/// The metered device.
pub(super) const DEVICE: &str = "demo0";

/// RTM_NEWLINK.
const NEW_LINK: u16 = 16;

/// The clients' end of a veth pair.
const CLIENTS: &str = "demo1";

/// How packets get to the device.
pub(super) enum Device {
    /// A TUN: what is written to it arrives as if from the clients; what the kernel sends is read from it.
    Tun(File),
    /// A veth pair: frames sent on `clients` arrive on the device.
    Veth {
        /// Index of the clients' end.
        clients: u32,
    },
}

/// A namespace with its device up.
pub(super) struct PrivateNamespace {
    /// The device.
    pub device: Device,
    /// Index of the metered device.
    pub index: u32,
}

/// Enters a new namespace and creates the device.
///
/// # Errors
/// One phrase that says what this system does not allow.
pub(super) fn enter() -> Result<PrivateNamespace, String> {
    isolate().map_err(|error| format!("cannot create a network namespace ({error})"))?;
    for name in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        match fs::write(path, "1") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("cannot disable IPv6 in the namespace ({error})"));
            }
            // Without this file the kernel has no IPv6.
            _ => {}
        }
    }
    let device = match tun() {
        Ok(file) => Device::Tun(file),
        Err(tun_error) => {
            veth().map_err(|error| {
                format!("cannot create a TUN device ({tun_error}) or a veth pair ({error})")
            })?;
            let clients = up(CLIENTS).map_err(|error| format!("cannot set up {CLIENTS} ({error})"))?;
            Device::Veth { clients }
        }
    };
    let index = up(DEVICE).map_err(|error| format!("cannot set up {DEVICE} ({error})"))?;
    Ok(PrivateNamespace { device, index })
}

/// Enters a new namespace that has loopback alone.
///
/// # Errors
/// One phrase that says what this system does not allow.
pub(in crate::cli) fn enter_alone() -> Result<(), String> {
    isolate().map_err(|error| format!("cannot create a network namespace ({error})"))?;
    up("lo").map_err(|error| format!("cannot set up loopback ({error})")).map(drop)
}

fn isolate() -> io::Result<()> {
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(());
    }
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    // user_namespaces(7): an unprivileged process may map groups only after this.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

fn tun() -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: ifreq is plain old data, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *to = libc::c_char::try_from(from).map_err(io::Error::other)?;
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which outlives the call.
    if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// Creates the pair [`DEVICE`] and [`CLIENTS`].
fn veth() -> io::Result<()> {
    const NAME: u16 = 3;
    const LINK_INFO: u16 = 18;
    const INFO_KIND: u16 = 1;
    const INFO_DATA: u16 = 2;
    const PEER: u16 = 1;
    let peer = [vec![0; 16], attribute(NAME, &text(CLIENTS))].concat();
    let link_info = [attribute(INFO_KIND, b"veth"), attribute(INFO_DATA, &attribute(PEER, &peer))].concat();
    let body = [vec![0; 16], attribute(NAME, &text(DEVICE)), attribute(LINK_INFO, &link_info)].concat();
    request(NEW_LINK, EXCLUSIVE | CREATE, &body)
}

/// Brings a device up and returns its index.
fn up(name: &str) -> io::Result<u32> {
    let index = if_nametoindex(name)?;
    let up = 1_u32.to_ne_bytes();
    // struct ifinfomsg: family and type, index, flags, change mask.
    let body = [[0; 4], index.to_ne_bytes(), up, up].concat();
    request(NEW_LINK, 0, &body).map(|()| index)
}
