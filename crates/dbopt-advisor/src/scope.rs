//! Which table's column does a name in a statement mean?
//!
//! The rules are PostgreSQL's (`parse_relation.c`, `colNameToVar` and `refnameNamespaceItem`): a qualifier is an alias,
//! or the table's own name when it has none; a bare name belongs to the block's relation that has such a column, or
//! else to an enclosing block, which makes the block correlated. Sub-selects and CTEs whose output is a plain
//! column are looked through, down to the base table. What cannot be known, such as the columns of a set-returning
//! function or of a table that the catalogue lacks, resolves to nothing; the names that should have resolved are
//! listed, so that a report can say what is missing.

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, ColumnId, Relkind, TableId};
use dbopt_sql::{
    Name, TableName,
    ir::{Block, BlockId, ColumnRef, Expr, Output, Relation, RelationSource, Role, Statement},
};

use crate::walk;

/// The names of one statement, resolved against a catalogue.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    statement: &'a Statement,
    catalog: &'a Catalog,
    /// What each relation of each block is.
    relations: Vec<Vec<Source>>,
    /// The output columns of each block.
    outputs: Vec<Outputs<'a>>,
    unknown_tables: Vec<TableName>,
    unknown_columns: Vec<(BlockId, ColumnRef)>,
}

/// What a relation of `FROM` turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A table of the catalogue.
    Table(TableId),
    /// A sub-select or CTE.
    Block(BlockId),
    /// Something whose columns are not known: a function, an unknown table, a view that could not be expanded.
    Opaque,
}

/// A column of a base table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base {
    /// The block in whose `FROM` the table stands.
    pub block: BlockId,
    /// The relation in that block.
    pub relation: usize,
    /// The table.
    pub table: TableId,
    /// The column.
    pub column: ColumnId,
}

/// Where a name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The block in whose `FROM` the base table stands; another than `site.block` when a sub-select was looked through.
    pub block: BlockId,
    /// The relation in that block.
    pub relation: usize,
    /// The base table.
    pub table: TableId,
    /// The column.
    pub column: ColumnId,
    /// Whether the name is found in an enclosing block: the block that reads it is correlated.
    pub outer: bool,
    /// The relation that the name itself belongs to.
    pub site: Site,
}

/// The relation that a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// The block that names the relation.
    pub block: BlockId,
    /// The relation in [`Block::relations`].
    pub relation: usize,
}

/// A column that a block returns.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn<'a> {
    /// Its name; `None` when it is an expression without an alias.
    pub name: Option<Name>,
    /// The base column, when it is nothing but one.
    pub base: Option<Base>,
    /// The expression and the block it is to be read in, when it does not come from a `*`.
    pub expr: Option<(BlockId, &'a Expr)>,
}

/// The columns that a block returns.
#[derive(Clone, Debug, Default)]
struct Outputs<'a> {
    columns: Vec<OutputColumn<'a>>,
    /// There may be more columns than are listed.
    open: bool,
}

/// `MaxTupleAttributeNumber`: PostgreSQL has no wider rows, which also bounds nested `*`.
const MAX_COLUMNS: usize = 1664;

