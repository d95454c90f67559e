//! A shard: the tables of a share of the keys.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    place::{Place, Places},
    table::Table,
};
use crate::layout::Layout;

/// What one lock guards.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// The latest time that was seen here, in nanoseconds of the store.
    pub(super) now: u64,
    /// One for each layout. A key is in one of them at most.
    tables: SmallVec<[Table; 1]>,
}

/// What keeping a state did to the number of keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Put {
    /// Whether the key is new here.
    pub(super) added: bool,
    /// How many full ones were forgotten to make room in memory.
    pub(super) forgotten: usize,
}

impl Shard {
    /// Where a key is in the table of this very layout, if it is there.
    #[inline]
    pub(super) fn slot_in(&self, layout: &Arc<Layout>, place: &Place, places: &Places) -> Option<(usize, usize)> {
        let table = self.tables.iter().position(|table| same(&table.layout, layout))?;
        let slot = self.tables[table].find(place, places).ok()?;
        Some((table, slot))
    }

    /// The state in a slot that was found.
    #[inline]
    pub(super) fn state_at(&mut self, (table, slot): (usize, usize)) -> &mut [u64] {
        self.tables[table].state_mut(slot)
    }

    /// The state of a key in whatever table it is, and its layout.
    pub(super) fn state(&mut self, place: &Place, places: &Places) -> Option<(&Arc<Layout>, &mut [u64])> {
        let (table, slot) = self.find(place, places)?;
        Some(self.tables[table].entry(slot))
    }

    /// Keeps the state of a key, new or not.
    pub(super) fn put(&mut self, layout: &Arc<Layout>, place: &Place, state: &[u64], places: &Places) -> Put {
        if let Some(slot) = self.slot_in(layout, place, places) {
            self.state_at(slot).copy_from_slice(state);
            return Put::default();
        }
        let elsewhere = self.find(place, places);
        if let Some((table, slot)) = elsewhere {
            self.tables[table].remove(slot, places);
        }
        let now = self.now;
        let table = self.tables.iter().position(|table| same(&table.layout, layout)).unwrap_or_else(|| {
            self.tables.retain(|table| table.len() > 0);
            self.tables.push(Table::new(Arc::clone(layout)));
            self.tables.len() - 1
        });
        Put { added: elsewhere.is_none(), forgotten: self.tables[table].insert(place, state, places, now) }
    }

    /// Forgets full entries among some slots of each table, and returns how many.
    pub(super) fn sweep(&mut self, place: &Place, slots: usize, places: &Places) -> usize {
        let now = self.now;
        self.tables.iter_mut().map(|table| table.sweep(place, slots, places, now)).sum()
    }

    /// Forgets all full entries, gives their memory back, and returns how many they were.
    pub(super) fn rebuild(&mut self, places: &Places) -> usize {
        let now = self.now;
        let forgotten = self.tables.iter_mut().map(|table| table.rebuild(0, places, now)).sum();
        self.tables.retain(|table| table.len() > 0);
        forgotten
    }

    pub(super) fn bytes(&self) -> usize {
        let list = if self.tables.spilled() { self.tables.capacity() * size_of::<Table>() } else { 0 };
        list + self.tables.iter().map(Table::bytes).sum::<usize>()
    }

    fn find(&self, place: &Place, places: &Places) -> Option<(usize, usize)> {
        let tables = self.tables.iter().enumerate();
        tables.filter(|(_, table)| table.len() > 0).find_map(|(at, table)| Some((at, table.find(place, places).ok()?)))
    }
}

/// Limits of the same windows have layouts that are equal, and mostly it is one limit.
#[inline]
fn same(one: &Arc<Layout>, other: &Arc<Layout>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
