use ahash::{AHashMap, RandomState};
use slab::Slab;

use crate::{
    document::Document,
    id::{Key, SessionId},
    lane::Lane,
};

/// The keys of a shard with what is under them, and the lanes that lead there.
#[derive(Debug)]
pub(crate) struct Table {
    keys: AHashMap<Key, EntryId>,
    pub(crate) entries: Slab<Entry>,
    pub(crate) lanes: Slab<(EntryId, Lane)>,
    lane_ids: AHashMap<(SessionId, EntryId), LaneId>,
    lanes_of: AHashMap<SessionId, Vec<LaneId>>,
    /// Bytes of the texts of all keys.
    key_bytes: usize,
    /// Invariant: what [`count`](Self::count) says, which each commit asks for and seldom one changes.
    bytes: TableBytes,
}

/// Bytes of the tables.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TableBytes {
    /// Of keys and documents.
    pub(crate) entries: u64,
    /// Of lanes, without the outcomes that they remember.
    pub(crate) lanes: u64,
}

pub(crate) type EntryId = usize;
pub(crate) type LaneId = usize;

/// What there is under a key. The lanes are the key's: they outlive the document.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) document: Option<Document>,
    lanes: usize,
}

impl Table {
    /// An empty table. Nobody who does not know the seeds can choose keys that collide.
    pub(crate) fn new([first, second, third, fourth]: [u64; 4]) -> Self {
        let hasher = || RandomState::with_seeds(first, second, third, fourth);
        let mut table = Self {
            keys: AHashMap::with_hasher(hasher()),
            entries: Slab::new(),
            lanes: Slab::new(),
            lane_ids: AHashMap::with_hasher(hasher()),
            lanes_of: AHashMap::with_hasher(hasher()),
            key_bytes: 0,
            bytes: TableBytes::default(),
        };
        table.bytes = table.count();
        table
    }

    pub(crate) fn entry_id(&self, key: &Key) -> Option<EntryId> {
        self.keys.get(key).copied()
    }

    pub(crate) fn document(&self, key: &Key) -> Option<&Document> {
        self.entries.get(self.entry_id(key)?)?.document.as_ref()
    }

    pub(crate) fn lane_id(&self, session: SessionId, key: &Key) -> Option<LaneId> {
        let entry = self.entry_id(key)?;
        self.lane_ids.get(&(session, entry)).copied()
    }

    pub(crate) fn lane(&self, session: SessionId, key: &Key) -> Option<&Lane> {
        let id = self.lane_id(session, key)?;
        Some(&self.lanes.get(id)?.1)
    }

    /// A lane with the entry that it leads to.
    pub(crate) fn lane_and_entry(&mut self, id: LaneId) -> Option<(&mut Lane, &mut Entry)> {
        let (entry, lane) = self.lanes.get_mut(id)?;
        Some((lane, self.entries.get_mut(*entry)?))
    }

    pub(crate) fn entry_of(&self, lane: LaneId) -> Option<(EntryId, &Entry)> {
        let id = self.lanes.get(lane)?.0;
        Some((id, self.entries.get(id)?))
    }

    pub(crate) fn open_lane(&mut self, session: SessionId, key: &Key) -> LaneId {
        let entry_id = self.open_entry(key);
        grow(&mut self.lanes);
        let id = self.lanes.insert((entry_id, Lane::new(session)));
        if let Some(entry) = self.entries.get_mut(entry_id) {
            entry.lanes += 1;
        }
        self.lane_ids.insert((session, entry_id), id);
        self.lanes_of.entry(session).or_default().push(id);
        self.bytes = self.count();
        id
    }

    /// Takes out lanes of a session, at most `max`.
    pub(crate) fn close_lanes(&mut self, session: SessionId, max: usize) -> Vec<(LaneId, Lane)> {
        let Some(open) = self.lanes_of.get_mut(&session) else {
            return Vec::new();
        };
        let ids = open.split_off(open.len().saturating_sub(max));
        if open.is_empty() {
            self.lanes_of.remove(&session);
        }
        let mut closed = Vec::with_capacity(ids.len());
        for id in ids {
            let Some((entry_id, lane)) = self.lanes.try_remove(id) else {
                continue;
            };
            self.lane_ids.remove(&(session, entry_id));
            if let Some(entry) = self.entries.get_mut(entry_id) {
                entry.lanes -= 1;
            }
            self.close_entry_if_unused(entry_id);
            closed.push((id, lane));
        }
        self.bytes = self.count();
        closed
    }