impl<'a> Scope<'a> {
    /// Resolves a statement's relations and outputs, and lists what the catalogue does not know.
    #[must_use]
    pub fn new(statement: &'a Statement, catalog: &'a Catalog) -> Self {
        let mut scope = Self {
            statement,
            catalog,
            relations: Vec::with_capacity(statement.blocks.len()),
            outputs: vec![Outputs { columns: Vec::new(), open: true }; statement.blocks.len()],
            unknown_tables: Vec::new(),
            unknown_columns: Vec::new(),
        };
        let mut unknown = BTreeSet::new();
        for block in &statement.blocks {
            let sources = block.relations.iter().map(|relation| match &relation.source {
                RelationSource::Table(name) => match scope.table(name) {
                    Some(id) if catalog.table(id).kind == Relkind::View => Source::Opaque,
                    Some(id) => Source::Table(id),
                    None => {
                        if !is_system(name) {
                            unknown.insert(name.clone());
                        }
                        Source::Opaque
                    }
                },
                RelationSource::Block(id) if *id < statement.blocks.len() => Source::Block(*id),
                RelationSource::Block(_) | RelationSource::Other => Source::Opaque,
            });
            let sources = sources.collect();
            scope.relations.push(sources);
        }
        if let Some(target) = &statement.target
            && scope.table(&target.table).is_none()
            && !is_system(&target.table)
        {
            unknown.insert(target.table.clone());
        }
        scope.unknown_tables = unknown.into_iter().collect();
        let mut state = vec![false; statement.blocks.len()];
        for block in 0..statement.blocks.len() {
            scope.fill_outputs(block, &mut state);
        }
        scope.unknown_columns = scope.find_unknown_columns();
        scope
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &'a Statement {
        self.statement
    }

