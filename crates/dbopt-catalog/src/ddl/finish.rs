//! What only the whole file tells: keys that foreign keys mean, and what parents hand down to partitions and children.

use std::collections::BTreeSet;

use super::schema::Schema;
use crate::{Build, Catalog, Constraint, ConstraintKind, Index, Relkind, TableId, index_name};

pub(super) fn finish(mut schema: Schema) -> Catalog {
    schema.catalog.sort();
    complete_foreign_keys(&mut schema.catalog);
    for table in by_depth(&schema.catalog) {
        hand_down(&mut schema, table);
    }
    let mut catalog = schema.catalog;
    catalog.sort();
    catalog.search_path = schema.database_path.unwrap_or_else(|| {
        // A dump empties the path that it was taken under. Names without a schema then mean a table of `public`, or else
        // of whichever schema has one.
        let mut path = schema.search_path;
        path.extend(super::schema::default_path());
        path.extend(catalog.tables.iter().map(|table| table.schema.clone()));
        let mut seen = BTreeSet::new();
        path.retain(|schema| seen.insert(schema.clone()));
        path
    });
    catalog
}

/// `REFERENCES table` without columns means its primary key.
fn complete_foreign_keys(catalog: &mut Catalog) {
    let keys: Vec<((String, String), Vec<String>)> = catalog
        .tables
        .iter()
        .filter_map(|table| {
            let key = table.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::Primary)?;
            Some(((table.schema.clone(), table.name.clone()), key.columns.clone()))
        })
        .collect();
    for constraint in catalog.tables.iter_mut().flat_map(|table| &mut table.constraints) {
        if let ConstraintKind::Foreign { table, columns, .. } = &mut constraint.kind
            && columns.is_empty()
            && let Some((_, key)) = keys.iter().find(|(name, _)| name == table)
        {
            columns.clone_from(key);
        }
    }
}

/// Tables that have a parent, those nearer to the top first; what a file claims in circles is left out.
fn by_depth(catalog: &Catalog) -> Vec<TableId> {
    let mut open: Vec<TableId> =
        (0..catalog.tables.len()).map(TableId).filter(|id| catalog.table(*id).parent.is_none()).collect();
    let mut ordered = Vec::new();
    let mut children: std::collections::HashMap<(&str, &str), Vec<TableId>> = std::collections::HashMap::new();
    for (at, table) in catalog.tables.iter().enumerate() {
        if let Some((schema, name)) = &table.parent {
            children.entry((schema, name)).or_default().push(TableId(at));
        }
    }
    while let Some(id) = open.pop() {
        let table = catalog.table(id);
        let below = children.get(&(&*table.schema, &*table.name)).map_or(&[][..], |below| below);
        ordered.extend(below);
        open.extend(below);
    }
    ordered
}

/// Gives a table what its parent has: checks, and for a partition foreign keys and indexes.
fn hand_down(schema: &mut Schema, id: TableId) {
    let table = schema.catalog.table(id);
    let Some(parent) = table.parent.as_ref().and_then(|(of, name)| schema.catalog.find(Some(of), name)) else {
        return;
    };
    let parent = schema.catalog.table(parent).clone();
    let is_partition = parent.kind == Relkind::Partitioned;
    for constraint in &parent.constraints {
        let reaches = match constraint.kind {
            ConstraintKind::Check(_) => {
                let name = (parent.schema.clone(), parent.name.clone(), constraint.name.clone());
                !schema.no_inherit.contains(&name)
            }
            ConstraintKind::Foreign { .. } => is_partition,
            _ => false,
        };
        let own = &mut schema.catalog.tables[id.0].constraints;
        if reaches && !own.iter().any(|own| own.name == constraint.name) {
            own.push(constraint.clone());
        }
    }
    let not_null = |name: &str| parent.columns.iter().any(|column| column.name == name && column.not_null);
    for column in schema.catalog.tables[id.0].columns.iter_mut() {
        column.not_null |= not_null(&column.name);
    }
    if is_partition {
        for index in &parent.indexes {
            hand_down_index(schema, id, index);
        }
    }
}

fn hand_down_index(schema: &mut Schema, id: TableId, above: &Index) {
    let name_above = Some((above.schema.clone(), above.name.clone()));
    let table = schema.catalog.table(id);
    if table.indexes.iter().any(|index| index.parent == name_above) {
        return;
    }
    let same = |index: &Index| {
        index.parent.is_none()
            && (&index.keys, &index.include, &index.predicate, index.unique, &index.method)
                == (&above.keys, &above.include, &above.predicate, above.unique, &above.method)
    };
    let only = schema.only.contains(&(above.schema.clone(), above.name.clone()));
    if let Some(at) = table.indexes.iter().position(same) {
        if !only {
            schema.catalog.tables[id.0].indexes[at].parent = name_above;
        }
        return;
    }
    if only {
        return;
    }
    let (of, name) = (table.schema.clone(), table.name.clone());
    let columns: Vec<String> = above.keys.iter().filter_map(|key| key.as_column().map(str::to_owned)).collect();
    let new_name = match (above.primary, &above.constraint) {
        (true, _) => schema.free_name(&of, &name, "", "pkey"),
        (false, Some(_)) => schema.free_name(&of, &name, &columns.join("_"), "key"),
        (false, None) => index_name(&schema.catalog, table, &above.keys, &BTreeSet::new()),
    };
    let build = if table.kind == Relkind::Partitioned { Build::OnlyParent } else { Build::Plain };
    let constraint = above.constraint.as_ref().map(|_| new_name.clone());
    let mut index = Index { schema: of, name: new_name, constraint, parent: name_above, ..above.clone() };
    index.definition = index.create_sql(table, build);
    let table = &mut schema.catalog.tables[id.0];
    if let Some(name) = &index.constraint {
        let kind = if above.primary { ConstraintKind::Primary } else { ConstraintKind::Unique };
        table.constraints.push(Constraint { name: name.clone(), kind, columns });
    }
    table.indexes.push(index);
}
