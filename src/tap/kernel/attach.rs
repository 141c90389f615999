//! The program on interfaces: attached through the helper, pinned under names, found again by them.
//!
//! Holds indices of interfaces; no name of one, no address.

use super::helper::Helper;
use super::hooks;
use super::link::BpfLink;
use super::pins::PinStore;
use crate::config::Hook;
use crate::tap::interfaces::{self, Passed};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Attaches the program to interfaces through the helper. The helper ends with the last copy.
#[derive(Clone)]
pub struct Attacher(Arc<Context>);

/// What every attachment needs to the end.
struct Context {
    hook: Hook,
    helper: Helper,
    pins: Arc<PinStore>,
    namespace: u64,
    /// Links that were attached before this process, until an interface claims them.
    before: Mutex<Vec<BpfLink>>,
}

/// The program, attached to one interface in both directions until it is dropped or left.
pub(in crate::tap) struct AttachedProgram {
    index: u32,
    links: Vec<BpfLink>,
    attached: bool,
    context: Arc<Context>,
}

impl Attacher {
    pub(super) fn new(
        hook: Hook,
        helper: Helper,
        pins: Arc<PinStore>,
        before: Vec<BpfLink>,
    ) -> io::Result<Self> {
        let namespace = interfaces::namespace()?;
        Ok(Self(Arc::new(Context { hook, helper, pins, namespace, before: Mutex::new(before) })))
    }

    /// How many descriptors each interface takes: a filter has none.
    pub(in crate::tap) fn descriptors(&self) -> u64 {
        match self.0.hook {
            Hook::Tcx => 2,
            Hook::Clsact => 0,
        }
    }

    /// Attaches both directions to the interface of this index. One that is attached already stays
    /// as it is: no packet is missed or counted twice. Returns what had passed before, where any was not.
    pub(in crate::tap) fn attach(
        &self,
        index: u32,
        ethernet: bool,
    ) -> io::Result<(AttachedProgram, Option<u64>)> {
        let context = &self.0;
        // Filters are replaced in place where an earlier process left them.
        let mut passed = if hooks::has_filter(index) { None } else { Some(0) };
        let mut program =
            AttachedProgram { index, links: Vec::new(), attached: true, context: Arc::clone(context) };
        for up in [true, false] {
            let is_it =
                |link: &mut BpfLink| link.index == index && link.ethernet == ethernet && link.up == up;
            let before = context.before().extract_if(.., is_it).next();
            let link = match before {
                Some(link) => {
                    passed = None;
                    Some(link)
                }
                None => {
                    let before = interfaces::passed(index).unwrap_or_default();
                    let link = context.helper.attach(index, ethernet, up)?;
                    // A filter sees packets before the call returns; the first link of a host only after
                    // a grace period, so what passes meanwhile may be counted and reported as lost as well.
                    let now =
                        if link.is_none() { before } else { interfaces::passed(index).unwrap_or_default() };
                    passed = passed.map(|passed| passed + if up { now.up } else { now.down });
                    link.map(|descriptor| BpfLink {
                        namespace: context.namespace,
                        index,
                        ethernet,
                        up,
                        descriptor,
                    })
                }
            };
            if let Some(link) = link {
                context.pins.pin(&link.name(), &link.descriptor).or_else(|error| match error.kind() {
                    // It was found under this name.
                    io::ErrorKind::AlreadyExists => Ok(()),
                    _ => Err(error),
                })?;
                program.links.push(link);
            }
        }
        Ok((program, passed))
    }

    /// Once every interface of the configuration was attached: takes the program off all others that
    /// have it from an earlier process.
    pub(in crate::tap) fn detach_others(&self, attached: &[u32]) {
        let others = std::mem::take(&mut *self.0.before());
        others.iter().for_each(|link| link.remove(&self.0.pins));
        // An interface that is not listed now is gone or new.
        for interface in interfaces::list().unwrap_or_default() {
            let ours = self.0.hook == Hook::Clsact && attached.contains(&interface.index);
            if !ours && hooks::has_filter(interface.index) {
                // A helper that is gone says so at the next attachment.
                let _ = self.0.helper.detach(interface.index);
            }
        }
    }
}

impl Context {
    /// A poisoned lock is taken over: links are whole at each step.
    fn before(&self) -> std::sync::MutexGuard<'_, Vec<BpfLink>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AttachedProgram {
    /// Takes the program off the interface; nothing is counted when it has returned. Returns what had
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
            link.remove(&self.context.pins);
        }
        if self.context.hook == Hook::Clsact {
            // A helper that is gone is past helping; `detach` takes off what it left.
            let _ = self.context.helper.detach(self.index);
        }
        passed.map(Passed::packets)
    }

    /// Leaves the program to the next process, where it is pinned.
    pub(in crate::tap) fn leave(&mut self) {
        if !self.context.pins.is_nowhere() {
            self.attached = false;
        }
    }
}

impl Drop for AttachedProgram {
    fn drop(&mut self) {
        self.detach();
    }
}
