//! A tcx link of the kernel, and the name that it is found again by.
//!
//! Holds the index of an interface; no name of one, no address.

use super::pins::PinStore;
use super::sys;
use std::os::fd::OwnedFd;

/// A tcx link of one direction of an interface.
pub(super) struct BpfLink {
    /// The network namespace of the interface.
    pub(super) namespace: u64,
    pub(super) index: u32,
    pub(super) ethernet: bool,
    pub(super) up: bool,
    pub(super) descriptor: OwnedFd,
}

impl BpfLink {
    /// The name that the link is pinned under.
    pub(super) fn name(&self) -> String {
        let kind = if self.ethernet { "ethernet" } else { "ip" };
        let way = if self.up { "up" } else { "down" };
        format!("link-{}-{}-{kind}-{way}", self.namespace, self.index)
    }

    /// The link of a name; none where the name is not one of ours.
    pub(super) fn of_name(name: &str, descriptor: OwnedFd) -> Option<Self> {
        let mut parts = name.strip_prefix("link-")?.split('-');
        let link = Self {
            namespace: parts.next()?.parse().ok()?,
            index: parts.next()?.parse().ok()?,
            ethernet: parts.next()? == "ethernet",
            up: parts.next()? == "up",
            descriptor,
        };
        (link.name() == name).then_some(link)
    }

    /// Takes the program off its interface for good.
    pub(super) fn remove(&self, pins: &PinStore) {
        // An error says that the interface is gone, and the link with it.
        let _ = sys::detach(&self.descriptor);
        pins.unpin(&self.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_link_is_known_again_by_its_name() {
        let descriptor = || OwnedFd::from(File::open("/dev/null").expect("it is there"));
        for (ethernet, up) in [(true, true), (true, false), (false, true), (false, false)] {
            let link =
                BpfLink { namespace: 4_026_531_840, index: 17, ethernet, up, descriptor: descriptor() };
            let again = BpfLink::of_name(&link.name(), descriptor()).expect("it is one of ours");
            assert!((again.namespace, again.index) == (4_026_531_840, 17));
            assert!((again.ethernet, again.up) == (ethernet, up));
        }
        for name in ["link-1-2-ip", "link-1-2-ip-up-", "link-1-2-ipv4-up", "link-x-2-ip-up", "set-1-up", ""] {
            assert!(BpfLink::of_name(name, descriptor()).is_none(), "{name}");
        }
    }
}
