//! The program on interfaces: attached through the helper, pinned under names, found again by them.
//!
//! Holds indices of interfaces; no name of one, no address.

use super::helper::Helper;
use super::hooks;
use super::link::BpfLink;
use super::owner::{Mark, Owner};
use super::pins::PinStore;
use super::set::Programs;
use crate::config::Hook;
use crate::tap::interfaces::{self, Passed};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Attaches the program to interfaces through the helper. The helper ends with the last copy.
#[derive(Clone)]
pub struct Attacher(pub(super) Arc<Context>);

/// What every attachment needs to the end.
pub(super) struct Context {
    pub(super) hook: Hook,
    pub(super) helper: Helper,
    pub(super) pins: Arc<PinStore>,
    namespace: u64,
    pub(super) owner: Owner,
    /// The kernel's numbers of the programs, in their order.
    ids: [u32; 4],
    /// Says that the owner lives, as long as something may be attached.
    _mark: Option<Mark>,
    /// Links that were attached before this process, until an interface claims them.
    before: Mutex<Vec<BpfLink>>,
    /// There were filters of dead processes of this node.
    has_dead: bool,
}

/// What was attached before this process.
pub(super) struct Before {
    pub(super) links: Vec<BpfLink>,
    /// Filters of dead processes of this node that nobody goes on with.
    pub(super) has_dead: bool,
}

/// The program, attached to one interface in both directions until it is dropped or left.
pub(in crate::tap) struct AttachedProgram {
    pub(super) index: u32,
    pub(super) ethernet: bool,
    pub(super) links: Vec<BpfLink>,
    attached: bool,
    pub(super) context: Arc<Context>,
}

impl Attacher {
    pub(super) fn new(
        hook: Hook,
        helper: Helper,
        pins: Arc<PinStore>,
        (owner, mark): (Owner, Option<Mark>),
        ids: [u32; 4],
        Before { links, has_dead }: Before,
    ) -> io::Result<Self> {
        let (namespace, before) = (interfaces::namespace()?, Mutex::new(links));
        let _mark = mark;
        Ok(Self(Arc::new(Context { hook, helper, pins, namespace, owner, ids, _mark, before, has_dead })))
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
        let is_filtered = context.hook == Hook::Clsact && hooks::has_filter(index, context.owner);
        let mut passed = if is_filtered { None } else { Some(0) };
        let (links, context_of_it) = (Vec::new(), Arc::clone(context));
        let mut program = AttachedProgram { index, ethernet, links, attached: true, context: context_of_it };
        for up in [true, false] {
            let is_it =
                |link: &mut BpfLink| link.index == index && link.ethernet == ethernet && link.up == up;
            let before = context.before().extract_if(.., is_it).next();
            let link = match before {
                Some(link) => {
                    passed = None;
                    context.pin(&link)?;
                    Some(link)
                }
                None => {
                    let before = interfaces::passed(index).unwrap_or_default();
                    let link = context.put(index, ethernet, up, false)?;
                    // A filter sees packets before the call returns; the first link of a host only after
                    // a grace period, so what passes meanwhile may be counted and reported as lost as well.
                    let now =
                        if link.is_none() { before } else { interfaces::passed(index).unwrap_or_default() };
                    passed = passed.map(|passed| passed + if up { now.up } else { now.down });
                    link
                }
            };
            program.links.extend(link);
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
            // A helper that is gone says so by its end.
            if !ours && hooks::has_filter(interface.index, self.0.owner) {
                let _ = self.0.helper.detach(interface.index);
            }
            if self.0.has_dead {
                let _ = self.0.helper.detach_dead(interface.index);
            }
        }
    }
}

/// What an error of the helper means for the interface of this index.
fn said(index: u32, error: io::Error) -> io::Error {
    let is_of_the_slot = matches!(error.raw_os_error(), Some(libc::EEXIST | libc::EOPNOTSUPP));
    match hooks::obstacle_in_slot(index).filter(|_| is_of_the_slot) {
        Some(kind) => {
            let word = kind.split(' ').next().unwrap_or_default();
            io::Error::other(format!(
                "a qdisc of kind {kind} stands where clsact would; remove it (tc qdisc del dev NAME {word}), or \
                 set tap.backend = \"ring\""
            ))
        }
        None => error,
    }
}

impl Context {
    /// The number of the program of a link type and direction.
    pub(super) fn id(&self, ethernet: bool, up: bool) -> u32 {
        self.ids[Programs::place(ethernet, up)]
    }

    /// Attaches one direction, in front of all others that let it; a link is pinned.
    pub(super) fn put(
        &self,
        index: u32,
        ethernet: bool,
        up: bool,
        anew: bool,
    ) -> io::Result<Option<BpfLink>> {
        let link = self.helper.attach(index, ethernet, up, anew).map_err(|error| said(index, error))?;
        let link =
            link.map(|descriptor| BpfLink { namespace: self.namespace, index, ethernet, up, descriptor });
        link.iter().try_for_each(|link| self.pin(link))?;
        Ok(link)
    }

    fn pin(&self, link: &BpfLink) -> io::Result<()> {
        self.pins.pin(&link.name(), &link.descriptor).or_else(|error| match error.kind() {
            // It was found under this name.
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })
    }

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
