//! Generated dumps: devices of any shape, cut into messages as the kernel cuts them, whole and damaged.

use super::*;
use crate::system::netlink::{attribute, message};
use proptest::prelude::*;

/// A family's number, as a kernel might give it.
pub(in super::super) const FAMILY: u16 = 0x25;

/// A peer of a generated device.
#[derive(Clone, Debug)]
pub(in super::super) struct Peer {
    pub(in super::super) key: [u8; KEY_BYTES],
    /// Address bytes and length.
    pub(in super::super) allowed: Vec<(Vec<u8>, u8)>,
}

/// What stands where keys, endpoints and times stand: it must be nowhere else.
pub(in super::super) const SECRET: [u8; 32] = *b"a secret of the device or a peer";

fn nested(number: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(number | 0x8000, &parts.concat())
}

fn allowed_attribute((address, length): &(Vec<u8>, u8)) -> Vec<u8> {
    let family = if address.len() == 4 { libc::AF_INET } else { libc::AF_INET6 };
    let family = u16::try_from(family).expect("small");
    let parts = [
        attribute(1, &family.to_ne_bytes()),
        attribute(3, &[*length]),
        attribute(2, address),
        attribute(4, &[0; 4]),
    ];
    nested(0, &parts)
}

fn peer_attribute(peer: &Peer, allowed: &[(Vec<u8>, u8)], is_first: bool) -> Vec<u8> {
    let mut parts = vec![attribute(1, &peer.key)];
    if is_first {
        parts.push(attribute(2, &SECRET));
        parts.push(attribute(6, &SECRET[..16]));
        parts.push(attribute(5, &25_u16.to_ne_bytes()));
        parts.push(attribute(8, &77_u64.to_ne_bytes()));
        parts.push(attribute(7, &78_u64.to_ne_bytes()));
        parts.push(attribute(10, &1_u32.to_ne_bytes()));
        parts.push(attribute(4, &SECRET[..28]));
    }
    if !allowed.is_empty() {
        parts.push(nested(9, &allowed.iter().map(allowed_attribute).collect::<Vec<_>>()));
    }
    nested(0, &parts)
}

/// The dump of a device, in messages of at most so many addresses, and the end.
pub(in super::super) fn dump_of(peers: &[Peer], addresses: usize, interrupted: bool) -> Vec<Vec<u8>> {
    let flags = 2 | if interrupted { INTERRUPTED } else { 0 };
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let (mut room, mut open) = (addresses, Vec::new());
    for peer in peers {
        let (mut rest, mut is_first) = (peer.allowed.as_slice(), true);
        loop {
            if room == 0 {
                parts.push(nested(8, &std::mem::take(&mut open)));
                room = addresses;
            }
            let (some, more) = rest.split_at(rest.len().min(room));
            open.push(peer_attribute(peer, some, is_first));
            room -= some.len();
            (rest, is_first) = (more, false);
            if rest.is_empty() {
                break;
            }
        }
    }
    parts.push(nested(8, &open));
    let device = |at: usize| match at {
        0 => [attribute(6, &51_820_u16.to_ne_bytes()), attribute(3, &SECRET), attribute(4, &SECRET)].concat(),
        _ => Vec::new(),
    };
    let name = attribute(2, b"wg0\0");
    let body =
        |at: usize, peers: &Vec<u8>| [vec![0, 1, 0, 0], name.clone(), device(at), peers.clone()].concat();
    let mut messages: Vec<Vec<u8>> =
        parts.iter().enumerate().map(|(at, peers)| message(FAMILY, flags, &body(at, peers))).collect();
    messages.push(message(DONE, 2, &[0; 4]));
    messages
}

/// Prefixes, each with its peer's key.
type Pairs = Vec<(Prefix, [u8; KEY_BYTES])>;

fn read(datagrams: &[Vec<u8>]) -> Result<(Pairs, bool), Unread> {
    let (mut dump, mut pairs) = (Dump::default(), Vec::new());
    for datagram in datagrams {
        dump.read(datagram, |prefix, key| {
            pairs.push((prefix, *key));
            Ok(())
        })?;
    }
    if dump.is_over() { Ok((pairs, dump.is_interrupted)) } else { Err(Unread::BrokenOff) }
}

fn expected(peers: &[Peer]) -> Pairs {
    let prefix = |(address, length): &(Vec<u8>, u8)| {
        let text = match <[u8; 4]>::try_from(address.as_slice()) {
            Ok(v4) => format!("{}/{length}", v4.map(|byte| byte.to_string()).join(".")),
            Err(_) => {
                let groups: Vec<String> =
                    address.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
                format!("{}/{length}", groups.join(":"))
            }
        };
        Prefix::parse_around(&text).expect("a prefix")
    };
    peers.iter().flat_map(|peer| peer.allowed.iter().map(move |row| (prefix(row), peer.key))).collect()
}

