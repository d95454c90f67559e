//! Making the graph.

use dbopt_catalog::{Catalog, ConstraintKind, Relkind, Table, TableId, TypeName};
use dbopt_finding::Finding;
use dbopt_policy::suggest;
use dbopt_sql::quote_ident;

use super::{
    Graph,
    edge::{By, Edge, EdgeId, ForeignKey, OnDelete},
    node::{Identity, KeyColumn, Node, NodeColumn, NodeId},
};
use crate::policy::{GdprPolicy, ReferenceErase, ReferenceKind, ReferenceRule, TableName};

pub(super) fn build(catalog: Catalog, policy: &GdprPolicy) -> Graph {
    let nodes: Vec<Node> = catalog
        .tables
        .iter()
        .enumerate()
        .filter(|(_, table)| has_rows(table) && !is_partition(&catalog, table) && table.schema != OWN)
        .map(|(at, table)| node(table, TableId(at), policy))
        .collect();
    let mut builder = Builder { catalog: &catalog, nodes: &nodes, edges: Vec::new(), findings: Vec::new() };
    builder.declared();
    for rule in &policy.references {
        builder.reference(rule, policy);
    }
    let Builder { mut edges, findings, .. } = builder;
    edges.sort_by(|one, two| {
        (one.child, &one.child_columns, one.parent, by_order(&one.by)).cmp(&(
            two.child,
            &two.child_columns,
            two.parent,
            by_order(&two.by),
        ))
    });
    for (at, edge) in edges.iter_mut().enumerate() {
        edge.id = EdgeId(at);
    }
    Graph { catalog, nodes, edges, findings }
}

/// The schema of dbopt's own tables, in which there is no data of persons.
const OWN: &str = "dbopt";

struct Builder<'a> {
    catalog: &'a Catalog,
    nodes: &'a [Node],
    edges: Vec<Edge>,
    findings: Vec<Finding>,
}