    /// The catalogue.
    #[must_use]
    pub fn catalog(&self) -> &'a Catalog {
        self.catalog
    }

    /// What a relation of a block is.
    #[must_use]
    pub fn source(&self, block: BlockId, relation: usize) -> Source {
        self.relations.get(block).and_then(|sources| sources.get(relation)).copied().unwrap_or(Source::Opaque)
    }

    /// The base column that a name in a block means.
    #[must_use]
    pub fn resolve(&self, block: BlockId, column: &ColumnRef) -> Option<Resolved> {
        let (site, outer) = self.site(block, column)?;
        let base = self.base(site, &column.name)?;
        Some(Resolved {
            block: base.block,
            relation: base.relation,
            table: base.table,
            column: base.column,
            outer,
            site,
        })
    }

    /// The relation that a name in a block belongs to, and whether that is a relation of an enclosing block.
    #[must_use]
    pub fn site(&self, block: BlockId, column: &ColumnRef) -> Option<(Site, bool)> {
        let mut at = block;
        let mut outer = false;
        // A parent stands before its children, so the walk ends.
        for _ in 0..=self.statement.blocks.len() {
            match self.lookup(at, column) {
                Lookup::Found(relation) => return Some((Site { block: at, relation }, outer)),
                Lookup::Unsure => return None,
                Lookup::Absent => {}
            }
            // A sub-select in FROM does not see its siblings unless it is lateral, nor does a CTE or a set branch,
            // but each sees what encloses the whole query.
            loop {
                let here = self.statement.blocks.get(at)?;
                at = here.parent.filter(|parent| *parent < at)?;
                match here.role {
                    Role::Cte { .. } | Role::From { lateral: false } | Role::SetBranch { .. } => {}
                    _ => break,
                }
            }
            outer = true;
        }
        None
    }

    /// The base column of a name within the relation it belongs to.
    #[must_use]
    pub fn base(&self, site: Site, name: &Name) -> Option<Base> {
        let relation = self.statement.blocks.get(site.block)?.relations.get(site.relation)?;
        match self.source(site.block, site.relation) {
            Source::Table(table) => {
                let column = self.table_column(relation, table, name)?;
                Some(Base { block: site.block, relation: site.relation, table, column })
            }
            Source::Block(_) => self.output(site, name)?.base,
            Source::Opaque => None,
        }
    }

    /// The output of the sub-select that stands behind a relation, by name.
    #[must_use]
    pub fn output(&self, site: Site, name: &Name) -> Option<&OutputColumn<'a>> {
        let relation = self.statement.blocks.get(site.block)?.relations.get(site.relation)?;
        let Source::Block(block) = self.source(site.block, site.relation) else { return None };
        let columns = &self.outputs[block].columns;
        if let Some(position) = relation.column_aliases.iter().position(|alias| alias == name) {
            return columns.get(position);
        }
        columns.iter().skip(relation.column_aliases.len()).find(|output| output.name.as_ref() == Some(name))
    }

    /// The output columns of a block, as far as they are known.
    #[must_use]
    pub fn outputs(&self, block: BlockId) -> &[OutputColumn<'a>] {
        self.outputs.get(block).map_or(&[], |outputs| &outputs.columns)
    }

    /// The tables that the catalogue lacks, each once; system catalogues are not among them.
    #[must_use]
    pub fn unknown_tables(&self) -> &[TableName] {
        &self.unknown_tables
    }

    /// The columns that no relation in sight has, although all of them are known.
    #[must_use]
    pub fn unknown_columns(&self) -> &[(BlockId, ColumnRef)] {
        &self.unknown_columns
    }

    fn table(&self, name: &TableName) -> Option<TableId> {
        self.catalog.find(name.schema.as_ref().map(Name::as_str), name.name.as_str())
    }

    /// Looks a name up in one block.
    fn lookup(&self, block: BlockId, column: &ColumnRef) -> Lookup {
        let Some(relations) = self.statement.blocks.get(block).map(|block| &block.relations) else {
            return Lookup::Absent;
        };
        if let Some(qualifier) = &column.qualifier {
            let found = relations.iter().position(|relation| label(relation) == Some(qualifier));
            return found.map_or(Lookup::Absent, Lookup::Found);
        }
        let mut unsure = false;
        for (position, relation) in relations.iter().enumerate() {
            match self.has_column(block, position, relation, &column.name) {
                Some(true) => return Lookup::Found(position),
                Some(false) => {}
                None => unsure = true,
            }
        }
        if unsure { Lookup::Unsure } else { Lookup::Absent }
    }

    /// Whether a relation has a column; `None` when that is not known.
    fn has_column(&self, block: BlockId, position: usize, relation: &Relation, name: &Name) -> Option<bool> {
        if relation.column_aliases.contains(name) {
            return Some(true);
        }
        match self.source(block, position) {
            Source::Table(table) => Some(self.table_column(relation, table, name).is_some()),
            Source::Block(inner) => {
                let found = self.output(Site { block, relation: position }, name).is_some();
                (found || !self.outputs[inner].open).then_some(found)
            }
            // A function's single column goes by the alias of the function.
            Source::Opaque => (label(relation) == Some(name)).then_some(true),
        }
    }

    /// A table's column by the name that it has in this `FROM`.
    fn table_column(&self, relation: &Relation, table: TableId, name: &Name) -> Option<ColumnId> {
        if let Some(position) = relation.column_aliases.iter().position(|alias| alias == name) {
            return (position < self.catalog.table(table).columns.len()).then_some(ColumnId(position));
        }
        let column = self.catalog.table(table).column(name.as_str())?;
        (column.0 >= relation.column_aliases.len()).then_some(column)
    }

    /// Fills in the outputs of a block, after those of the blocks that it reads.
    fn fill_outputs(&mut self, block: BlockId, started: &mut [bool]) {
        if std::mem::replace(&mut started[block], true) {
            // Done, or a recursive CTE that reads itself: then its columns stay open.
            return;
        }
        for position in 0..self.relations[block].len() {
            if let Source::Block(inner) = self.relations[block][position] {
                self.fill_outputs(inner, started);
            }
        }
        let statement = self.statement;
        let Some(here) = statement.blocks.get(block) else { return };
        let branches =
            |other: &&(usize, &Block)| other.1.parent == Some(block) && matches!(other.1.role, Role::SetBranch { .. });
        let first_branch = statement.blocks.iter().enumerate().skip(block + 1).find(|other| branches(&other));
        let mut outputs = Outputs::default();
        if here.outputs.is_empty()
            && let Some((branch, _)) = first_branch
        {
            // A set operation has the names of its first branch, but its columns come from all of them.
            self.fill_outputs(branch, started);
            outputs.open = self.outputs[branch].open;
            let columns = &self.outputs[branch].columns;
            outputs.columns = columns
                .iter()
                .map(|column| OutputColumn { name: column.name.clone(), base: None, expr: None })
                .collect();
        }
        for output in &here.outputs {
            match output {
                Output::Star { qualifier } => self.expand_star(block, here, qualifier.as_ref(), &mut outputs),
                Output::Expr { expr, alias } => outputs.columns.push(OutputColumn {
                    name: alias.clone().or_else(|| output_name(expr)),
                    base: match expr {
                        Expr::Column(column) => self.resolve(block, column).map(|found| Base {
                            block: found.block,
                            relation: found.relation,
                            table: found.table,
                            column: found.column,
                        }),
                        _ => None,
                    },
                    expr: Some((block, expr)),
                }),
            }
        }
        if outputs.columns.len() > MAX_COLUMNS {
            outputs.columns.truncate(MAX_COLUMNS);
            outputs.open = true;
        }
        self.outputs[block] = outputs;
    }

    fn expand_star(&self, block: BlockId, here: &'a Block, qualifier: Option<&Name>, outputs: &mut Outputs<'a>) {
        for (position, relation) in here.relations.iter().enumerate() {
            if outputs.columns.len() > MAX_COLUMNS || qualifier.is_some_and(|name| label(relation) != Some(name)) {
                continue;
            }
            let renamed = |at: usize, name: Option<Name>| relation.column_aliases.get(at).cloned().or(name);
            match self.source(block, position) {
                Source::Table(table) => {
                    for (at, column) in self.catalog.table(table).columns.iter().enumerate() {
                        outputs.columns.push(OutputColumn {
                            name: renamed(at, Some(Name::folded(&column.name))),
                            base: Some(Base { block, relation: position, table, column: ColumnId(at) }),
                            expr: None,
                        });
                    }
                }
                Source::Block(inner) => {
                    outputs.open |= self.outputs[inner].open;
                    for (at, column) in self.outputs[inner].columns.iter().enumerate() {
                        let name = renamed(at, column.name.clone());
                        outputs.columns.push(OutputColumn { name, base: column.base, expr: column.expr });
                    }
                }
                Source::Opaque => outputs.open = true,
            }
        }
    }

    fn find_unknown_columns(&self) -> Vec<(BlockId, ColumnRef)> {
        let mut unknown = BTreeSet::new();
        for (id, block) in self.statement.blocks.iter().enumerate() {
            walk::block_exprs(block, &mut |expr| {
                walk::expr_columns(expr, &mut |column| {
                    if self.is_unknown(id, column) {
                        unknown.insert((id, column.clone()));
                    }
                });
            });
        }
        unknown.into_iter().collect()
    }

    fn is_unknown(&self, block: BlockId, column: &ColumnRef) -> bool {
        if SYSTEM_COLUMNS.contains(&column.name.as_str()) || self.statement.blocks[block].relations.is_empty() {
            return false;
        }
        match self.site(block, column) {
            Some((site, _)) => {
                let relation = &self.statement.blocks[site.block].relations[site.relation];
                self.has_column(site.block, site.relation, relation, &column.name) == Some(false)
            }
            None => {
                // `t` alone is the whole row of `t`, `excluded` is the row that an upsert proposes, and a column that
                // an opaque relation may have is not unknown.
                let mut sight = vec![block];
                while let Some(parent) = self.statement.blocks[sight[sight.len() - 1]].parent
                    && parent < sight[sight.len() - 1]
                {
                    sight.push(parent);
                }
                let relations = sight.iter().flat_map(|block| {
                    let relations = self.statement.blocks[*block].relations.iter().enumerate();
                    relations.map(|(at, relation)| (*block, at, relation))
                });
                let qualifier = column.qualifier.as_ref();
                let special = |name: &Name| matches!(name.as_str(), "excluded" | "new" | "old");
                !qualifier.is_some_and(special)
                    && !relations.into_iter().any(|(block, at, relation)| {
                        let whole_row = qualifier.is_none() && label(relation) == Some(&column.name);
                        whole_row || self.has_column(block, at, relation, &column.name).is_none()
                    })
            }
        }
    }
}

