//! Attaching the program to an interface: tcx links, or clsact filters before Linux 6.6.
//!
//! Neither gives a verdict, and both stand in front of all others that let them. The qdisc is never
//! removed: others may use it. Our filters are known by their owner's name, so that a later process
//! finds what an earlier one left, and nobody else's is touched.
//! Needs CAP_BPF and CAP_NET_ADMIN.
//!
//! # Source
//! include/uapi/linux/pkt_sched.h (TC_H_CLSACT), pkt_cls.h (TCA_BPF_*); net/sched/cls_bpf.c (a new
//! filter stands before those of its priority), cls_api.c (a priority has one kind and protocol).

use super::filters::{self, EVERY_PROTOCOL, Filter, KIND, OPTIONS, SLOT, Slot, parent, traffic_class};
use super::owner::Owner;
use super::sys;
use crate::config::Hook;
use crate::system::netlink::{CREATE, EXCLUSIVE, attribute, request, text};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

const NEW_QDISC: u16 = 36;
const NEW_FILTER: u16 = 44;
const DELETE_FILTER: u16 = 45;

const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
/// TCA_BPF_FLAG_ACT_DIRECT: the program's return value is the action, here "go on".
const DIRECT: u32 = 1;

const CLSACT_HANDLE: u32 = 0xffff_0000;

/// The priority of the first filter that a packet meets.
const FIRST: u16 = 1;

/// Attaches a program in one direction; a tcx link lives as long as its descriptor. A filter that stands
/// there is replaced in place, or, `anew`, taken off first: the place in front is the newest's.
pub(super) fn attach(
    hook: Hook,
    program: &impl AsFd,
    index: u32,
    ingress: bool,
    owner: Owner,
    anew: bool,
) -> io::Result<Option<OwnedFd>> {
    match hook {
        Hook::Tcx => sys::tcx(program, index, ingress).map(Some),
        Hook::Clsact => filter(program, index, ingress, owner, anew).map(|()| None),
    }
}

/// Takes the filters of some owners off an interface; how many there were.
pub(super) fn detach_filters(index: u32, is_to_go: impl Fn(Owner) -> bool) -> io::Result<usize> {
    let mut gone = 0;
    for ingress in [true, false] {
        for (owner, filter) in filters::ours(index, ingress)? {
            if is_to_go(owner) {
                delete(index, ingress, &filter)?;
                gone += 1;
            }
        }
    }
    Ok(gone)
}

/// Whether an interface has a filter of this owner, in either direction. Needs no capability.
pub(super) fn has_filter(index: u32, owner: Owner) -> bool {
    [true, false].into_iter().any(|ingress| {
        filters::ours(index, ingress).is_ok_and(|ours| ours.iter().any(|(other, _)| *other == owner))
    })
}

/// What stands where clsact would; none where nothing is in its way.
pub(in crate::tap) fn obstacle_in_slot(index: u32) -> Option<String> {
    match filters::slot(index) {
        Ok(Slot::Other(kind)) => Some(kind),
        _ => None,
    }
}

/// Puts a program in the place of a filter, between two packets, and another owner's name with it.
pub(super) fn replace(
    program: &impl AsFd,
    index: u32,
    ingress: bool,
    place: &Filter,
    owner: Owner,
) -> io::Result<()> {
    put(program, index, ingress, (place.priority, place.handle), owner, CREATE)
}

fn filter(program: &impl AsFd, index: u32, ingress: bool, owner: Owner, anew: bool) -> io::Result<()> {
    let qdisc = [traffic_class(index, CLSACT_HANDLE, SLOT, 0), attribute(KIND, &text("clsact"))].concat();
    match request(NEW_QDISC, CREATE | EXCLUSIVE, &qdisc) {
        // A hook of any other kind is not what its number says: both would be the way in.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
            if filters::slot(index)? != Slot::Clsact {
                return Err(error);
            }
        }
        result => result?,
    }
    let mut there = filters::filters(index, ingress)?;
    if anew {
        let ours = there.extract_if(.., |filter| filter.owner() == Some(owner));
        ours.collect::<Vec<Filter>>().iter().try_for_each(|filter| delete(index, ingress, filter))?;
    }
    match there.iter().find(|filter| filter.owner() == Some(owner)) {
        Some(ours) => replace(program, index, ingress, ours, owner),
        None => put(program, index, ingress, free_place(&there, owner), owner, CREATE | EXCLUSIVE),
    }
}

/// The first priority that a program can have beside these filters, and a free handle in it.
pub(super) fn free_place(there: &[Filter], owner: Owner) -> (u16, u32) {
    let is_open = |priority: u16| {
        there.iter().filter(|filter| filter.priority == priority).all(Filter::admits_programs)
    };
    let priority = (FIRST..u16::MAX).find(|priority| is_open(*priority)).unwrap_or(u16::MAX);
    let is_free =
        |handle: u32| !there.iter().any(|filter| filter.priority == priority && filter.handle == handle);
    let handle = (owner.handle()..u32::MAX).find(|handle| is_free(*handle)).unwrap_or(u32::MAX);
    (priority, handle)
}

fn put(
    program: &impl AsFd,
    index: u32,
    ingress: bool,
    (priority, handle): (u16, u32),
    owner: Owner,
    how: u16,
) -> io::Result<()> {
    let options = [
        attribute(BPF_FD, &program.as_fd().as_raw_fd().to_ne_bytes()),
        attribute(BPF_NAME, &text(&owner.name())),
        attribute(BPF_FLAGS, &DIRECT.to_ne_bytes()),
    ]
    .concat();
    let info = u32::from(priority) << 16 | EVERY_PROTOCOL;
    let body = [
        traffic_class(index, handle, parent(ingress), info),
        attribute(KIND, &text("bpf")),
        attribute(OPTIONS, &options),
    ];
    request(NEW_FILTER, how, &body.concat())
}

/// Takes one filter off; one that is gone meanwhile is no error.
fn delete(index: u32, ingress: bool, filter: &Filter) -> io::Result<()> {
    let info = u32::from(filter.priority) << 16 | filter.protocol;
    let body =
        [traffic_class(index, filter.handle, parent(ingress), info), attribute(KIND, &text(&filter.kind))];
    match request(DELETE_FILTER, 0, &body.concat()) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(kind: &str, priority: u16, protocol: u32, handle: u32) -> Filter {
        Filter { kind: kind.into(), priority, protocol, handle, name: None, program: None }
    }

    #[test]
    fn the_first_place_that_is_open_is_taken() {
        let name = "blindmeter-0000000000000001-0001-0000000000000010";
        let owner = Owner::of_name(name).expect("a name");
        let place = |there: &[Filter]| free_place(there, owner);
        let own = owner.handle();
        assert_eq!(place(&[]), (1, own));
        let programs = [filter("bpf", 1, EVERY_PROTOCOL, 0), filter("bpf", 1, EVERY_PROTOCOL, 1)];
        assert_eq!(place(&programs), (1, own), "programs stand beside each other");
        assert_eq!(place(&[filter("bpf", 1, EVERY_PROTOCOL, own)]), (1, own + 1), "that number is another's");
        let taken =
            [filter("u32", 1, 8, 0), filter("bpf", 2, 8, 1), filter("matchall", 4, EVERY_PROTOCOL, 1)];
        assert_eq!(place(&taken), (3, own), "a priority has one kind and one protocol");
    }
}
