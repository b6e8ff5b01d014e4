//! JSON objects by their key, bounded in number and size: how everything that people manage in a project is held.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fault::Fault;

/// The most objects on one shelf.
const ITEMS_MAX: usize = 10_000;
/// The most bytes of JSON on one shelf, unless it is made for more.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A JSON object.
pub(super) type Item = Map<String, Value>;

/// Objects by their key.
pub(super) struct Shelf<K> {
    items: BTreeMap<K, Item>,
    bytes: usize,
    bytes_max: usize,
}

impl<K> Default for Shelf<K> {
    fn default() -> Shelf<K> {
        Shelf::of_bytes(BYTES_MAX)
    }
}

impl<K> Shelf<K> {
    pub(super) fn of_bytes(bytes_max: usize) -> Shelf<K> {
        Shelf {
            items: BTreeMap::new(),
            bytes: 0,
            bytes_max,
        }
    }
}

impl<K: Ord> Shelf<K> {
    pub(super) fn get(&self, key: &K) -> Option<&Item> {
        self.items.get(key)
    }

    /// In the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &Item)> {
        self.items.iter()
    }

    /// Puts an object in, or in another's place. Where there is no room for it, all stays as it was.
    pub(super) fn put(&mut self, key: K, item: Item) -> Result<(), Fault> {
        let old = self.items.get(&key);
        let bytes = self.bytes - old.map_or(0, size) + size(&item);
        let is_full = old.is_none() && self.items.len() >= ITEMS_MAX;
        if is_full || bytes > self.bytes_max {
            return Err(full());
        }
        self.bytes = bytes;
        self.items.insert(key, item);
        Ok(())
    }

    pub(super) fn take(&mut self, key: &K) -> Option<Item> {
        let item = self.items.remove(key)?;
        self.bytes -= size(&item);
        Some(item)
    }

    /// Takes out what `is_meant`, and says how many these were.
    pub(super) fn take_all(&mut self, is_meant: impl Fn(&K) -> bool) -> usize {
        let before = self.items.len();
        self.items.retain(|key, _| !is_meant(key));
        self.bytes = self.items.values().map(size).sum();
        before - self.items.len()
    }
}

/// There is no room for more.
pub(super) fn full() -> Fault {
    Fault::new(
        429,
        "No more of these are held in memory: delete some first",
    )
}

fn size(item: &Item) -> usize {
    serde_json::to_string(item).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(text: &str) -> Item {
        Item::from_iter([("a".to_owned(), json!(text))])
    }

    #[test]
    fn a_full_shelf_takes_nothing_more_until_something_goes() {
        let mut shelf = Shelf::of_bytes(20);
        assert_eq!(shelf.put(1, item("xx")), Ok(()));
        assert_eq!(shelf.put(2, item("xx")), Ok(()));
        assert_eq!(shelf.put(3, item("")), Err(full()));
        assert_eq!(shelf.put(2, item("xxx")), Err(full()));
        assert_eq!(shelf.get(&2), Some(&item("xx")));
        assert_eq!(shelf.take(&1), Some(item("xx")));
        assert_eq!(shelf.put(2, item("xxx")), Ok(()));
        assert_eq!(shelf.take_all(|key| *key == 2), 1);
        assert_eq!(shelf.put(3, item("xxxxxxxx")), Ok(()));
    }

    #[test]
    fn the_number_of_objects_is_bounded() {
        let mut shelf = Shelf::default();
        for key in 0..ITEMS_MAX {
            assert_eq!(shelf.put(key, Item::new()), Ok(()));
        }
        assert_eq!(shelf.put(ITEMS_MAX, Item::new()), Err(full()));
        assert_eq!(shelf.put(0, item("")), Ok(()));
    }
}