/// What came of a look into one block.
enum Lookup {
    Found(usize),
    Absent,
    /// A relation whose columns are not known may have it.
    Unsure,
}

/// What qualifiers refer to a relation by.
fn label(relation: &Relation) -> Option<&Name> {
    match (&relation.alias, &relation.source) {
        (Some(alias), _) => Some(alias),
        (None, RelationSource::Table(table)) => Some(&table.name),
        (None, _) => None,
    }
}

/// The name that PostgreSQL gives to an output without an alias (`FigureColname` in `parse_target.c`).
fn output_name(expr: &Expr) -> Option<Name> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        Expr::Function { name, .. } => Some(name.clone()),
        Expr::Cast { expr, .. } => output_name(expr),
        _ => None,
    }
}

fn is_system(name: &TableName) -> bool {
    match &name.schema {
        Some(schema) => matches!(schema.as_str(), "pg_catalog" | "information_schema" | "dbopt"),
        None => name.name.as_str().starts_with("pg_"),
    }
}

const SYSTEM_COLUMNS: [&str; 7] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"];

#[cfg(test)]
mod tests {
    use dbopt_catalog::{Column, Table};
    use dbopt_sql::ir::{JoinKind, Predicate, Source as Analysis, StatementKind};

    use super::*;

    fn catalog() -> Catalog {
        let table = |name: &str, columns: &[&str]| Table {
            schema: "public".into(),
            name: name.into(),
            columns: columns.iter().map(|name| Column { name: (*name).into(), ..Column::default() }).collect(),
            ..Table::default()
        };
        Catalog {
            search_path: vec!["public".into()],
            tables: vec![table("orders", &["id", "customer_id", "total"]), table("users", &["id", "email"])],
            ..Catalog::default()
        }
    }

