//! Which indexes are worth thinking of.
//!
//! Candidates come from what statements need, one generator a file: equality, range and prefix conditions
//! ([`predicates`]), both sides of joins ([`joins`]), orders with their limits ([`order`]), groups and extremes
//! ([`group`]), constant conditions ([`partial`]), columns that make an index answer alone ([`covering`]), operators
//! that only inverted indexes serve ([`inverted`]), and block ranges ([`brin`]). What exists already is never thought
//! of, nor what PostgreSQL could not build.

pub(crate) mod access;
mod brin;
pub(crate) mod collect;
mod covering;
mod group;
mod inverted;
mod joins;
pub(crate) mod merge;
mod order;
mod partial;
mod predicates;
mod types;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use dbopt_catalog::{Catalog, Index, IndexKey, KeyPart, Method, TableId};

use self::access::{Access, Key, unique};
use crate::cover::covers;

/// The most keys that are worth their bytes.
const MOST_KEYS: usize = 5;

/// The most candidates of one table in one query.
const MOST_PER_ACCESS: usize = 40;

/// A B-tree refuses entries of more than a third of a page (2,704 bytes of 8,192). Widths are averages, so a key is
/// refused at half of that.
const WIDEST: f64 = 1352.0;

/// What generators know besides the access itself.
pub(crate) struct Context<'a> {
    pub(crate) catalog: &'a Catalog,
    /// The sets of columns that all queries compare with constants, by table: what an order of keys may share.
    looked_up: BTreeMap<TableId, Vec<Vec<Key>>>,
}

/// One key of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) key: Key,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
    pub(crate) opclass: Option<String>,
}

impl From<Key> for Part {
    fn from(key: Key) -> Self {
        Self { key, descending: false, nulls_first: false, opclass: None }
    }
}

/// Keys in order.
pub(crate) type Parts = Vec<Part>;

impl<'a> Context<'a> {
    pub(crate) fn new(catalog: &'a Catalog, accesses: &[Access]) -> Self {
        let mut looked_up: BTreeMap<TableId, Vec<Vec<Key>>> = BTreeMap::new();
        for access in accesses {
            let mut keys = access.looked_up();
            keys.sort_unstable();
            let joined = access.joins.iter().map(|(key, _)| vec![key.clone()]);
            let sets = looked_up.entry(access.table).or_default();
            for set in std::iter::once(keys).chain(joined) {
                if !set.is_empty() && !sets.contains(&set) {
                    sets.push(set);
                }
            }
        }
        Self { catalog, looked_up }
    }

    /// Orders in which keys compared for equality can lead an index: the most selective first, and those that begin
    /// with a set which another query looks up by itself, so that one index serves both.
    pub(crate) fn orders(&self, table: TableId, keys: &[Key]) -> Vec<Vec<Key>> {
        const MOST: usize = 4;
        let by_selectivity = |keys: &[Key]| {
            let mut keys = keys.to_vec();
            keys.sort_by(|a, b| {
                let (a_values, b_values) = (a.distinct(self.catalog, table), b.distinct(self.catalog, table));
                b_values.total_cmp(&a_values).then_with(|| a.cmp(b))
            });
            keys
        };
        let all: Vec<Key> = by_selectivity(keys).into_iter().take(MOST_KEYS - 1).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let mut orders = vec![all.clone()];
        for shared in self.looked_up.get(&table).into_iter().flatten() {
            if shared.len() < all.len() && shared.iter().all(|key| all.contains(key)) {
                let rest: Vec<Key> = all.iter().filter(|key| !shared.contains(key)).cloned().collect();
                orders.push(by_selectivity(shared).into_iter().chain(rest).collect());
            }
        }
        let mut orders = unique(orders);
        orders.truncate(MOST);
        orders
    }
}

/// The candidates of all accesses, each once, in the order of the accesses.
pub(crate) fn generate(catalog: &Catalog, accesses: &[Access], most: usize) -> Vec<(TableId, Index)> {
    let context = Context::new(catalog, accesses);
    let mut candidates: Vec<(TableId, Index)> = Vec::new();
    let mut seen: BTreeMap<TableId, BTreeSet<String>> = BTreeMap::new();
    for access in accesses {
        for index in for_access(&context, access) {
            if candidates.len() >= most {
                return candidates;
            }
            if seen.entry(access.table).or_default().insert(format!("{index:?}")) {
                candidates.push((access.table, index));
            }
        }
    }
    candidates
}

