//! What stands at an interface's clsact hooks: the qdisc in their slot, and the filters in the order in
//! which they see a packet. Only reads; needs no capability.
//!
//! Holds kinds, names and numbers of the host's own configuration; no address.
//!
//! # Source
//! include/uapi/linux/pkt_sched.h (TC_H_CLSACT), pkt_cls.h (TCA_BPF_*); net/sched/cls_api.c
//! (tc_dump_tfilter, __tcf_classify), sch_ingress.c (one slot for `ingress` and `clsact`).

use super::owner::Owner;
use crate::system::netlink::{attributes, dump, u32_at};
use std::io;

pub(super) const GET_QDISC: u16 = 38;
pub(super) const GET_FILTER: u16 = 46;

pub(super) const KIND: u16 = 1;
pub(super) const OPTIONS: u16 = 2;
const CHAIN: u16 = 11;
/// TCA_INGRESS_BLOCK and TCA_EGRESS_BLOCK.
const INGRESS_BLOCK: u16 = 13;
const EGRESS_BLOCK: u16 = 14;
const BPF_NAME: u16 = 7;
const BPF_ID: u16 = 11;

/// The slot that `clsact` and `ingress` share, and the hooks in it.
pub(super) const SLOT: u32 = 0xffff_fff1;
pub(super) const INGRESS: u32 = 0xffff_fff2;
pub(super) const EGRESS: u32 = 0xffff_fff3;

/// ETH_P_ALL, in network byte order.
pub(super) const EVERY_PROTOCOL: u32 = 3_u16.to_be() as u32;

/// Bytes of struct tcmsg, and the places of its words.
const HEADER: usize = 20;
const INDEX_AT: usize = 4;
const HANDLE_AT: usize = 8;
const PARENT_AT: usize = 12;
const INFO_AT: usize = 16;

/// What the slot of an interface holds.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Slot {
    Free,
    Clsact,
    /// A qdisc of another kind, which clsact cannot stand beside, or one whose filters are not its own.
    Other(String),
}

/// A filter of the first chain, where a packet begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Filter {
    pub(super) kind: String,
    pub(super) priority: u16,
    /// The protocol whose packets it sees, in network byte order.
    pub(super) protocol: u32,
    pub(super) handle: u32,
    /// Of a program: what its owner calls it, and its number.
    pub(super) name: Option<String>,
    pub(super) program: Option<u32>,
}

impl Filter {
    /// Whose it is; none where it is not ours.
    pub(super) fn owner(&self) -> Option<Owner> {
        self.name.as_deref().and_then(Owner::of_name)
    }

    /// True where it may match a packet: a priority is listed without a filter as well, and u32 lists its
    /// tables, whose last twelve bits say no entry.
    pub(super) fn can_match(&self) -> bool {
        self.handle != 0 && (self.kind != "u32" || self.handle & 0xfff != 0)
    }

    /// True when another program may stand beside it at the same priority.
    pub(super) fn admits_programs(&self) -> bool {
        self.kind == "bpf" && self.protocol == EVERY_PROTOCOL
    }
}

/// What stands in the slot of an interface.
pub(super) fn slot(index: u32) -> io::Result<Slot> {
    let mut slot = Slot::Free;
    // The kernel lists those of every interface, and marks an end: asked for one slot it may say nothing.
    dump(GET_QDISC, &traffic_class(index, 0, 0, 0), |body| {
        let is_it = u32_at(body, INDEX_AT) == Some(index) && u32_at(body, PARENT_AT) == Some(SLOT);
        if let (true, Some(kind)) = (is_it, kind(body)) {
            slot = match kind.as_str() {
                "clsact" if shares_filters(body) => Slot::Other(format!("{kind} of a shared block")),
                "clsact" => Slot::Clsact,
                _ => Slot::Other(kind),
            };
        }
    })?;
    Ok(slot)
}