    fn relation(source: RelationSource, alias: Option<&str>) -> Relation {
        let alias = alias.map(Name::folded);
        Relation { source, alias, column_aliases: Vec::new(), join: JoinKind::Inner, on: Vec::new() }
    }

    fn table(name: &str, alias: Option<&str>) -> Relation {
        relation(RelationSource::Table(TableName { schema: None, name: name.into() }), alias)
    }

    fn column(text: &str) -> ColumnRef {
        match text.split_once('.') {
            Some((qualifier, name)) => ColumnRef { qualifier: Some(qualifier.into()), name: name.into() },
            None => ColumnRef { qualifier: None, name: text.into() },
        }
    }

    fn statement(blocks: Vec<Block>) -> Statement {
        Statement { kind: StatementKind::Select, target: None, blocks, source: Analysis::Parser }
    }

    /// Resolves a name in a block to `block.relation table.column`, with a `^` when it is an outer reference.
    fn check(statement: &Statement, block: BlockId, name: &str, expected: Option<&str>) {
        let catalog = catalog();
        let found = Scope::new(statement, &catalog).resolve(block, &column(name)).map(|found| {
            let table = catalog.table(found.table);
            let outer = if found.outer { "^" } else { "" };
            format!("{outer}{}.{} {}.{}", found.block, found.relation, table.name, table.columns[found.column.0].name)
        });
        assert_eq!(found.as_deref(), expected, "{name} in block {block}");
    }

    #[test]
    fn a_qualifier_is_an_alias_or_else_the_table() {
        let block = Block { relations: vec![table("orders", Some("o")), table("users", None)], ..Block::default() };
        let statement = statement(vec![block]);
        check(&statement, 0, "o.id", Some("0.0 orders.id"));
        check(&statement, 0, "orders.id", None);
        check(&statement, 0, "users.id", Some("0.1 users.id"));
        check(&statement, 0, "email", Some("0.1 users.email"));
        check(&statement, 0, "nowhere", None);
    }