/// The candidates of one access, bounded.
fn for_access(context: &Context<'_>, access: &Access) -> Vec<Index> {
    let generators: [fn(&Context<'_>, &Access) -> Vec<Parts>; 4] =
        [predicates::keys, joins::keys, order::keys, group::keys];
    let mut lists: Vec<Parts> = generators.iter().flat_map(|keys| keys(context, access)).map(without_repeats).collect();
    lists = unique(lists.into_iter().filter(|parts| is_sound(context.catalog, access.table, parts)));
    let plain = lists.iter().map(|parts| btree(context.catalog, access.table, parts));
    let mut indexes: Vec<Index> = plain.collect();
    // A row that a unique index finds costs one visit of the table, which is little to save for a second index.
    let single = |parts: &&Parts| has_unique_lead(context.catalog, access.table, parts, parts.len());
    let several = lists.iter().filter(|parts| !single(parts));
    indexes.extend(several.filter_map(|parts| covering::index(context, access, parts)));
    indexes.extend(partial::indexes(context, access, &lists));
    indexes.extend(inverted::indexes(context, access));
    indexes.extend(brin::indexes(context, access));
    let table = context.catalog.table(access.table);
    indexes.retain(|index| !table.indexes.iter().any(|existing| existing.valid && covers(existing, index)));
    indexes.truncate(MOST_PER_ACCESS);
    indexes
}

/// A B-tree over the keys.
fn btree(catalog: &Catalog, table: TableId, parts: &[Part]) -> Index {
    let table = catalog.table(table);
    let keys = parts.iter().map(|part| IndexKey {
        part: part.key.part(table),
        opclass: part.opclass.clone(),
        collation: None,
        descending: part.descending,
        nulls_first: part.nulls_first,
    });
    Index { keys: keys.collect(), ..blank(table, Method::Btree) }
}

/// An index of a table without keys.
fn blank(table: &dbopt_catalog::Table, method: Method) -> Index {
    Index {
        schema: table.schema.clone(),
        valid: true,
        ready: true,
        deduplicate: method == Method::Btree,
        method,
        ..Index::default()
    }
}

/// Keys after the first of their kind add nothing.
fn without_repeats(parts: Parts) -> Parts {
    let mut kept: Parts = Vec::new();
    for part in parts {
        if !kept.iter().any(|other| other.key == part.key && other.opclass == part.opclass) {
            kept.push(part);
        }
    }
    kept
}

/// Whether PostgreSQL can build the index and it is not pointless.
fn is_sound(catalog: &Catalog, table: TableId, parts: &[Part]) -> bool {
    let width: f64 = parts.iter().map(|part| part.key.width(catalog, table)).sum();
    let typed = parts.iter().all(|part| match &part.key {
        Key::Column(column) => types::has_btree(&catalog.table(table).columns[column.0].kind),
        Key::Expression(_) => true,
    });
    !parts.is_empty()
        && parts.len() <= MOST_KEYS
        && width <= WIDEST
        && typed
        && !has_unique_lead(catalog, table, parts, parts.len() - 1)
}

/// Whether the keys begin with all keys of a unique index of so many keys at most: that one finds the single row.
fn has_unique_lead(catalog: &Catalog, table: TableId, parts: &[Part], most: usize) -> bool {
    let table = catalog.table(table);
    table.indexes.iter().any(|index| {
        index.unique
            && index.valid
            && index.predicate.is_none()
            && index.keys.len() <= most.min(parts.len())
            && index
                .keys
                .iter()
                .all(|key| parts[..index.keys.len()].iter().any(|part| part.key.part(table) == key.part))
    })
}

/// What a plan of one query could use an index for, by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footprint {
    tables: BTreeMap<TableId, TableFootprint>,
}

#[derive(Clone, Debug, Default)]
struct TableFootprint {
    /// Keys that conditions, joins, orders and groups are about.
    keys: BTreeSet<KeyPart>,
    /// The columns that each access of the table reads; empty sets for `count(*)`.
    reads: Vec<BTreeSet<String>>,
}

impl Footprint {
    pub(crate) fn new(catalog: &Catalog, accesses: &[Access]) -> Self {
        let mut footprint = Self::default();
        for access in accesses {
            let table = catalog.table(access.table);
            let entry = footprint.tables.entry(access.table).or_default();
            let looked_up = access.looked_up();
            let keys = looked_up
                .iter()
                .chain(&access.range)
                .chain(&access.prefix)
                .chain(access.row_range.iter().flatten())
                .chain(access.joins.iter().map(|(key, _)| key))
                .chain(access.searched.iter().map(|searched| &searched.key))
                .chain(access.order.iter().map(|ordered| &ordered.key))
                .chain(&access.group)
                .chain(&access.extremes);
            entry.keys.extend(keys.map(|key| key.part(table)));
            entry.keys.extend(
                access.constants.iter().map(|constant| KeyPart::Column(table.columns[constant.column.0].name.clone())),
            );
            if !access.whole_row {
                entry.reads.push(access.columns.iter().map(|id| table.columns[id.0].name.clone()).collect());
            }
        }
        footprint
    }

    /// Whether the query could use the index: its first key is asked about, or it holds all that is read.
    pub(crate) fn can_use(&self, table: TableId, index: &Index) -> bool {
        let Some(footprint) = self.tables.get(&table) else { return false };
        let leads = index.keys.first().is_some_and(|key| footprint.keys.contains(&key.part));
        leads || footprint.reads.iter().any(|columns| columns.iter().all(|name| crate::cover::holds(index, name)))
    }
}
