//! Attaching the program to an interface: tcx links, or clsact filters before Linux 6.6.
//!
//! Neither gives a verdict. The qdisc is never removed: others may use it; our filters are known
//! by a fixed priority and handle, so that a later process finds what an earlier one left.
//! Needs CAP_BPF and CAP_NET_ADMIN.
//!
//! # Source
//! include/uapi/linux/pkt_sched.h (TC_H_CLSACT), pkt_cls.h (TCA_BPF_*); net/sched/cls_bpf.c.

use super::sys;
use crate::config::Hook;
use crate::system::netlink::{CREATE, EXCLUSIVE, attribute, exists, request, text};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

const NEW_QDISC: u16 = 36;
const NEW_FILTER: u16 = 44;
const DELETE_FILTER: u16 = 45;
const GET_FILTER: u16 = 46;

const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
/// TCA_BPF_FLAG_ACT_DIRECT: the program's return value is the action, here "go on".
const DIRECT: u32 = 1;

const CLSACT_HANDLE: u32 = 0xffff_0000;
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// The priority and the handle of our filters.
const PRIORITY: u32 = 0xb11d;
const HANDLE: u32 = 0xb11d;

/// ETH_P_ALL, in network byte order.
const EVERY_PROTOCOL: u32 = 3_u16.to_be() as u32;

/// Attaches a program in one direction; a tcx link lives as long as its descriptor.
pub(super) fn attach(
    hook: Hook,
    program: &impl AsFd,
    index: u32,
    ingress: bool,
) -> io::Result<Option<OwnedFd>> {
    match hook {
        Hook::Tcx => sys::tcx(program, index, ingress).map(Some),
        Hook::Clsact => filter(program, index, ingress).map(|()| None),
    }
}

/// Takes our filters off an interface; nothing happens where there are none.
pub(super) fn detach_filters(index: u32) {
    for parent in [INGRESS, EGRESS] {
        // An error says that there is none, or no such interface any more.
        let _ = request(DELETE_FILTER, 0, &traffic_class(index, HANDLE, parent, filter_info()));
    }
}

/// Whether an interface has a filter of ours, in either direction. Needs no capability.
pub(super) fn has_filter(index: u32) -> bool {
    let kind = attribute(KIND, &text("bpf"));
    [INGRESS, EGRESS].into_iter().any(|parent| {
        exists(GET_FILTER, &[traffic_class(index, HANDLE, parent, filter_info()), kind.clone()].concat())
    })
}

fn filter(program: &impl AsFd, index: u32, ingress: bool) -> io::Result<()> {
    let qdisc = [traffic_class(index, CLSACT_HANDLE, CLSACT, 0), attribute(KIND, &text("clsact"))].concat();
    match request(NEW_QDISC, CREATE | EXCLUSIVE, &qdisc) {
        Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
        _ => {}
    }
    let descriptor = program.as_fd().as_raw_fd().to_ne_bytes();
    let options = [
        attribute(BPF_FD, &descriptor),
        attribute(BPF_NAME, &text("blindmeter")),
        attribute(BPF_FLAGS, &DIRECT.to_ne_bytes()),
    ]
    .concat();
    let parent = if ingress { INGRESS } else { EGRESS };
    let body = [
        traffic_class(index, HANDLE, parent, filter_info()),
        attribute(KIND, &text("bpf")),
        attribute(OPTIONS, &options),
    ]
    .concat();
    // Not exclusive: a filter of this priority and handle is ours, and is replaced in place.
    request(NEW_FILTER, CREATE, &body)
}

fn filter_info() -> u32 {
    PRIORITY << 16 | EVERY_PROTOCOL
}

/// struct tcmsg.
fn traffic_class(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    [0, index, handle, parent, info].into_iter().flat_map(u32::to_ne_bytes).collect()
}