    pub(crate) fn open_entry(&mut self, key: &Key) -> EntryId {
        if let Some(&id) = self.keys.get(key) {
            return id;
        }
        grow(&mut self.entries);
        let id = self.entries.insert(Entry {
            key: key.clone(),
            document: None,
            lanes: 0,
        });
        self.key_bytes += key.as_str().len();
        self.keys.insert(key.clone(), id);
        self.bytes = self.count();
        id
    }

    pub(crate) fn close_entry_if_unused(&mut self, id: EntryId) {
        let unused = |entry: &Entry| entry.document.is_none() && entry.lanes == 0;
        if self.entries.get(id).is_some_and(unused) {
            let entry = self.entries.remove(id);
            self.key_bytes -= entry.key.as_str().len();
            self.keys.remove(&entry.key);
            self.bytes = self.count();
        }
    }

    /// Keys of documents, from a place in the table on, at most `max` of them; with the place to go on
    /// from, if there are more.
    pub(crate) fn keys(&self, from: EntryId, max: usize) -> (Vec<Key>, Option<EntryId>) {
        let from = from.min(self.entries.capacity());
        let mut keys = Vec::new();
        for id in from..self.entries.capacity() {
            let Some(entry) = self
                .entries
                .get(id)
                .filter(|entry| entry.document.is_some())
            else {
                continue;
            };
            if keys.len() == max {
                return (keys, Some(id));
            }
            keys.push(entry.key.clone());
        }
        (keys, None)
    }

    /// What the tables take.
    pub(crate) const fn bytes(&self) -> TableBytes {
        self.bytes
    }

    fn count(&self) -> TableBytes {
        let keys = self.entries.len() * KEY_BYTES + self.key_bytes + map_bytes(&self.keys);
        let entries = self.entries.capacity() * (size_of::<Entry>() + SLOT);
        let slots = self.lanes.capacity() * (size_of::<(EntryId, Lane)>() + SLOT);
        let ids = self.lanes.len() * LANE_IDS * size_of::<LaneId>();
        let lanes = slots + ids + map_bytes(&self.lane_ids) + map_bytes(&self.lanes_of);
        TableBytes {
            entries: (keys + entries) as u64,
            lanes: lanes as u64,
        }
    }

    /// By how much the tables grow for one more key and one more lane: nothing, or to twice what they are.
    pub(crate) fn growth(&self) -> u64 {
        let map =
            |bytes: usize, len: usize, capacity: usize| if len < capacity { 0 } else { bytes };
        let (entries, lanes) = (&self.entries, &self.lanes);
        let growth = map(map_bytes(&self.keys), self.keys.len(), self.keys.capacity())
            + map(
                map_bytes(&self.lane_ids),
                self.lane_ids.len(),
                self.lane_ids.capacity(),
            )
            + map(
                map_bytes(&self.lanes_of),
                self.lanes_of.len(),
                self.lanes_of.capacity(),
            )
            + map(
                entries.capacity() * (size_of::<Entry>() + SLOT),
                entries.len(),
                entries.capacity(),
            )
            + map(
                lanes.capacity() * (size_of::<(EntryId, Lane)>() + SLOT),
                lanes.len(),
                lanes.capacity(),
            );
        growth as u64
    }
}

/// Makes room for one more, and for a fifth as many as there are: growing to the double would leave as much
/// unused as is used, for nothing but some nanoseconds a document.
fn grow<T>(slab: &mut Slab<T>) {
    if slab.len() == slab.capacity() {
        slab.reserve_exact(slab.len() / 5 + 4);
    }
}

/// An [`Arc`](std::sync::Arc)'s counts, about a key's text, rounded up.
const KEY_BYTES: usize = 20;

/// What a slab adds to what a slot holds.
const SLOT: usize = size_of::<usize>();

/// The lanes of a session are a vector, which starts with four places.
const LANE_IDS: usize = 4;

/// A hash table of std holds at most seven entries in eight places, a power of two of them, with a byte
/// of control each.
fn map_bytes<K, V>(map: &AHashMap<K, V>) -> usize {
    let places = map.capacity().saturating_mul(8).div_ceil(7);
    places * (size_of::<(K, V)>() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_key_lies_depends_on_each_seed() {
        let key = Key::new("room/1").unwrap();
        let place = |seeds| Table::new(seeds).keys.hasher().hash_one(&key);
        let seeds = [1, 2, 3, 4];
        assert_eq!(place(seeds), place(seeds));
        for index in 0..seeds.len() {
            let mut others = seeds;
            others[index] = 5;
            assert_ne!(place(seeds), place(others), "{index}");
        }
    }
}
