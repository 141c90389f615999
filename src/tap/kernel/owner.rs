//! Who owns a filter or a link of ours: the node, the place of its pins, and the generation of its
//! counters; and whether that owner lives.
//!
//! A filter carries its owner as its name, a link in the maps of its program. A living daemon holds a
//! socket of that name in the abstract namespace, which belongs to the network namespace, as
//! interfaces do: another one can ask for it whatever it sees of the file system, and it ends with
//! the process. Holds no address and no account.
//!
//! # Source
//! unix(7) (abstract sockets); net/unix/af_unix.c (names belong to a network namespace).

use super::header::Header;
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, UnixAddr, bind, connect, shutdown, socket,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// What the name of every filter of ours begins with.
const PREFIX: &str = "blindmeter";

/// The owner of filters and links.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// Half of the node's identity.
    node: u64,
    /// [`Header::home`].
    home: u16,
    /// Half of the generation of its counters, as in the names of pins.
    generation: u64,
}

/// What a start or `detach` may take off besides what it finds pinned: what a dead process of this
/// node left, that pinned at the same place or nowhere.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    node: u64,
    home: u16,
}

/// Held by a living owner.
pub(super) struct Mark {
    /// Of the owner and its programs. One whose name could not be had is missing: whoever has the name
    /// makes the owner look alive as well.
    _sockets: Vec<OwnedFd>,
}

impl Owner {
    pub(super) fn of(header: &Header) -> Self {
        Self { node: half(header.node), home: header.home, generation: half(header.generation) }
    }

    /// The name that its filters have.
    pub(super) fn name(self) -> String {
        let Self { node, home, generation } = self;
        format!("{PREFIX}-{node:016x}-{home:04x}-{generation:016x}")
    }

    /// The owner of this name; none where it is no name of ours.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.strip_prefix('-')?.split('-');
        let owner = Self {
            node: u64::from_str_radix(parts.next()?, 16).ok()?,
            home: u16::from_str_radix(parts.next()?, 16).ok()?,
            generation: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        (owner.name() == name).then_some(owner)
    }

    /// The number that its filters are known by among others of the same priority.
    pub(super) fn handle(self) -> u32 {
        // Zero asks the kernel for a number of its own.
        (self.generation & 0x7fff_ffff).try_into().unwrap_or(0) | 1
    }

    /// Marks the owner and the programs of these numbers as alive in this network namespace, as long as the
    /// mark is held.
    pub(super) fn mark(self, programs: &[u32]) -> Mark {
        let names = std::iter::once(self.name()).chain(programs.iter().map(|id| program(*id)));
        Mark { _sockets: names.flat_map(|name| bound(&name)).collect() }
    }

    /// Whether the owner lives in this network namespace. A doubt counts as life.
    pub(super) fn lives(self) -> bool {
        let asked = datagram_socket().and_then(|socket| {
            Ok(connect(socket.as_raw_fd(), &UnixAddr::new_abstract(self.name().as_bytes())?)?)
        });
        !asked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Whether its counters are of one of these generations, by their halves.
    pub(super) fn is_of(self, generations: &[u64]) -> bool {
        generations.contains(&self.generation)
    }
}

impl Claim {
    pub(super) fn new(node: [u8; 16], home: u16) -> Self {
        Self { node: half(node), home }
    }

    /// Whether an owner is dead, and nobody but this claimant goes on after it.
    pub(super) fn covers(self, owner: Owner) -> bool {
        owner.node == self.node && (owner.home == 0 || owner.home == self.home) && !owner.lives()
    }
}

/// The number of a place for pins; never 0.
pub(super) fn home(pin: &Path) -> u16 {
    use std::os::unix::ffi::OsStrExt;
    let hash = blake3::hash(pin.as_os_str().as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes)) | 1
}

/// Half of a name of sixteen bytes is enough to tell a few apart.
pub(super) fn half(name: [u8; 16]) -> u64 {
    name.first_chunk().map_or(0, |half| u64::from_le_bytes(*half))
}

/// Whether the program of this number is a living daemon's of this kind. It is asked from inside the sandbox,
/// where another's socket cannot be reached: a name that cannot be had is somebody's.
pub(super) fn is_of_a_living_one(id: u32) -> bool {
    bound(&program(id)).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn program(id: u32) -> String {
    format!("{PREFIX}-program-{id}")
}

/// A socket of this name, where nobody can leave anything.
fn bound(name: &str) -> io::Result<OwnedFd> {
    let socket = datagram_socket()?;
    bind(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    shutdown(socket.as_raw_fd(), Shutdown::Read)?;
    Ok(socket)
}

fn datagram_socket() -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(generation: u64) -> Owner {
        Owner { node: 7 << 40, home: 9, generation }
    }

    #[test]
    fn an_owner_is_known_again_by_its_name() {
        let name = owner(0xfeed).name();
        assert!(name.len() < 108 - 1, "an abstract socket takes the name: {name}");
        assert!(Owner::of_name(&name) == Some(owner(0xfeed)));
        for other in ["blindmeter", "blindmeter-1-2-3", "cil_from_netdev", &name[1..], &format!("{name}-1")] {
            assert!(Owner::of_name(other).is_none(), "{other}");
        }
    }

    #[test]
    fn an_owner_lives_as_long_as_its_mark_is_held() {
        let generation = u64::from(std::process::id()) << 32 | 0x5eed;
        let (one, other) = (owner(generation), owner(generation + 1));
        let id = std::process::id();
        assert!(!one.lives() && !is_of_a_living_one(id));
        let mark = one.mark(&[id]);
        assert!(one.lives() && one.lives() && !other.lives());
        // A second mark changes nothing.
        drop(one.mark(&[id]));
        assert!(one.lives() && is_of_a_living_one(id) && !is_of_a_living_one(id + 1));
        drop(mark);
        assert!(!one.lives() && !is_of_a_living_one(id));
    }

    #[test]
    fn a_claim_covers_the_dead_of_the_same_node_and_place() {
        let generation = u64::from(std::process::id()) << 32 | 0xc1a1;
        let owner = Owner { node: 3, home: 5, generation };
        let claim = |node: u64, home| Claim { node, home };
        assert!(claim(3, 5).covers(owner));
        assert!(!claim(4, 5).covers(owner), "another node's");
        assert!(!claim(3, 6).covers(owner), "pinned elsewhere, where a next process goes on with it");
        assert!(claim(3, 6).covers(Owner { home: 0, ..owner }), "pinned nowhere");
        let _mark = owner.mark(&[]);
        assert!(!claim(3, 5).covers(owner), "it lives");
    }
}
