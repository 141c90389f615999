//! Interfaces that assignments name, as small numbers.
//!
//! Two servers of a host may hand out the same addresses, each on an interface of its own. A name becomes a
//! number where it is read; from there on the number goes with the prefix. Of a name its keyed tag alone is
//! held, beside the owners, so that a process that goes on with them knows the interface again. Holds no
//! address and no account.

use super::owners::{Owners, OwnersRefused};
use super::place::{PLACES, Place, PlaceError};
use super::tagger::Tagger;
use crate::meter::slot::Slot;
use crate::meter::tags::{Tag, Tags};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The interfaces that were named so far. A number is never given to another name.
pub struct Places {
    names: Tags,
    tagger: Option<Arc<Tagger>>,
    /// How many numbers are given, that of every interface included; written under the lock.
    given: AtomicUsize,
    giving: Mutex<()>,
    /// Where a tap asks that does not ask here.
    elsewhere: Option<Arc<dyn Owners>>,
}

impl Places {
    /// No interface is named, or will be.
    pub(super) fn none() -> Self {
        let (given, giving) = (AtomicUsize::new(PLACES), Mutex::default());
        Self { names: Tags::over(&[]), tagger: None, given, giving, elsewhere: None }
    }

    /// None is named yet, and none outlives this process.
    #[must_use]
    pub fn new_ones(tagger: Arc<Tagger>) -> Self {
        Self::new(Tags::in_memory(PLACES), tagger, None)
    }

    /// The interfaces whose tags lie here, and those that will be named.
    pub(super) fn new(names: Tags, tagger: Arc<Tagger>, elsewhere: Option<Arc<dyn Owners>>) -> Self {
        let is_free = |at: &usize| names.get(slot(*at)) == Tag::NOBODY;
        let given = (1..PLACES).find(is_free).unwrap_or(PLACES);
        Self {
            names,
            tagger: Some(tagger),
            given: AtomicUsize::new(given),
            giving: Mutex::default(),
            elsewhere,
        }
    }

    /// How many numbers are given: another count means another name. 1 or less where there is none.
    #[must_use]
    pub fn given(&self) -> usize {
        // Acquire: pairs with the Release of `name`; whoever sees the count finds the tags.
        if self.tagger.is_none() { 0 } else { self.given.load(Ordering::Acquire) }
    }

    /// The place of a name, which is new or not.
    ///
    /// # Errors
    /// When there are too many.
    pub fn name(&self, name: &str) -> Result<Place, PlaceError> {
        let Some(tagger) = &self.tagger else { return Err(PlaceError::TooMany) };
        self.named(tagger.tag_of_interface(name))
    }

    fn named(&self, tag: Tag) -> Result<Place, PlaceError> {
        // A poisoned lock is taken over: a tag is written before it is counted.
        let _giving = self.giving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = self.find(tag) {
            return Ok(place);
        }
        let at = self.given();
        let place = u32::try_from(at).ok().and_then(Place::of_number).ok_or(PlaceError::TooMany)?;
        self.names.set(slot(at), tag);
        self.given.store(at + 1, Ordering::Release);
        Ok(place)
    }

    /// The tag of a place's name; nobody's of every interface.
    pub(super) fn tag_of(&self, place: Place) -> Tag {
        if place == Place::ANY { Tag::NOBODY } else { self.names.get(slot(place.number().into())) }
    }

    /// The place of a name's tag, which is new or not; every interface where it is nobody's, none where there is no room.
    pub(super) fn of_tag(&self, tag: Tag) -> Option<Place> {
        if tag == Tag::NOBODY {
            return Some(Place::ANY);
        }
        self.named(tag).ok()
    }

    /// The place of an interface of these names: of the first that was named in an assignment.
    pub fn of_interface<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Place {
        match &self.tagger {
            Some(tagger) if self.given() > 1 => {
                names.find_map(|name| self.find(tagger.tag_of_interface(name))).unwrap_or_default()
            }
            _ => Place::ANY,
        }
    }

    /// Tells a tap that asks elsewhere where the interface of this index is.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn stand(&self, index: u32, place: Place) -> Result<(), OwnersRefused> {
        self.elsewhere.as_ref().map_or(Ok(()), |owners| owners.stand(index, place))
    }

    /// What such a tap was told, by this process or an earlier one.
    #[must_use]
    pub fn standing(&self) -> Vec<(u32, Place)> {
        self.elsewhere.as_ref().map_or_else(Vec::new, |owners| owners.standing())
    }

    fn find(&self, tag: Tag) -> Option<Place> {
        let at = (1..self.given()).find(|at| self.names.get(slot(*at)) == tag)?;
        Place::of_number(u32::try_from(at).ok()?)
    }
}

/// Names lie as the tags of accounts do.
fn slot(at: usize) -> Slot {
    Slot::new(u32::try_from(at).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_also_for_who_goes_on_with_it() {
        let (names, tagger) = (Tags::in_memory(PLACES), Arc::new(Tagger::new(&[1; 32])));
        let places = Places::new(names, Arc::clone(&tagger), None);
        assert!(places.of_interface(["wg0"].into_iter()) == Place::ANY && places.given() == 1);
        let [one, other] = ["wg0", "wg1"].map(|name| places.name(name).expect("there is room"));
        assert!(one != other && places.name("wg0") == Ok(one) && places.given() == 3);
        let later = Places::new(names, tagger, None);
        assert!(later.of_interface(["x", "wg1", "wg0"].into_iter()) == other);
        assert!(later.of_interface(["wg2"].into_iter()) == Place::ANY);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let places = Places::new(Tags::in_memory(PLACES), Arc::new(Tagger::new(&[1; 32])), None);
        assert!((1..PLACES).all(|number| places.name(&format!("ppp{number}")).is_ok()));
        assert!(places.name("ppp0") == Err(PlaceError::TooMany) && places.name("ppp7").is_ok());
        assert!(Places::none().name("wg0") == Err(PlaceError::TooMany));
    }
}