pub(in super::super) fn any_peers(most: usize) -> impl Strategy<Value = Vec<Peer>> {
    let v4 = (proptest::collection::vec(any::<u8>(), 4), 0_u8..=32);
    let v6 = (proptest::collection::vec(any::<u8>(), 16), 0_u8..=128);
    let peer = (any::<[u8; KEY_BYTES]>(), proptest::collection::vec(prop_oneof![v4, v6], 0..6));
    proptest::collection::vec(peer.prop_map(|(key, allowed)| Peer { key, allowed }), 0..most)
}

proptest! {
    /// However the kernel cuts a device into messages and datagrams, every prefix comes with its peer's key.
    #[test]
    fn a_device_is_read_whole(peers in any_peers(20), addresses in 1_usize..9, joined in 1_usize..4, interrupted: bool) {
        let messages = dump_of(&peers, addresses, interrupted);
        let datagrams: Vec<Vec<u8>> = messages.chunks(joined).map(<[Vec<u8>]>::concat).collect();
        let (pairs, told) = read(&datagrams).expect("it is well-formed");
        prop_assert!(pairs == expected(&peers));
        prop_assert_eq!(told, interrupted);
    }

    /// A dump that ends early is none, wherever it ends.
    #[test]
    fn a_dump_that_breaks_off_is_refused(peers in any_peers(6), addresses in 1_usize..4, cut: prop::sample::Index) {
        let whole = dump_of(&peers, addresses, false).concat();
        let cut = cut.index(whole.len());
        prop_assert!(read(&[whole[..cut].to_vec()]).is_err());
    }

    /// Lengths that lie end it without harm, and no secret is taken for a key.
    #[test]
    fn a_damaged_dump_does_no_harm(
        peers in any_peers(6),
        addresses in 1_usize..4,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut bytes = dump_of(&peers, addresses, false).concat();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(&[bytes]);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&[bytes]);
    }
}

#[test]
fn what_is_not_as_the_kernel_writes_it_is_refused() {
    let peer = Peer { key: [7; KEY_BYTES], allowed: vec![(vec![10, 8, 0, 2], 32)] };
    let one = |peer: Vec<u8>| {
        let body = [vec![0, 1, 0, 0], nested(8, &[peer])].concat();
        read(&[message(FAMILY, 2, &body), message(DONE, 2, &[0; 4])])
    };
    let allowed =
        |parts: &[Vec<u8>]| one(nested(0, &[attribute(1, &peer.key), nested(9, &[nested(0, parts)])]));
    let (family, address, length) =
        (attribute(1, &2_u16.to_ne_bytes()), attribute(2, &[10, 8, 0, 2]), attribute(3, &[32]));
    assert!(allowed(&[family.clone(), address.clone(), length.clone()]).is_ok());
    for parts in [
        vec![address.clone(), length.clone()],
        vec![family.clone(), length.clone()],
        vec![family.clone(), address.clone()],
        vec![family.clone(), attribute(2, &[0; 16]), length.clone()],
        vec![family.clone(), address.clone(), attribute(3, &[33])],
        vec![attribute(1, &3_u16.to_ne_bytes()), address.clone(), length.clone()],
        vec![family.clone(), address.clone(), attribute(3, &[])],
    ] {
        assert!(matches!(allowed(&parts), Err(Unread::Malformed)));
    }
    // A peer without a key, and one whose key has another length.
    let addresses = nested(9, &[allowed_attribute(&peer.allowed[0])]);
    assert!(matches!(one(nested(0, std::slice::from_ref(&addresses))), Err(Unread::Malformed)));
    assert!(matches!(one(nested(0, &[attribute(1, &[7; 31]), addresses])), Err(Unread::Malformed)));
    // The kernel's refusal, at the end or at once.
    for kind in [DONE, ERROR] {
        let refused = read(&[message(kind, 2, &(-libc::ENODEV).to_ne_bytes())]);
        assert!(matches!(refused, Err(Unread::Refused(error)) if error.raw_os_error() == Some(libc::ENODEV)));
    }
    let after = read(&[message(DONE, 2, &[0; 4]), message(DONE, 2, &[0; 4])]);
    assert!(matches!(after, Err(Unread::Malformed)));
}

/// Inputs of the corpus, altered: a dump is whole or refused, and no address stands past its prefix.
#[test]
fn altered_dumps_are_read_or_refused() {
    super::super::super::mutated::inputs("netlink", |datagram| {
        let (mut dump, mut pairs) = (Dump::default(), 0_usize);
        let read = dump.read(datagram, |prefix, _| {
            pairs += 1;
            assert!(Prefix::new(prefix.address(), prefix.length()) == Some(prefix));
            Ok(())
        });
        assert!(pairs <= datagram.len() / KEY_BYTES * 16, "each takes room");
        (pairs, dump.is_over(), dump.is_interrupted, read.map_err(|why| std::mem::discriminant(&why)))
    });
}
