//! A kernel of the test's own at the other end of a socket pair: it has the families, answers dumps in parts,
//! is interrupted, changes under way, and lies.

use super::super::dump::tests::{FAMILY, Peer, dump_of};
use super::*;
use nix::sys::socket::{recv, socketpair};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the kernel answers to each dump in turn; the last one for ever.
#[derive(Clone)]
enum Act {
    /// These peers, in messages of three addresses.
    Lists(Vec<Peer>),
    /// The same, and the device changed meanwhile.
    Interrupted(Vec<Peer>),
    /// An error at once.
    Refuses(i32),
    /// Nothing.
    Hangs,
    /// These bytes.
    Says(Vec<u8>),
}

struct Kernel {
    acts: Arc<Mutex<Vec<Act>>>,
    families: &'static [&'static str],
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Kernel {
    fn new(families: &'static [&'static str], acts: Vec<Act>) -> Self {
        Self { acts: Arc::new(Mutex::new(acts)), families, threads: Mutex::default() }
    }

    /// A socket to it, served until it is closed.
    fn open(&self) -> Result<OwnedFd, Unread> {
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(refused)?;
        let (acts, families) = (Arc::clone(&self.acts), self.families);
        let serving = std::thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok(length) = recv(its.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                if length == 0 {
                    return;
                }
                for answer in answers(&bytes[..length], families, &acts) {
                    if send(its.as_raw_fd(), &answer, MsgFlags::MSG_NOSIGNAL).is_err() {
                        return;
                    }
                }
            }
        });
        self.threads.lock().expect("no test panics with it").push(serving);
        Ok(ours)
    }

    fn ask(&self, known: &mut Known) -> Result<Vec<Pair>, Unread> {
        let (mut buffer, deadline) = (vec![0; 1 << 16], Deadline::of(Duration::from_millis(500)));
        let asked = ask(|| self.open(), (0, "wg0"), known, &mut buffer, &deadline);
        assert!(asked.is_err() || buffer.iter().all(|byte| *byte == 0), "the buffer is cleared");
        asked
    }
}

fn answers(request: &[u8], families: &[&str], acts: &Mutex<Vec<Act>>) -> Vec<Vec<u8>> {
    let asked = messages(request).next().expect("a request");
    if asked.kind == CONTROL {
        let (_, name) = attributes(&asked.body[4..]).find(|(kind, _)| *kind == FAMILY_NAME).expect("a name");
        let known = families.iter().any(|family| text(family) == name);
        let body =
            [vec![1, 2, 0, 0], attribute(2, name), attribute(FAMILY_ID, &FAMILY.to_ne_bytes())].concat();
        let refusal = [(-libc::ENOENT).to_ne_bytes().to_vec(), request[..16].to_vec()].concat();
        return vec![if known { message(CONTROL, 0, &body) } else { message(netlink::ERROR, 0, &refusal) }];
    }
    assert_eq!(asked.kind, FAMILY);
    let (_, name) = attributes(&asked.body[4..]).find(|(kind, _)| *kind == DEVICE_NAME).expect("a name");
    assert_eq!(name, b"wg0\0");
    let mut acts = acts.lock().expect("no test panics with it");
    let act = if acts.len() > 1 { acts.remove(0) } else { acts[0].clone() };
    match act {
        Act::Lists(peers) => dump_of(&peers, 3, false),
        Act::Interrupted(peers) => dump_of(&peers, 3, true),
        Act::Refuses(code) => vec![message(netlink::ERROR, 0, &(-code).to_ne_bytes())],
        Act::Hangs => Vec::new(),
        Act::Says(bytes) => vec![bytes],
    }
}

/// A peer of this number, with so many addresses.
fn peer(number: u8, addresses: u8) -> Peer {
    let allowed = (0..addresses).map(|at| (vec![10, 8, number, at], 32)).collect();
    Peer { key: [number; KEY_BYTES], allowed }
}

fn known() -> Known {
    Known::new(1, [9; 32])
}

fn numbers(pairs: &[Pair]) -> Vec<(u8, u8)> {
    pairs.iter().map(|pair| (pair.0[18], pair.0[17])).collect()
}

fn all(peers: &[Peer]) -> Vec<(u8, u8)> {
    peers.iter().flat_map(|peer| peer.allowed.iter().map(|(address, _)| (peer.key[0], address[3]))).collect()
}

