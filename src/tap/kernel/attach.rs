//! The program on interfaces: attached through the helper, kept under names, found again by them.
//!
//! Holds indices of interfaces; no name of one, no address.

use super::adopt;
use super::helper::Helper;
use super::hooks;
use super::pins::PinStore;
use crate::config::Hook;
use crate::tap::interfaces::{self, Passed};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// A tcx link of one direction of an interface.
pub(super) struct Link {
    /// The network namespace of the interface.
    pub(super) namespace: u64,
    pub(super) index: u32,
    pub(super) ethernet: bool,
    pub(super) up: bool,
    pub(super) descriptor: OwnedFd,
}

impl Link {
    /// The name that the link is kept under.
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
}

/// Attaches the program to interfaces through the helper. The helper ends with the last copy.
#[derive(Clone)]
pub struct Attacher(Arc<Hold>);

/// What every attachment needs to the end.
struct Hold {
    hook: Hook,
    helper: Helper,
    pins: Arc<PinStore>,
    namespace: u64,
    /// Links that were attached before this process, until an interface claims them.
    before: Mutex<Vec<Link>>,
}

/// The program, attached to one interface in both directions until it is dropped or left.
pub(in crate::tap) struct Attachment {
    index: u32,
    links: Vec<Link>,
    attached: bool,
    hold: Arc<Hold>,
}

impl Attacher {
    pub(super) fn new(
        hook: Hook,
        helper: Helper,
        pins: Arc<PinStore>,
        before: Vec<Link>,
    ) -> io::Result<Self> {
        let namespace = interfaces::namespace()?;
        Ok(Self(Arc::new(Hold { hook, helper, pins, namespace, before: Mutex::new(before) })))
    }

    /// Attaches both directions to the interface of this index. One that is attached already stays
    /// as it is: no packet is missed or counted twice. Says what had passed before, where any was not.
    pub(in crate::tap) fn attach(&self, index: u32, ethernet: bool) -> io::Result<(Attachment, Option<u64>)> {
        let hold = &self.0;
        // Filters are replaced in place where an earlier process left them.
        let mut passed = if hooks::has_filter(index) { None } else { Some(0) };
        let mut attachment = Attachment { index, links: Vec::new(), attached: true, hold: Arc::clone(hold) };
        for up in [true, false] {
            let is_it = |link: &mut Link| link.index == index && link.ethernet == ethernet && link.up == up;
            let before = hold.before().extract_if(.., is_it).next();
            let link = match before {
                Some(link) => {
                    passed = None;
                    Some(link)
                }
                None => {
                    let before = interfaces::passed(index).unwrap_or_default();
                    let link = hold.helper.attach(index, ethernet, up)?;
                    // A filter sees packets before the call returns; the first link of a host only after
                    // a grace period, so what passes meanwhile may be counted and told as lost.
                    let now =
                        if link.is_none() { before } else { interfaces::passed(index).unwrap_or_default() };
                    passed = passed.map(|passed| passed + if up { now.up } else { now.down });
                    link.map(|descriptor| Link { namespace: hold.namespace, index, ethernet, up, descriptor })
                }
            };
            if let Some(link) = link {
                hold.pins.keep(&link.name(), &link.descriptor).or_else(|error| match error.kind() {
                    // It was found under this name.
                    io::ErrorKind::AlreadyExists => Ok(()),
                    _ => Err(error),
                })?;
                attachment.links.push(link);
            }
        }
        Ok((attachment, passed))
    }

    /// After every interface that is wanted was attached: takes the program off all others that
    /// have it from an earlier process.
    pub(in crate::tap) fn let_go_of_others(&self, attached: &[u32]) {
        let others = std::mem::take(&mut *self.0.before());
        others.iter().for_each(|link| adopt::end(link, &self.0.pins));
        // An interface that is not listed now is gone or new.
        for link in interfaces::list().unwrap_or_default() {
            let ours = self.0.hook == Hook::Clsact && attached.contains(&link.index);
            if !ours && hooks::has_filter(link.index) {
                // A helper that is gone says so at the next attachment.
                let _ = self.0.helper.detach(link.index);
            }
        }
    }
}

impl Hold {
    /// A poisoned lock is taken over: links are whole at each step.
    fn before(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attachment {
    /// Takes the program off the interface; nothing is counted when it has returned. Says what had
    /// passed the interface by then; none when it is gone.
    pub(in crate::tap) fn detach(&mut self) -> Option<u64> {
        if !std::mem::replace(&mut self.attached, false) {
            return None;
        }
        let mut passed = interfaces::passed(self.index);
        for link in self.links.drain(..) {
            // Each call waits for a grace period after the program has ceased to see packets.
            if let (false, Some(passed), Some(now)) = (link.up, &mut passed, interfaces::passed(self.index)) {
                passed.down = now.down;
            }
            adopt::end(&link, &self.hold.pins);
        }
        if self.hold.hook == Hook::Clsact {
            // A helper that is gone is past helping; `detach` takes off what it left.
            let _ = self.hold.helper.detach(self.index);
        }
        passed.map(Passed::packets)
    }

    /// Leaves the program to the next process, where it is kept.
    pub(in crate::tap) fn leave(&mut self) {
        if !self.hold.pins.is_nowhere() {
            self.attached = false;
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.detach();
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
            let link = Link { namespace: 4_026_531_840, index: 17, ethernet, up, descriptor: descriptor() };
            let again = Link::of_name(&link.name(), descriptor()).expect("it is one of ours");
            assert!((again.namespace, again.index) == (4_026_531_840, 17));
            assert!((again.ethernet, again.up) == (ethernet, up));
        }
        for name in ["link-1-2-ip", "link-1-2-ip-up-", "link-1-2-ipv4-up", "link-x-2-ip-up", "set-1-up", ""] {
            assert!(Link::of_name(name, descriptor()).is_none(), "{name}");
        }
    }
}