    #[test]
    fn bare_names_reach_enclosing_blocks_but_not_siblings() {
        let exists = |role| Block { parent: Some(0), role, relations: vec![table("users", None)], ..Block::default() };
        let outer = Block { relations: vec![table("orders", None)], ..Block::default() };
        let correlated = statement(vec![outer.clone(), exists(Role::Exists)]);
        check(&correlated, 1, "customer_id", Some("^0.0 orders.customer_id"));
        check(&correlated, 1, "id", Some("1.0 users.id"));
        check(
            &statement(vec![outer.clone(), exists(Role::From { lateral: true })]),
            1,
            "total",
            Some("^0.0 orders.total"),
        );
        check(&statement(vec![outer, exists(Role::From { lateral: false })]), 1, "total", None);
    }

    #[test]
    fn sub_selects_are_looked_through_to_plain_columns() {
        let inner = Block {
            parent: Some(0),
            role: Role::From { lateral: false },
            relations: vec![table("orders", None)],
            outputs: vec![
                Output::Expr { expr: Expr::Column(column("customer_id")), alias: Some("who".into()) },
                Output::Expr {
                    expr: Expr::Function { name: "lower".into(), args: vec![], text: "lower('')".into() },
                    alias: None,
                },
                Output::Star { qualifier: None },
            ],
            ..Block::default()
        };
        let outer = Block { relations: vec![relation(RelationSource::Block(1), Some("s"))], ..Block::default() };
        let statement = statement(vec![outer, inner]);
        check(&statement, 0, "s.who", Some("1.0 orders.customer_id"));
        check(&statement, 0, "total", Some("1.0 orders.total"));
        check(&statement, 0, "s.lower", None);
    }

    #[test]
    fn column_aliases_hide_the_names_they_replace() {
        let mut renamed = table("users", Some("u"));
        renamed.column_aliases = vec!["key".into()];
        let statement = statement(vec![Block { relations: vec![renamed], ..Block::default() }]);
        check(&statement, 0, "u.key", Some("0.0 users.id"));
        check(&statement, 0, "id", None);
        check(&statement, 0, "email", Some("0.0 users.email"));
    }

    #[test]
    fn what_the_catalogue_lacks_is_listed() {
        let filters = vec![
            Predicate::IsNull { expr: Expr::Column(column("users.nick")), negated: false },
            Predicate::IsNull { expr: Expr::Column(column("users.ctid")), negated: false },
        ];
        let known = Block { relations: vec![table("users", None)], filters: filters.clone(), ..Block::default() };
        let (catalog, statement) = (catalog(), statement(vec![known]));
        let scope = Scope::new(&statement, &catalog);
        assert_eq!(scope.unknown_columns(), [(0, column("users.nick"))]);
        assert!(scope.unknown_tables().is_empty());

        let relations = vec![table("pg_class", None), table("ghosts", None)];
        let filters = vec![Predicate::IsNull { expr: Expr::Column(column("boo")), negated: false }];
        let statement = Statement { blocks: vec![Block { relations, filters, ..Block::default() }], ..statement };
        let scope = Scope::new(&statement, &catalog);
        assert_eq!(scope.unknown_tables(), [TableName { schema: None, name: "ghosts".into() }]);
        assert!(scope.unknown_columns().is_empty(), "the unknown table may have it");
    }

    #[test]
    fn a_recursive_cte_ends() {
        let outer = Block { relations: vec![relation(RelationSource::Block(1), Some("r"))], ..Block::default() };
        let role = Role::Cte { name: "r".into(), materialized: None, recursive: true };
        let cte = Block { parent: Some(0), role, ..Block::default() };
        let branch = |source| Block {
            parent: Some(1),
            role: Role::SetBranch { all: true },
            relations: vec![source],
            outputs: vec![Output::Star { qualifier: None }],
            ..Block::default()
        };
        let again = branch(relation(RelationSource::Block(1), Some("r")));
        let statement = statement(vec![outer, cte, branch(table("users", None)), again]);
        check(&statement, 0, "r.email", None);
        check(&statement, 2, "email", Some("2.0 users.email"));
    }
}