/// The filters of one direction of an interface, in the order in which they see a packet; and the
/// priorities that are taken without a filter.
pub(super) fn filters(index: u32, ingress: bool) -> io::Result<Vec<Filter>> {
    let mut filters = Vec::new();
    dump(GET_FILTER, &traffic_class(index, 0, parent(ingress), 0), |body| filters.extend(filter(body)))?;
    Ok(filters)
}

/// The filters of ours in one direction of an interface.
pub(super) fn ours(index: u32, ingress: bool) -> io::Result<Vec<(Owner, Filter)>> {
    let filters = filters(index, ingress)?.into_iter();
    Ok(filters.filter_map(|filter| Some((filter.owner()?, filter))).collect())
}

pub(super) const fn parent(ingress: bool) -> u32 {
    if ingress { INGRESS } else { EGRESS }
}

/// struct tcmsg.
pub(super) fn traffic_class(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    [0, index, handle, parent, info].into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// Whether a qdisc's filters are a block, which other interfaces may share: nobody adds one to it by this one.
fn shares_filters(body: &[u8]) -> bool {
    let mut all = attributes(body.get(HEADER..).unwrap_or_default());
    all.any(|(kind, _)| matches!(kind, INGRESS_BLOCK | EGRESS_BLOCK))
}

fn kind(body: &[u8]) -> Option<String> {
    attributes(body.get(HEADER..)?).find(|(kind, _)| *kind == KIND).map(|(_, value)| text(value))
}

/// The first line of text in a value of the kernel's.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn filter(body: &[u8]) -> Option<Filter> {
    let (handle, info) = (u32_at(body, HANDLE_AT)?, u32_at(body, INFO_AT)?);
    let mut filter = Filter {
        kind: kind(body)?,
        priority: u16::try_from(info >> 16).ok()?,
        protocol: info & 0xffff,
        handle,
        name: None,
        program: None,
    };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            CHAIN if u32_at(value, 0) != Some(0) => return None,
            OPTIONS if filter.kind == "bpf" => {
                for (kind, value) in attributes(value) {
                    match kind {
                        BPF_NAME => filter.name = Some(text(value)),
                        BPF_ID => filter.program = u32_at(value, 0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::netlink::{attribute, text as terminated};

    fn body(handle: u32, info: u32, parts: &[Vec<u8>]) -> Vec<u8> {
        [traffic_class(3, handle, INGRESS, info), parts.concat()].concat()
    }

    #[test]
    fn a_filter_is_read_with_its_program() {
        let options = [attribute(BPF_NAME, &terminated("other")), attribute(BPF_ID, &77_u32.to_ne_bytes())];
        let parts = [attribute(KIND, &terminated("bpf")), attribute(OPTIONS, &options.concat())];
        let read = filter(&body(5, 1 << 16 | EVERY_PROTOCOL, &parts)).expect("it is one");
        assert_eq!((read.kind.as_str(), read.priority, read.handle), ("bpf", 1, 5));
        assert_eq!((read.name.as_deref(), read.program), (Some("other"), Some(77)));
        assert!(read.admits_programs() && read.owner().is_none());
        let chained = [parts.concat(), attribute(CHAIN, &4_u32.to_ne_bytes())];
        assert!(filter(&body(5, 1 << 16, &chained)).is_none(), "not where a packet begins");
        let flower = [attribute(KIND, &terminated("flower")), attribute(OPTIONS, &options.concat())];
        let read = filter(&body(1, 9 << 16 | 8, &flower)).expect("it is one");
        assert!(read.name.is_none() && !read.admits_programs());
        assert_eq!((read.priority, read.protocol), (9, 8));
    }

    #[test]
    fn the_loopback_interface_has_nothing_there() {
        assert_eq!(slot(1).expect("a netlink socket"), Slot::Free);
        assert_eq!(filters(1, true).expect("a netlink socket"), []);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)
        ) {
            drop(filter(&bytes));
        }
    }
}
