//! What of a VPN is found on this host: of an interface, which kind of server it belongs to, where names of its
//! peers stand, and the ranges that it hands out. For `run --interface` and `gen config`.
//!
//! Reads, and changes nothing. Addresses go into the operator's own configuration and nowhere else.

use crate::roster::address::{Pool, Prefix};
use crate::roster::sources::wireguard::Names;
use crate::roster::tagger::Tagger;
use crate::system::netlink::{REQUEST, ask, attribute, attributes, messages, text};
use nix::ifaddrs::getifaddrs;
use std::path::{Path, PathBuf};

/// An interface and what is known of it.
pub(super) struct Found {
    pub(super) interface: String,
    pub(super) server: Server,
    /// Ranges small enough for a pool.
    pub(super) pools: Vec<String>,
}

/// Whose an interface is.
pub(super) enum Server {
    /// A WireGuard device; a wg-quick file with names, or why it cannot be used.
    WireGuard { names: Option<PathBuf>, why_not: Option<String> },
    /// OpenVPN's, by its name and its configuration.
    OpenVpn(PathBuf),
    /// ocserv's, by the same.
    Ocserv,
    /// An IPsec interface.
    Ipsec,
    /// pppd's.
    Ppp,
    /// Nobody's that is known, or there is no such interface.
    Unknown,
}

/// Where programs of the WireGuard family listen, and where wg-quick's files are.
const SOCKETS: &str = "/var/run/wireguard";
const QUICK: &str = "/etc/wireguard";

/// Kinds of devices, as the kernel names them.
const WIREGUARD: [&[u8]; 2] = [b"wireguard", b"amneziawg"];
const IPSEC: [&[u8]; 3] = [b"xfrm", b"vti", b"vti6"];

/// RTM_GETLINK, bytes of struct ifinfomsg, IFLA_IFNAME, IFLA_LINKINFO and IFLA_INFO_KIND.
const GET_LINK: u16 = 18;
const LINK_HEADER: usize = 16;
const LINK_NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;

/// Looks at one interface.
pub(super) fn look(interface: &str) -> Found {
    let kind = kind_of(interface).unwrap_or_default();
    let is_program = Path::new(SOCKETS).join(format!("{interface}.sock")).exists();
    let server = if is_program || WIREGUARD.contains(&kind.as_slice()) {
        let (names, why_not) = names_of(interface);
        Server::WireGuard { names, why_not }
    } else if IPSEC.contains(&kind.as_slice()) || interface.starts_with("ipsec") {
        Server::Ipsec
    } else if interface.starts_with("ppp") {
        Server::Ppp
    } else if interface.starts_with("vpns") {
        Server::Ocserv
    } else if let Some(file) = openvpn_of(interface) {
        Server::OpenVpn(file)
    } else {
        Server::Unknown
    };
    Found { interface: interface.to_owned(), server, pools: pools_of(interface) }
}

/// The kind of a device, as the kernel names it.
fn kind_of(interface: &str) -> Option<Vec<u8>> {
    let body = [vec![0; LINK_HEADER], attribute(LINK_NAME, &text(interface))].concat();
    let answer = ask(GET_LINK, REQUEST, &body).ok()?;
    let message = messages(&answer).next()?;
    let mut parts = attributes(message.body.get(LINK_HEADER..)?);
    let (_, info) = parts.find(|(number, _)| *number == LINK_INFO)?;
    let (_, kind) = attributes(info).find(|(number, _)| *number == INFO_KIND)?;
    Some(kind.strip_suffix(&[0]).unwrap_or(kind).to_vec())
}

/// The wg-quick file of a device, where it can be read as one.
fn names_of(interface: &str) -> (Option<PathBuf>, Option<String>) {
    let path = Path::new(QUICK).join(format!("{interface}.conf"));
    let Ok(bytes) = std::fs::read(&path).map(zeroize::Zeroizing::new) else { return (None, None) };
    let tagger = Tagger::new(&[0; 32]);
    match Names::read(&bytes, |account| tagger.tag_of(account)) {
        Ok(_) => (Some(path), None),
        Err(error) => (None, Some(format!("{} {error}", path.display()))),
    }
}

/// The OpenVPN configuration that names this device, or `tun` for one that is numbered.
fn openvpn_of(interface: &str) -> Option<PathBuf> {
    let numbered = interface.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let folders = ["/etc/openvpn/server", "/etc/openvpn"];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut files: Vec<PathBuf> = files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect();
    files.sort();
    files.into_iter().find(|path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("dev") && words.next().is_some_and(|dev| dev == interface || dev == numbered)
        })
    })
}

/// The ranges of an interface's addresses that are small enough for a pool.
fn pools_of(interface: &str) -> Vec<String> {
    let Ok(addresses) = getifaddrs() else { return Vec::new() };
    let mut pools: Vec<String> = Vec::new();
    for entry in addresses.filter(|entry| entry.interface_name == interface) {
        let (Some(address), Some(mask)) = (entry.address, entry.netmask) else { continue };
        let range = if let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in()) {
            let mask = mask.ip().to_bits();
            let [a, b, c, d] = (address.ip().to_bits() & mask).to_be_bytes();
            format!("{a}.{b}.{c}.{d}/{}", mask.count_ones())
        } else if let (Some(address), Some(mask)) = (address.as_sockaddr_in6(), mask.as_sockaddr_in6()) {
            let mask = mask.ip().to_bits();
            let bits = address.ip().to_bits() & mask;
            let groups: Vec<String> =
                (0..8).map(|at| format!("{:x}", bits >> (112 - 16 * at) & 0xffff)).collect();
            format!("{}/{}", groups.join(":"), mask.count_ones())
        } else {
            continue;
        };
        let prefix = Prefix::parse(&range).ok().filter(|prefix| Pool::of(*prefix).is_some());
        if prefix.is_some_and(|prefix| !prefix.is_host()) && !pools.contains(&range) {
            pools.push(range);
        }
    }
    pools
}
