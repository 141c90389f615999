//! Which interfaces have owners of their own, by index: an interface comes back with another index, is called
//! otherwise, or is named in an assignment while it is there.
//!
//! Holds indices and numbers of places; no name and no address.

use crate::roster::place::Place;
use crate::roster::places::Places;
use crate::tap::interfaces::InterfaceEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What the look-up of owners was told.
pub(super) struct Stands {
    told: BTreeMap<u32, Place>,
    /// How many names there were when it was told.
    names: usize,
}

impl Stands {
    /// What an earlier process told, for a tap that goes on with its look-up.
    pub(super) fn of(places: &Places) -> Self {
        Self { told: places.standing().into_iter().collect(), names: places.given() }
    }

    /// Tells where an interface is, by its names, before anything is counted there.
    pub(super) fn stand(&mut self, places: &Places, entry: &InterfaceEntry) -> io::Result<Place> {
        let names = std::iter::once(&entry.name).chain(&entry.other_names).map(String::as_str);
        let place = places.of_interface(names);
        let told = self.told.get(&entry.index).copied().unwrap_or_default();
        if place != told {
            places.stand(entry.index, place).map_err(io::Error::other)?;
            self.told.insert(entry.index, place);
        }
        Ok(place)
    }

    /// Forgets interfaces that are attached no more.
    pub(super) fn retain(&mut self, places: &Places, attached: &BTreeSet<u32>) {
        self.told.retain(|index, place| {
            let stays = attached.contains(index) && *place != Place::ANY;
            // One that is not taken is forgotten at the next start.
            stays || places.stand(*index, Place::ANY).is_err()
        });
    }

    /// True when other names are given than are known, which may be those of attached interfaces.
    pub(super) fn is_another_named(&self, places: &Places) -> bool {
        self.names != places.given()
    }

    /// All attached interfaces were told where they are, by so many names.
    pub(super) fn know(&mut self, names: usize) {
        self.names = names;
    }
}
