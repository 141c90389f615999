//! What sources said that tell by themselves, for the next process: taken out at a stop, put back at a start.
//!
//! Such a source does not say again who was there before. What is put back is older than anything that a source says
//! from then on, so that the first one that contradicts it wins. Account and interface are keyed tags.

use super::address::{Prefix, TunnelAddress};
use super::sessions::Session;
use super::source::Source;
use super::{Roster, RosterError};
use crate::meter::tags::Tag;
use zeroize::Zeroizing;

/// An assignment as it is written down: address (16), family, length, source, whether a connection is known, its number
/// (4), account (16), interface (16).
pub const ENTRY_BYTES: usize = 56;

/// An assignment, as one process tells the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The address, without its place.
    address: TunnelAddress,
    /// The prefix's length.
    length: u8,
    /// The keyed tag of the interface that it holds on, or nobody's.
    interface: Tag,
    /// The code of the source.
    source: u8,
    /// Whose it is.
    account: Tag,
    /// The number of the connection that it was assigned for.
    session: Option<u32>,
}

impl Kept {
    /// The assignment as bytes.
    #[must_use]
    pub fn written(&self) -> Zeroizing<Vec<u8>> {
        let (family, bits) = match self.address {
            TunnelAddress::V4(bits) => (4, u128::from(bits)),
            TunnelAddress::V6(bits) => (6, bits),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(ENTRY_BYTES));
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.extend_from_slice(&[family, self.length, self.source, u8::from(self.session.is_some())]);
        bytes.extend_from_slice(&self.session.unwrap_or_default().to_le_bytes());
        bytes.extend_from_slice(&self.account.0);
        bytes.extend_from_slice(&self.interface.0);
        bytes
    }

    /// The assignment of these bytes; none where they are no such thing.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let part = |at: usize| bytes.get(at..)?.first_chunk::<16>().copied();
        let [family, length, source, has_session] = *bytes.get(16..)?.first_chunk()?;
        let bits = u128::from_le_bytes(part(0)?);
        let address = match family {
            4 => TunnelAddress::V4(u32::try_from(bits).ok()?),
            6 => TunnelAddress::V6(bits),
            _ => return None,
        };
        let number = u32::from_le_bytes(*bytes.get(20..)?.first_chunk()?);
        let session = (has_session == 1).then_some(number);
        Some(Self { address, length, source, session, account: Tag(part(24)?), interface: Tag(part(40)?) })
    }
}

impl Roster {
    /// What the next process is to be told.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept> {
        let writing = self.lock();
        let told = Source::ALL.into_iter().filter(|source| source.tells_by_itself());
        told.flat_map(|source| writing.assignments.of(source).map(move |prefix| (source, prefix)))
            .filter_map(|(source, prefix)| {
                let slot = writing.assignments.get(prefix).of(source)?;
                Some(Kept {
                    address: prefix.address(),
                    length: prefix.length(),
                    interface: self.table.places().tag_of(prefix.place()),
                    source: source.code(),
                    account: self.directory.account_of(slot)?,
                    session: writing.sessions.of(prefix).filter(|_| source == Source::Control),
                })
            })
            .collect()
    }

    /// What tells whether tags are those of another process: the tag of no account and no interface.
    #[must_use]
    pub fn mark(&self) -> Tag {
        self.tagger.tag_of_interface("")
    }

    /// Puts back what an earlier process was told, where nobody else says otherwise and there is room; the kernel's own
    /// memory of owners, where there is one, goes before it.
    ///
    /// # Errors
    /// When the tap's look-up refuses an owner.
    pub fn restore(&self, kept: &[Kept]) -> Result<(), RosterError> {
        let mut writing = self.lock();
        for one in kept {
            let source = Source::of_code(one.source).filter(|source| source.tells_by_itself());
            let prefix = Prefix::new(one.address, one.length);
            let place = self.table.places().of_tag(one.interface);
            let (Some(source), Some(prefix), Some(place)) = (source, prefix, place) else { continue };
            let prefix = prefix.at(place);
            let known = writing.assignments.get(prefix);
            let is_contradicted =
                known.owner().is_some_and(|(_, slot)| self.directory.account_of(slot) != Some(one.account));
            let has_room = self.require_room_of_one(&writing, source, (prefix, one.account)).is_ok();
            if is_contradicted || !has_room {
                continue;
            }
            if known.of(source).is_none() {
                let slot = writing.slot_for(source, one.account);
                let kept = known.kept(source, slot);
                if known.owner() != kept.owner() {
                    self.set_owner(prefix, kept)?;
                }
                writing.assignments.set(prefix, kept);
            }
            let session = one.session.map(|number| Session { number, is_renumbered: false });
            writing.sessions.set(prefix, session.filter(|_| source == Source::Control));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_no_assignment_is_none() {
        for (address, length) in [(TunnelAddress::V4(7), 32), (TunnelAddress::V6(1 << 90), 128)] {
            for session in [None, Some(u32::MAX)] {
                let (interface, account) = (Tag([3; 16]), Tag([4; 16]));
                let kept = Kept { address, length, interface, source: 5, account, session };
                let bytes = kept.written();
                assert!(bytes.len() == ENTRY_BYTES && Kept::read(&bytes) == Some(kept));
                assert!((0..ENTRY_BYTES).all(|length| Kept::read(&bytes[..length]).is_none()));
                let mut other = bytes.to_vec();
                other[16] = 5;
                assert!(Kept::read(&other).is_none(), "no such family");
            }
        }
    }
}
