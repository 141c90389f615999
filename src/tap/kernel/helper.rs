//! The one process that keeps capabilities: it attaches the program to interfaces, and detaches it.
//!
//! It holds the programs, CAP_BPF, CAP_NET_ADMIN and one socket; it has no thread, no roster, no
//! address, and ends with its socket. It ignores the signals that end the daemon, since a service
//! manager sends them to both at once and the daemon must have the last word.
//! When nothing is to outlive the daemon it takes its filters off at the end; links need no such
//! care, they end with their descriptors.
#![expect(unsafe_code, reason = "a descriptor that came with a message")]

use super::hooks;
use super::owner::Owner;
use super::set::Programs;
use super::sys;
use crate::config::Hook;
use crate::system::{capabilities, child, sandbox};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

/// Asks to take our filters off an interface; the interface's index follows.
const DETACH: u32 = 0;
/// Asks to attach one direction of an interface, with these bits.
const ATTACH: u32 = 1;
const ETHERNET: u32 = 2;
const UP: u32 = 4;
/// Asks to take off an interface the filters of dead processes, which nobody goes on with.
const DETACH_DEAD: u32 = 8;

/// Asks which programs stand at tcx hooks; places follow, as many as [`PLACES`] at most.
const LOOK: u32 = 16;
/// With [`ATTACH`]: anew, in front of what has come since.
const ANEW: u32 = 32;

/// Hooks that one look is for, and programs at each that are told.
const PLACES: usize = 128;
pub(super) const TOLD: usize = 15;

/// Words of the longest message: a look's answer has a number before the programs of each place.
const MESSAGE_WORDS: usize = 2 + PLACES * (1 + TOLD);

/// The daemon's end of the helper.
pub(super) struct Helper {
    socket: Mutex<Option<OwnedFd>>,
    process: Pid,
}

impl Helper {
    /// Starts the helper, which takes its filters off at its end unless they `outlive` it. Must be
    /// called while the process has one thread.
    pub(super) fn start(
        programs: &Programs,
        hook: Hook,
        outlive: bool,
        owner: Owner,
        dead: Vec<Owner>,
    ) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let mut kept: Vec<BorrowedFd<'_>> = programs.0.iter().map(AsFd::as_fd).collect();
        kept.push(its.as_fd());
        let process = child::start(c"bm-helper", &kept, || {
            serve(&its, programs, &Attaching { hook, outlive, owner, dead });
        })?;
        Ok(Self { socket: Mutex::new(Some(ours)), process })
    }

    /// Attaches one direction to the interface of this index; `anew` takes off a filter that stands
    /// there first. A link lives as long as its descriptor; a filter has none.
    pub(super) fn attach(
        &self,
        index: u32,
        ethernet: bool,
        up: bool,
        anew: bool,
    ) -> io::Result<Option<OwnedFd>> {
        let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        let what = ATTACH | bit(ethernet, ETHERNET) | bit(up, UP) | bit(anew, ANEW);
        self.ask(&[what, index]).map(|answer| answer.link)
    }

    /// Takes our filters off an interface.
    pub(super) fn detach(&self, index: u32) -> io::Result<()> {
        self.ask(&[DETACH, index]).map(drop)
    }

    /// Takes the filters of dead processes of this node off an interface.
    pub(super) fn detach_dead(&self, index: u32) -> io::Result<()> {
        self.ask(&[DETACH_DEAD, index]).map(drop)
    }

    /// The programs at these tcx hooks (index, way in), in the order in which they see a packet; of each hook
    /// the first [`TOLD`]. None where the kernel tells nothing of it.
    pub(super) fn look(&self, hooks: &[(u32, bool)]) -> io::Result<Vec<Option<Vec<u32>>>> {
        let mut standing = Vec::with_capacity(hooks.len());
        for hooks in hooks.chunks(PLACES) {
            let places = hooks.iter().map(|(index, ingress)| index << 1 | u32::from(*ingress));
            let answer = self.ask(&[LOOK, 0].into_iter().chain(places).collect::<Vec<u32>>())?;
            let places = answer.words.get(2..).unwrap_or_default().chunks_exact(1 + TOLD);
            standing.extend(places.map(|place| {
                let count = usize::try_from(place[0].checked_sub(1)?).ok()?;
                Some(place[1..].iter().copied().take(count).collect())
            }));
        }
        Ok(standing)
    }

    fn ask(&self, request: &[u32]) -> io::Result<Message> {
        let socket = self.socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        send(socket, request, None)?;
        let answer = receive(socket, MsgFlags::MSG_CMSG_CLOEXEC)?.ok_or(io::ErrorKind::BrokenPipe)?;
        match answer.words[0] {
            0 => Ok(answer),
            code => Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let socket = self.socket.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Its end closes with ours; what it had left to do is done when it is gone.
        *socket = None;
        let _ = waitpid(self.process, None);
    }
}

