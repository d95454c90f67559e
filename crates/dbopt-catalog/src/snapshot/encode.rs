//! From the model to the wire.

use super::{
    number::{Amount, Number, Share},
    wire,
};
use crate::{
    Activity, Catalog, Column, ColumnStatistics, CommonValue, Constraint, ConstraintKind, Datum, ExtendedStatistics,
    Index, IndexKey, KeyPart, Method, Quality, Relkind, Server, Table, TypeName,
};

pub(super) fn head(catalog: &Catalog) -> wire::Head {
    wire::Head {
        format: super::FORMAT,
        version: super::VERSION,
        quality: match catalog.quality {
            Quality::Defaults => wire::Quality::Defaults,
            Quality::Redacted => wire::Quality::Redacted,
            Quality::Full => wire::Quality::Full,
        },
        database: catalog.database.clone(),
        server: server(&catalog.server),
        settings: (&catalog.settings).into(),
        search_path: catalog.search_path.clone(),
    }
}

pub(super) fn server(server: &Server) -> wire::Server {
    wire::Server {
        version_num: server.version_num,
        block_size: server.block_size,
        encoding: server.encoding.clone(),
        collation: server.collation.clone(),
        in_recovery: server.in_recovery,
        statistics_reset: server.statistics_reset,
        read_at: server.read_at,
    }
}

pub(super) fn table(table: &Table) -> wire::Table {
    wire::Table {
        schema: table.schema.clone(),
        name: table.name.clone(),
        kind: match table.kind {
            Relkind::Table => wire::Relkind::Table,
            Relkind::Partitioned => wire::Relkind::Partitioned,
            Relkind::MaterializedView => wire::Relkind::MaterializedView,
            Relkind::Foreign => wire::Relkind::Foreign,
            Relkind::View => wire::Relkind::View,
        },
        pages: Amount(table.pages),
        rows: table.rows.map(Amount),
        all_visible: Share(table.all_visible),
        toast_bytes: table.toast_bytes,
        fillfactor: (table.fillfactor != 100).then_some(table.fillfactor),
        columns: table.columns.iter().map(column).collect(),
        indexes: table.indexes.iter().map(index).collect(),
        constraints: table.constraints.iter().map(constraint).collect(),
        extended: table.extended.iter().map(extended).collect(),
        activity: table.activity.as_ref().map(activity),
        parent: table.parent.clone(),
        partition_key: table.partition_key.clone(),
        partition_bound: table.partition_bound.clone(),
        definition: table.definition.clone(),
    }
}

fn column(column: &Column) -> wire::Column {
    let kind = &column.kind;
    let known = TypeName { modifier: kind.modifier.clone(), ..TypeName::of(&kind.name) };
    wire::Column {
        name: column.name.clone(),
        kind: kind.name.clone(),
        modifier: kind.modifier.clone(),
        facts: (known != *kind).then(|| wire::TypeFacts {
            length: kind.length,
            align: kind.align,
            category: kind.category,
            base: kind.base.clone(),
        }),
        not_null: column.not_null,
        collation: column.collation.clone(),
        generated: column.generated,
        statistics: column.statistics.as_ref().map(statistics),
    }
}

fn statistics(statistics: &ColumnStatistics) -> wire::Statistics {
    let (common, common_hashed) = common_values(&statistics.common);
    let (common_elements, common_elements_hashed) = common_values(&statistics.common_elements);
    wire::Statistics {
        null_fraction: Share(statistics.null_fraction),
        average_width: Amount(statistics.average_width),
        n_distinct: Number(statistics.n_distinct),
        common,
        common_hashed,
        histogram: statistics.histogram.clone(),
        correlation: statistics.correlation.map(Number),
        common_elements,
        common_elements_hashed,
    }
}

type Shares = Vec<(String, Share)>;

/// Plain values and hashed ones; one of the two is empty, since a catalogue is redacted as a whole.
fn common_values(common: &[CommonValue]) -> (Shares, Shares) {
    let (mut plain, mut hashed) = (Shares::new(), Shares::new());
    for CommonValue { value, frequency } in common {
        match value {
            Datum::Text(value) => plain.push((value.clone(), Share(*frequency))),
            Datum::Hashed(hash) => hashed.push((hash.clone(), Share(*frequency))),
        }
    }
    (plain, hashed)
}

fn index(index: &Index) -> wire::Index {
    wire::Index {
        name: index.name.clone(),
        method: (index.method != Method::Btree).then(|| index.method.name().to_owned()),
        keys: index.keys.iter().map(key).collect(),
        include: index.include.clone(),
        predicate: index.predicate.clone(),
        unique: index.unique,
        nulls_not_distinct: index.nulls_not_distinct,
        primary: index.primary,
        constraint: index.constraint.clone(),
        invalid: !index.valid,
        not_ready: !index.ready,
        identity: index.identity,
        pages: index.pages.map(Amount),
        rows: index.rows.map(Amount),
        scans: index.scans,
        last_scan: index.last_scan,
        fillfactor: index.fillfactor,
        no_deduplication: !index.deduplicate,
        statistics: index.expression_statistics.iter().map(|(at, of_key)| (*at, statistics(of_key))).collect(),
        parent: index.parent.clone(),
        definition: index.definition.clone(),
    }
}

fn key(key: &IndexKey) -> wire::Key {
    wire::Key {
        part: match &key.part {
            KeyPart::Column(name) => wire::Part::Column(name.clone()),
            KeyPart::Expression(text) => wire::Part::Expression(text.clone()),
        },
        opclass: key.opclass.clone(),
        collation: key.collation.clone(),
        descending: key.descending,
        nulls_first: key.nulls_first,
    }
}

fn constraint(constraint: &Constraint) -> wire::Constraint {
    let (kind, references, check) = match &constraint.kind {
        ConstraintKind::Primary => (wire::ConstraintKind::Primary, None, None),
        ConstraintKind::Unique => (wire::ConstraintKind::Unique, None, None),
        ConstraintKind::Exclude => (wire::ConstraintKind::Exclude, None, None),
        ConstraintKind::Foreign { table, columns, on_delete } => {
            let on_delete = (on_delete != "NO ACTION").then(|| on_delete.clone());
            let references = wire::References { table: table.clone(), columns: columns.clone(), on_delete };
            (wire::ConstraintKind::Foreign, Some(references), None)
        }
        ConstraintKind::Check(expression) => (wire::ConstraintKind::Check, None, Some(expression.clone())),
    };
    wire::Constraint { name: constraint.name.clone(), kind, columns: constraint.columns.clone(), references, check }
}

fn extended(extended: &ExtendedStatistics) -> wire::Extended {
    let ExtendedStatistics { name, columns, n_distinct, dependencies } = extended;
    wire::Extended {
        name: name.clone(),
        columns: columns.clone(),
        n_distinct: n_distinct.iter().map(|(set, count)| (set.clone(), Number(*count))).collect(),
        dependencies: dependencies
            .iter()
            .map(|(from, to, degree)| (from.clone(), to.clone(), Share(*degree)))
            .collect(),
    }
}

fn activity(activity: &Activity) -> wire::Activity {
    wire::Activity {
        seq_scans: activity.seq_scans,
        seq_rows: activity.seq_rows,
        index_scans: activity.index_scans,
        inserted: activity.inserted,
        updated: activity.updated,
        hot_updated: activity.hot_updated,
        deleted: activity.deleted,
        live: activity.live,
        dead: activity.dead,
        last_analyze: activity.last_analyze,
        last_vacuum: activity.last_vacuum,
    }
}

impl Default for wire::Server {
    fn default() -> Self {
        server(&Server::default())
    }
}
