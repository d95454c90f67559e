//! From the wire to the model.

use super::{number::Share, wire};
use crate::{
    Activity, Catalog, Column, ColumnStatistics, CommonValue, Constraint, ConstraintKind, Datum, ExtendedStatistics,
    Index, IndexKey, KeyPart, Method, Quality, Relkind, Server, Table, TypeName,
};

pub(super) fn catalog(document: wire::Document) -> Catalog {
    let server = document.server;
    let mut catalog = Catalog {
        server: Server {
            version_num: server.version_num,
            block_size: server.block_size,
            encoding: server.encoding,
            collation: server.collation,
            in_recovery: server.in_recovery,
            statistics_reset: server.statistics_reset,
            read_at: server.read_at,
        },
        settings: document.settings.into(),
        database: document.database,
        search_path: document.search_path,
        tables: document.tables.into_iter().map(table).collect(),
        quality: match document.quality {
            wire::Quality::Defaults => Quality::Defaults,
            wire::Quality::Redacted => Quality::Redacted,
            wire::Quality::Full => Quality::Full,
        },
    };
    catalog.sort();
    catalog
}

fn table(table: wire::Table) -> Table {
    let schema = &table.schema;
    Table {
        name: table.name,
        kind: match table.kind {
            wire::Relkind::Table => Relkind::Table,
            wire::Relkind::Partitioned => Relkind::Partitioned,
            wire::Relkind::MaterializedView => Relkind::MaterializedView,
            wire::Relkind::Foreign => Relkind::Foreign,
            wire::Relkind::View => Relkind::View,
        },
        pages: table.pages.0,
        rows: table.rows.map(|rows| rows.0),
        all_visible: table.all_visible.0,
        toast_bytes: table.toast_bytes,
        fillfactor: table.fillfactor.map_or(100, |percent| percent.clamp(10, 100)),
        columns: table.columns.into_iter().map(column).collect(),
        indexes: table.indexes.into_iter().map(|of_table| index(schema, of_table)).collect(),
        constraints: table.constraints.into_iter().map(constraint).collect(),
        extended: table.extended.into_iter().map(extended).collect(),
        activity: table.activity.map(activity),
        parent: table.parent,
        partition_key: table.partition_key,
        partition_bound: table.partition_bound,
        definition: table.definition,
        schema: table.schema,
    }
}

fn column(column: wire::Column) -> Column {
    let mut kind = TypeName { modifier: column.modifier, ..TypeName::of(&column.kind) };
    if let Some(wire::TypeFacts { length, align, category, base }) = column.facts {
        kind = TypeName { length, align, category, base, ..kind };
    }
    Column {
        name: column.name,
        kind,
        not_null: column.not_null,
        collation: column.collation,
        generated: column.generated,
        statistics: column.statistics.map(statistics),
    }
}

fn statistics(statistics: wire::Statistics) -> ColumnStatistics {
    ColumnStatistics {
        null_fraction: statistics.null_fraction.0,
        average_width: statistics.average_width.0,
        n_distinct: statistics.n_distinct.0,
        common: common_values(statistics.common, statistics.common_hashed),
        histogram: statistics.histogram,
        correlation: statistics.correlation.map(|correlation| correlation.0.clamp(-1.0, 1.0)),
        common_elements: common_values(statistics.common_elements, statistics.common_elements_hashed),
    }
}

fn common_values(plain: Vec<(String, Share)>, hashed: Vec<(String, Share)>) -> Vec<CommonValue> {
    let plain = plain.into_iter().map(|(value, share)| CommonValue { value: Datum::Text(value), frequency: share.0 });
    let hashed = hashed.into_iter().map(|(hash, share)| CommonValue { value: Datum::Hashed(hash), frequency: share.0 });
    plain.chain(hashed).collect()
}

fn index(schema: &str, index: wire::Index) -> Index {
    Index {
        schema: schema.to_owned(),
        name: index.name,
        method: index.method.as_deref().map_or(Method::Btree, Method::named),
        keys: index.keys.into_iter().map(key).collect(),
        include: index.include,
        predicate: index.predicate,
        unique: index.unique,
        nulls_not_distinct: index.nulls_not_distinct,
        primary: index.primary,
        constraint: index.constraint,
        valid: !index.invalid,
        ready: !index.not_ready,
        identity: index.identity,
        pages: index.pages.map(|pages| pages.0),
        rows: index.rows.map(|rows| rows.0),
        scans: index.scans,
        last_scan: index.last_scan,
        fillfactor: index.fillfactor.map(|percent| percent.clamp(10, 100)),
        deduplicate: !index.no_deduplication,
        expression_statistics: index.statistics.into_iter().map(|(at, of_key)| (at, statistics(of_key))).collect(),
        parent: index.parent,
        definition: index.definition,
    }
}

fn key(key: wire::Key) -> IndexKey {
    IndexKey {
        part: match key.part {
            wire::Part::Column(name) => KeyPart::Column(name),
            wire::Part::Expression(text) => KeyPart::Expression(text),
        },
        opclass: key.opclass,
        collation: key.collation,
        descending: key.descending,
        nulls_first: key.nulls_first,
    }
}

fn constraint(constraint: wire::Constraint) -> Constraint {
    let references = constraint.references;
    let kind = match constraint.kind {
        wire::ConstraintKind::Primary => ConstraintKind::Primary,
        wire::ConstraintKind::Unique => ConstraintKind::Unique,
        wire::ConstraintKind::Exclude => ConstraintKind::Exclude,
        wire::ConstraintKind::Check => ConstraintKind::Check(constraint.check.unwrap_or_default()),
        wire::ConstraintKind::Foreign => {
            let references = references.unwrap_or_else(|| wire::References {
                table: Default::default(),
                columns: Vec::new(),
                on_delete: None,
            });
            let on_delete = references.on_delete.unwrap_or_else(|| "NO ACTION".to_owned());
            ConstraintKind::Foreign { table: references.table, columns: references.columns, on_delete }
        }
    };
    Constraint { name: constraint.name, kind, columns: constraint.columns }
}

fn extended(extended: wire::Extended) -> ExtendedStatistics {
    let wire::Extended { name, columns, n_distinct, dependencies } = extended;
    ExtendedStatistics {
        name,
        columns,
        n_distinct: n_distinct.into_iter().map(|(set, count)| (set, count.0)).collect(),
        dependencies: dependencies.into_iter().map(|(from, to, degree)| (from, to, degree.0)).collect(),
    }
}

fn activity(activity: wire::Activity) -> Activity {
    Activity {
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