impl Builder<'_> {
    /// The foreign keys of all tables; that of a partition is its table's.
    fn declared(&mut self) {
        for table in &self.catalog.tables {
            for (constraint, (schema, name), columns) in table.foreign_keys() {
                let ConstraintKind::Foreign { on_delete, .. } = &constraint.kind else { continue };
                let child = find(self.catalog, self.nodes, &TableName::new(&table.schema, &table.name));
                let parent = find(self.catalog, self.nodes, &TableName::new(schema, name));
                let (Some(child), Some(parent)) = (child, parent) else { continue };
                // DDL may leave the columns out when they are the primary key.
                let columns = if columns.is_empty() { primary(self.nodes, parent) } else { columns.to_vec() };
                if columns.len() != constraint.columns.len() {
                    continue;
                }
                let key = ForeignKey { name: constraint.name.clone(), on_delete: OnDelete::named(on_delete) };
                let same = |edge: &&mut Edge| {
                    edge.child == child && edge.parent == parent && pairs_are_same(edge, &constraint.columns, &columns)
                };
                if let Some(edge) = self.edges.iter_mut().find(same) {
                    if !edge.foreign_keys.contains(&key) {
                        edge.foreign_keys.push(key);
                    }
                    continue;
                }
                let mut edge = self.edge((child, constraint.columns.clone()), (parent, columns), By::Columns);
                edge.foreign_keys.push(key);
                self.edges.push(edge);
            }
        }
    }

    fn edge(&self, (child, child_columns): End, (parent, parent_columns): End, by: By) -> Edge {
        Edge {
            id: EdgeId(0),
            names: (self.nodes[child.0].table.clone(), self.nodes[parent.0].table.clone()),
            child,
            child_columns,
            parent,
            parent_columns,
            by,
            foreign_keys: Vec::new(),
            class: None,
            parents: false,
            erase: ReferenceErase::Refuse,
        }
    }

    /// What the policy says of a reference: about a foreign key, or about one that it makes.
    fn reference(&mut self, rule: &ReferenceRule, policy: &GdprPolicy) {
        let (from, to) = (self.known(&rule.from), self.known(&rule.to));
        let (Some(child), Some(parent)) = (from, to) else { return };
        let by = match &rule.kind {
            ReferenceKind::Columns(_) => By::Columns,
            ReferenceKind::Polymorphic { type_column, type_value, .. } => {
                if !self.has(child, std::slice::from_ref(type_column)) {
                    return;
                }
                By::Type { column: type_column.clone(), value: type_value.clone() }
            }
            ReferenceKind::Json { path, .. } => By::Json { path: path.clone() },
            ReferenceKind::Array(_) => By::Array,
            ReferenceKind::Identifier { name, hash, .. } => {
                let rules = policy.subjects.iter().flat_map(|subject| &subject.identifiers);
                let Some(identifier) = rules.into_iter().find(|rule| rule.name == *name) else { return };
                if find(self.catalog, self.nodes, &identifier.table) != Some(parent) {
                    let message = format!("identifier `{name}` is of `{}`, not of `{}`", identifier.table, rule.to);
                    let help = format!("Write `to = \"{}\"` for `{rule}`.", identifier.table);
                    self.findings.push(Finding::error("bad-reference", message).help(help));
                    return;
                }
                let by = By::Identifier { matching: identifier.matching.clone(), hash: *hash };
                if self.has(child, rule.columns()) && self.has(parent, std::slice::from_ref(&identifier.column)) {
                    let ends = ((child, rule.columns().to_vec()), (parent, vec![identifier.column.clone()]));
                    self.put(ends, by, rule);
                }
                return;
            }
        };
        let key = match &by {
            _ if !rule.key.is_empty() => rule.key.clone(),
            By::Columns => self.declared_key(child, parent, rule).unwrap_or_else(|| primary(self.nodes, parent)),
            _ => primary(self.nodes, parent),
        };
        if key.is_empty() {
            let message = format!("`{}` has no primary key, so it must be said what `{rule}` refers to", rule.to);
            self.findings.push(Finding::error("bad-reference", message).help("Write its columns as `key`."));
            return;
        }
        if key.len() != rule.columns().len() {
            let message = format!("`{rule}` has {} columns for a key of {}", rule.columns().len(), key.len());
            self.findings.push(Finding::error("bad-reference", message).help("Name as many, in the key's order."));
            return;
        }
        if self.has(child, rule.columns()) && self.has(parent, &key) && self.fits(child, &by, rule) {
            self.put(((child, rule.columns().to_vec()), (parent, key)), by, rule);
        }
    }

    /// What a foreign key over a rule's columns refers to, in the rule's order.
    fn declared_key(&self, child: NodeId, parent: NodeId, rule: &ReferenceRule) -> Option<Vec<String>> {
        let same = |edge: &&Edge| {
            edge.child == child && edge.parent == parent && edge.child_columns.len() == rule.columns().len()
        };
        let key = |edge: &Edge| -> Option<Vec<String>> {
            let at = |name: &String| edge.child_columns.iter().position(|column| column == name);
            rule.columns().iter().map(|name| at(name).map(|at| edge.parent_columns[at].clone())).collect()
        };
        self.edges.iter().filter(same).find_map(key)
    }

    /// Writes what the policy says of a reference to its edge, which is a new one where no foreign key is.
    fn put(&mut self, (from, to): (End, End), by: By, rule: &ReferenceRule) {
        let same = |edge: &Edge| {
            edge.child == from.0 && edge.parent == to.0 && edge.by == by && pairs_are_same(edge, &from.1, &to.1)
        };
        let at = self.edges.iter().position(same).unwrap_or_else(|| {
            let edge = self.edge(from, to, by);
            self.edges.push(edge);
            self.edges.len() - 1
        });
        let edge = &mut self.edges[at];
        if edge.class.is_some() {
            let message = format!("two rules are for the reference `{edge}`");
            self.findings.push(Finding::error("doubled-rule", message).help("Make one of them."));
            return;
        }
        (edge.class, edge.parents, edge.erase) = (Some(rule.class), rule.parents, rule.erase.clone());
    }

    /// Whether a column is of a type that the kind of reference needs.
    fn fits(&mut self, child: NodeId, by: &By, rule: &ReferenceRule) -> bool {
        let node = &self.nodes[child.0];
        let Some(column) = rule.columns().first().and_then(|name| node.column(name)) else { return true };
        let name = column.kind.base.as_deref().unwrap_or(&column.kind.name);
        let (fits, need) = match by {
            By::Json { .. } => (matches!(name, "json" | "jsonb"), "`json` or `jsonb`"),
            By::Array => (name.ends_with("[]"), "an array"),
            _ => (true, ""),
        };
        if !fits {
            let message = format!("the column of `{rule}` is of type `{name}`, not {need}");
            self.findings.push(Finding::error("bad-reference", message));
        }
        fits
    }

    fn known(&mut self, table: &TableName) -> Option<NodeId> {
        let found = find(self.catalog, self.nodes, table);
        if found.is_none() {
            let finding = unknown_table(self.nodes, table);
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        found
    }

    fn has(&mut self, table: NodeId, columns: &[String]) -> bool {
        let node = &self.nodes[table.0];
        let before = self.findings.len();
        let unknown = columns.iter().filter(|name| node.column(name).is_none());
        self.findings.extend(unknown.map(|name| unknown_column(node, name)));
        self.findings.len() == before
    }
}

/// A table, and columns of it.
type End = (NodeId, Vec<String>);

/// The finding for a table that is not there.
pub(super) fn unknown_table(nodes: &[Node], table: &TableName) -> Finding {
    let finding = Finding::error("unknown-table", format!("there is no table `{table}`"));
    let names: Vec<_> = nodes.iter().map(|node| node.table.to_string()).collect();
    match suggest(&table.to_string(), names.iter().map(String::as_str)) {
        Some(meant) => finding.help(format!("Did you mean `{meant}`?")),
        None => finding.help("Take it out of the policy, if it was dropped."),
    }
}