#[test]
fn an_answer_counts_when_it_comes_again() {
    let peers = [peer(1, 5), peer(2, 1), peer(3, 0), peer(4, 7)];
    let (partial, whole) = (peers[..2].to_vec(), peers.to_vec());
    // The first two list a part, the third was interrupted: the whole one counts, seen twice.
    let acts = vec![
        Act::Lists(partial.clone()),
        Act::Interrupted(whole.clone()),
        Act::Lists(whole.clone()),
        Act::Lists(whole.clone()),
        Act::Refuses(libc::EIO),
    ];
    let (kernel, mut known) = (Kernel::new(&["wireguard"], acts), known());
    assert_eq!(numbers(&kernel.ask(&mut known).expect("stable")), all(&peers));
    assert_eq!(kernel.acts.lock().expect("whole").len(), 1, "every act was needed");
    // A poll later one answer is enough where nothing has changed.
    *kernel.acts.lock().expect("whole") = vec![Act::Lists(whole), Act::Refuses(libc::EIO)];
    assert_eq!(numbers(&kernel.ask(&mut known).expect("stable")), all(&peers));
    // And two where something has.
    *kernel.acts.lock().expect("whole") =
        vec![Act::Lists(partial.clone()), Act::Lists(partial.clone()), Act::Refuses(libc::EIO)];
    assert_eq!(numbers(&kernel.ask(&mut known).expect("stable")), all(&partial));
}

#[test]
fn a_device_that_never_rests_is_told_and_so_is_one_that_hangs() {
    let changing = (0..40).map(|at| Act::Lists(vec![peer(at, 1)])).collect();
    assert!(matches!(Kernel::new(&["wireguard"], changing).ask(&mut known()), Err(Unread::Unstable)));
    let interrupted = vec![Act::Interrupted(vec![peer(1, 1)])];
    assert!(matches!(Kernel::new(&["wireguard"], interrupted).ask(&mut known()), Err(Unread::Unstable)));
    assert!(matches!(Kernel::new(&["wireguard"], vec![Act::Hangs]).ask(&mut known()), Err(Unread::Stalled)));
}

#[test]
fn a_device_of_the_other_family_is_found() {
    let peers = vec![peer(1, 2)];
    let only = Kernel::new(&["amneziawg"], vec![Act::Lists(peers.clone())]);
    assert_eq!(numbers(&only.ask(&mut known()).expect("stable")), all(&peers));
    let acts = vec![Act::Refuses(libc::EOPNOTSUPP), Act::Lists(peers.clone())];
    let both = Kernel::new(&["wireguard", "amneziawg"], acts);
    assert_eq!(numbers(&both.ask(&mut known()).expect("stable")), all(&peers));
    for (families, code) in [(&["wireguard", "amneziawg"][..], libc::ENODEV), (&["wireguard"], libc::EPERM)] {
        let refused = Kernel::new(families, vec![Act::Refuses(code)]).ask(&mut known()).err();
        assert!(matches!(refused, Some(Unread::Refused(error)) if error.raw_os_error() == Some(code)));
    }
    let none = Kernel::new(&[], vec![Act::Hangs]).ask(&mut known()).err();
    assert!(matches!(none, Some(Unread::Refused(error)) if error.raw_os_error() == Some(libc::ENODEV)));
}

#[test]
fn a_kernel_that_lies_is_refused() {
    for bytes in [vec![], vec![0; 3], vec![0xff; 40], dump_of(&[peer(1, 2)], 3, false)[0][..30].to_vec()] {
        let lie = Kernel::new(&["wireguard"], vec![Act::Says(bytes.clone())]).ask(&mut known());
        assert!(matches!(lie, Err(Unread::Malformed | Unread::BrokenOff | Unread::Stalled)), "{bytes:?}");
    }
}

/// This kernel has no WireGuard of its own, or a device of no such name: either is told, not waited for.
#[test]
fn the_running_kernel_answers_in_its_own_words() {
    let (mut buffer, deadline) = (vec![0; 1 << 16], Deadline::of(Duration::from_secs(2)));
    let asked = ask(open, (0, "bm-none0"), &mut known(), &mut buffer, &deadline).err();
    assert!(matches!(asked, Some(Unread::Refused(error)) if error.raw_os_error() == Some(libc::ENODEV)));
}
