//! The indexes that a plan may use, existing and hypothetical, in the form in which conditions meet them.

use std::sync::Arc;

use dbopt_catalog::{Catalog, ColumnId, Index, KeyPart, Method, Table, TableId};

use super::prepared::Key;
use crate::canonical;
use crate::{
    size::{self, SizeMode},
    whatif::UsedIndex,
};

/// An index.
#[derive(Clone, Debug)]
pub(crate) struct IndexInfo {
    pub(crate) used: UsedIndex,
    pub(crate) method: Method,
    pub(crate) keys: Vec<IndexColumn>,
    pub(crate) include: Vec<ColumnId>,
    /// Conjuncts of its predicate in canonical form.
    pub(crate) predicate: Vec<String>,
    pub(crate) unique: bool,
    pub(crate) pages: f64,
    /// Entries, when known; otherwise those that its predicate lets in.
    pub(crate) entries: Option<f64>,
    /// Levels above the leaves.
    pub(crate) height: f64,
    /// `orders (customer_id, created_at)`.
    pub(crate) name: Arc<str>,
}

/// A key of an index.
#[derive(Clone, Debug)]
pub(crate) struct IndexColumn {
    pub(crate) key: Key,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
    /// Whether `LIKE 'x%'` can use it: byte order, or a pattern operator class.
    pub(crate) patterns: bool,
    /// Whether `<` and `ORDER BY` can use it: not with a pattern operator class.
    pub(crate) ordered: bool,
}

impl IndexInfo {
    /// An index of the catalogue, or a candidate of a known size; `None` when the planner would not use it.
    pub(crate) fn new(
        catalog: &Catalog,
        id: TableId,
        index: &Index,
        bytes: Option<f64>,
        used: UsedIndex,
    ) -> Option<Self> {
        let table = catalog.table(id);
        if !index.valid || index.keys.is_empty() {
            return None;
        }
        let keys: Vec<IndexColumn> = index.keys.iter().map(|key| column(catalog, table, key)).collect();
        let include = index.include.iter().filter_map(|name| table.column(name)).collect();
        let rows = size::table_rows(table);
        let block = f64::from(catalog.server.block_size.max(1));
        let predicted = size::index_size(catalog, id, index, rows, SizeMode::Built);
        let pages = match (bytes, index.pages) {
            (Some(bytes), _) => (bytes / block).ceil(),
            (None, Some(pages)) => pages,
            (None, None) => predicted.pages,
        };
        let pages = if pages.is_finite() { pages.max(1.0) } else { 1.0 };
        // A partial index has fewer pages, and so perhaps fewer levels, than the prediction for all rows.
        let height = if pages <= 2.0 {
            0.0
        } else if pages < 0.5 * predicted.pages {
            (pages.ln() / 250.0_f64.ln()).ceil()
        } else {
            f64::from(predicted.height)
        };
        let parts: Vec<&str> = index
            .keys
            .iter()
            .map(|key| match &key.part {
                KeyPart::Column(name) | KeyPart::Expression(name) => name.as_str(),
            })
            .collect();
        let mut name = format!("{} ({})", table.name, parts.join(", "));
        if let Some(predicate) = &index.predicate {
            name.push_str(" where ");
            name.push_str(predicate);
        }
        Some(Self {
            used,
            method: index.method.clone(),
            keys,
            include,
            predicate: index.predicate.as_deref().map(canonical::conjuncts).unwrap_or_default(),
            unique: index.unique && bytes.is_none(),
            pages,
            entries: index.rows.filter(|rows| rows.is_finite() && *rows >= 0.0),
            height,
            name: name.into(),
        })
    }

    /// Whether a scan of the index alone can return these columns.
    pub(crate) fn covers(&self, needed: &[ColumnId]) -> bool {
        self.method == Method::Btree
            && needed.iter().all(|column| {
                self.include.contains(column) || self.keys.iter().any(|key| key.key == Key::Column(*column))
            })
    }
}

fn column(catalog: &Catalog, table: &Table, key: &dbopt_catalog::IndexKey) -> IndexColumn {
    let (part, own_collation) = match &key.part {
        KeyPart::Column(name) => match table.column(name) {
            Some(column) => (Key::Column(column), table.columns[column.0].collation.as_deref()),
            None => (Key::Expression(name.as_str().into()), None),
        },
        KeyPart::Expression(expression) => (Key::Expression(canonical::text(expression).into()), None),
    };
    let collation = key.collation.as_deref().or(own_collation).unwrap_or(&catalog.server.collation);
    let pattern = key.opclass.as_deref().is_some_and(|name| name.contains("pattern_ops"));
    IndexColumn {
        key: part,
        descending: key.descending,
        nulls_first: key.nulls_first,
        patterns: pattern || matches!(collation, "C" | "POSIX" | "\"C\"" | "C.UTF-8" | "C.utf8"),
        ordered: !pattern,
    }
}