/// A request (what, interface, more) or an answer (error number, zero, more), perhaps with a link.
struct Message {
    words: Vec<u32>,
    link: Option<OwnedFd>,
}

/// Waits for a message of two words at least; none when the other end is closed.
fn receive(socket: &OwnedFd, flags: MsgFlags) -> io::Result<Option<Message>> {
    let mut bytes = vec![0; MESSAGE_WORDS * size_of::<u32>()];
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut link = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel made the descriptor for this process with the message.
            link = numbers.first().map(|number| unsafe { OwnedFd::from_raw_fd(*number) });
        }
    }
    let received = message.bytes;
    let words = bytes[..received].as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes));
    let words: Vec<u32> = words.collect();
    Ok((words.len() >= 2).then_some(Message { words, link }))
}

fn send(socket: &OwnedFd, words: &[u32], link: Option<&OwnedFd>) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let numbers: Vec<i32> = link.map(AsRawFd::as_raw_fd).into_iter().collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// What the helper attaches for, to its end.
struct Attaching {
    hook: Hook,
    /// What is attached outlives the daemon.
    outlive: bool,
    owner: Owner,
    /// Whose filters are left from dead processes.
    dead: Vec<Owner>,
}

/// The helper's life: one request, one answer, until the socket closes.
fn serve(socket: &OwnedFd, programs: &Programs, attaching: &Attaching) {
    let Attaching { hook, outlive, owner, dead } = attaching;
    let enclosed = capabilities::keep_only(&capabilities::ATTACHING).and_then(|()| sandbox::enter_helper());
    if enclosed.is_err() {
        return;
    }
    let mut filtered: Vec<u32> = Vec::new();
    while let Ok(Some(Message { words, .. })) = receive(socket, MsgFlags::empty()) {
        let (what, index) = (words[0], words[1]);
        let mut told = Vec::new();
        let result = match what {
            DETACH => {
                filtered.retain(|other| *other != index);
                hooks::detach_filters(index, |other| other == *owner).map(|_| None)
            }
            DETACH_DEAD => hooks::detach_filters(index, |other| dead.contains(&other)).map(|_| None),
            LOOK => {
                told.extend(words[2..].iter().flat_map(|place| standing(place >> 1, place & 1 != 0)));
                Ok(None)
            }
            _ => {
                let (ethernet, up) = (what & ETHERNET != 0, what & UP != 0);
                if !filtered.contains(&index) {
                    filtered.push(index);
                }
                hooks::attach(*hook, programs.of(ethernet, up), index, up, *owner, what & ANEW != 0)
            }
        };
        let (code, link) = match result {
            Ok(link) => (0, link),
            Err(error) => (error.raw_os_error().unwrap_or(libc::EIO).cast_unsigned(), None),
        };
        if send(socket, &[&[code, 0], told.as_slice()].concat(), link.as_ref()).is_err() {
            break;
        }
    }
    if *hook == Hook::Clsact && !outlive {
        for index in filtered {
            // An error says that the interface is gone.
            let _ = hooks::detach_filters(index, |other| other == *owner);
        }
    }
}

/// What a look tells of one place: zero where the kernel tells nothing, else one more than the programs
/// there are; and their numbers.
fn standing(index: u32, ingress: bool) -> [u32; 1 + TOLD] {
    let mut told = [0; 1 + TOLD];
    if let Ok(programs) = sys::programs_at(index, ingress) {
        told[0] = u32::try_from(programs.len().min(TOLD)).unwrap_or(0) + 1;
        for (place, (program, _)) in told[1..].iter_mut().zip(programs) {
            *place = program;
        }
    }
    told
}