/// The finding for a column that is not there.
pub(super) fn unknown_column(node: &Node, name: &str) -> Finding {
    let finding =
        Finding::error("unknown-column", format!("there is no column `{}.{}`", node.table, quote_ident(name)));
    match suggest(name, node.columns.iter().map(|column| &*column.name)) {
        Some(meant) => finding.help(format!("Did you mean `{meant}`?")),
        None => finding.help("Take it out of the policy, if it was dropped."),
    }
}

/// Looks a table up; a partition is found as the table it is a part of.
pub(super) fn find(catalog: &Catalog, nodes: &[Node], table: &TableName) -> Option<NodeId> {
    let mut at = catalog.find(Some(&table.schema), &table.name)?;
    // A file may claim that two tables are each other's partition.
    for _ in 0..=catalog.tables.len() {
        let own = catalog.table(at);
        match own.parent.as_ref().filter(|_| is_partition(catalog, own)) {
            Some((schema, name)) => at = catalog.find(Some(schema), name)?,
            None => break,
        }
    }
    nodes.binary_search_by_key(&at, |node| node.id).ok().map(NodeId)
}

fn has_rows(table: &Table) -> bool {
    matches!(table.kind, Relkind::Table | Relkind::Partitioned | Relkind::Foreign)
}

fn is_partition(catalog: &Catalog, table: &Table) -> bool {
    let parent = table.parent.as_ref().and_then(|(schema, name)| catalog.find(Some(schema), name));
    parent.is_some_and(|parent| catalog.table(parent).kind == Relkind::Partitioned)
}

fn node(table: &Table, id: TableId, policy: &GdprPolicy) -> Node {
    let name = TableName::new(&table.schema, &table.name);
    let columns: Vec<NodeColumn> = table
        .columns
        .iter()
        .map(|column| NodeColumn {
            name: column.name.clone(),
            kind: column.kind.clone(),
            not_null: column.not_null,
            generated: column.generated,
        })
        .collect();
    Node {
        class: policy.table(&name).map(|rule| rule.class),
        table: name,
        id,
        kind: table.kind,
        identity: identity(table),
        columns,
    }
}

/// The primary key, or the shortest unique key without NULL.
fn identity(table: &Table) -> Identity {
    let column = |name: &String| {
        let column = table.column(name).map(|id| &table.columns[id.0])?;
        let is_set = column.not_null
            || table
                .constraints
                .iter()
                .any(|constraint| constraint.kind == ConstraintKind::Primary && constraint.columns.contains(name));
        is_set.then(|| KeyColumn { name: column.name.clone(), cast: cast(&column.kind) })
    };
    let key = |columns: &[String]| columns.iter().map(column).collect::<Option<Vec<_>>>().filter(|key| !key.is_empty());
    let primary = table.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::Primary);
    if let Some(key) = primary.and_then(|constraint| key(&constraint.columns)) {
        return Identity::Key(key);
    }
    let unique = table.indexes.iter().filter(|index| index.unique && index.valid && index.predicate.is_none());
    let keys = unique.filter_map(|index| {
        let names: Option<Vec<String>> = index.keys.iter().map(|key| key.as_column().map(str::to_owned)).collect();
        key(&names?)
    });
    keys.min_by_key(Vec::len).map_or(Identity::Place, Identity::Key)
}

/// A type as a cast takes it. That of a domain is the type it is made of, which compares as the domain does. The
/// lengths of bit strings and characters are left out: a longer text would be cut, not refused.
pub(crate) fn cast(kind: &TypeName) -> String {
    match kind.base.as_deref().unwrap_or(&kind.name) {
        // A `character` without a length is one letter.
        "character" => "pg_catalog.bpchar".to_owned(),
        "bit" => "bit varying".to_owned(),
        name => name.to_owned(),
    }
}

fn primary(nodes: &[Node], table: NodeId) -> Vec<String> {
    match &nodes[table.0].identity {
        Identity::Key(columns) => columns.iter().map(|column| column.name.clone()).collect(),
        Identity::Place => Vec::new(),
    }
}

/// Whether an edge by columns has the same pairs, in whatever order.
fn pairs_are_same(edge: &Edge, child: &[String], parent: &[String]) -> bool {
    let sorted = |one: &[String], two: &[String]| {
        let mut pairs: Vec<_> = one.iter().cloned().zip(two.iter().cloned()).collect();
        pairs.sort();
        pairs
    };
    edge.child_columns.len() == child.len()
        && sorted(&edge.child_columns, &edge.parent_columns) == sorted(child, parent)
}

fn by_order(by: &By) -> String {
    match by {
        By::Columns => String::new(),
        By::Type { value, .. } => format!("1{value}"),
        By::Json { path } => format!("2{}", path.join(".")),
        By::Array => "3".to_owned(),
        By::Identifier { .. } => "4".to_owned(),
    }
}
