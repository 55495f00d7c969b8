//! Everything that is known of addresses, each part of which can be replaced while it is read.

use crate::list::NetworkList;
use crate::map::NetworkMap;
use crate::mmdb::{Database, Holds};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tollgate_expr::{AddressFacts, AddressSource};

/// Databases and lists. Looking up takes no lock; a part that is replaced counts for the next look-up.
pub struct AddressBook {
    places: ArcSwapOption<Database>,
    systems: ArcSwapOption<Database>,
    /// The names of categories, in the order of their lists.
    names: Vec<Arc<str>>,
    /// Of each network, the index of its category.
    categories: ArcSwap<NetworkMap<u32>>,
    /// What the map is made of, kept so that one list can be replaced.
    lists: Mutex<Lists>,
}

/// The lists, in the order of their categories.
struct Lists {
    all: Vec<NetworkList>,
    /// Whether one is newer than the map.
    changed: bool,
}

impl fmt::Debug for AddressBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |database: &ArcSwapOption<Database>| database.load().as_ref().map(|d| d.kind().to_owned());
        f.debug_struct("AddressBook")
            .field("places", &kind(&self.places))
            .field("systems", &kind(&self.systems))
            .field("networks", &self.categories.load().len())
            .finish_non_exhaustive()
    }
}

impl AddressBook {
    /// A book that knows nothing yet. There is a list for each of these categories, and a category may have several.
    #[must_use]
    pub fn new(categories: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        let names: Vec<Arc<str>> = categories.into_iter().map(Into::into).collect();
        Self {
            places: ArcSwapOption::empty(),
            systems: ArcSwapOption::empty(),
            lists: Mutex::new(Lists { all: vec![NetworkList::default(); names.len()], changed: false }),
            names,
            categories: ArcSwap::default(),
        }
    }

    /// Puts a database into force.
    pub fn set_database(&self, database: Database, holds: Holds) {
        let place = match holds {
            Holds::Places => &self.places,
            Holds::Systems => &self.systems,
        };
        place.store(Some(Arc::new(database)));
    }

    /// Keeps the list of the category with this index, for the next [`Self::build`].
    pub fn keep_list(&self, index: usize, list: NetworkList) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = lists.all.get_mut(index) {
            *place = list;
            lists.changed = true;
        }
    }

    /// Puts the lists into force, if one has changed. Takes a fraction of a second for a million networks.
    pub fn build(&self) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut lists.changed) {
            return;
        }
        let named = lists.all.iter().zip(0_u32..);
        let map = named.flat_map(|(list, index)| list.iter().map(move |network| (network, index))).collect();
        self.categories.store(Arc::new(map));
    }
}

impl AddressSource for AddressBook {
    fn look_up(&self, address: IpAddr) -> Arc<AddressFacts> {
        let mut facts = AddressFacts::default();
        for database in [&self.places, &self.systems] {
            if let Some(database) = &*database.load() {
                database.add(address, &mut facts);
            }
        }
        let categories = self.categories.load();
        let mut found = categories.all(address).peekable();
        if found.peek().is_some() {
            let name = |index: &u32| self.names.get(usize::try_from(*index).ok()?).map(|name| &**name);
            facts.set_categories(found.filter_map(name));
        }
        Arc::new(facts)
    }
}

#[cfg(test)]
mod tests;
