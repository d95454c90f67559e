//! The in-process planner: PostgreSQL's cost formulas over a catalogue, without a server.
//!
//! It plans a statement as the server would, under any set of existing and hypothetical indexes, from the same
//! statistics. That makes offline advice possible, and makes the thousands of questions of a search cheap: names,
//! selectivities, row counts and the sets of relations are worked out once a query ([`prepared`]), the scans of a
//! relation once for each set of indexes on its table, and a question only compares sums.
//!
//! The formulas are facts of `costsize.c`, `selfuncs.c`, `clausesel.c`, `indxpath.c` and `planner.c`; comments name the
//! function. What is left out: partition-wise plans, parallel plans of sub-selects, geometric and text-search statistics.

mod aggregate;
mod cost;
mod datum;
mod index;
mod join;
mod path;
mod plan;
mod prepared;
mod scan;
mod selectivity;
mod sort;
mod value;

use std::{collections::BTreeSet, fmt::Write};

use dbopt_catalog::{Catalog, TableId};
use dbopt_sql::ir::StatementKind;

use crate::{
    query::Query,
    scope::Scope,
    whatif::{Answer, Candidate, CandidateId, Configuration, Engine, Question, UsedIndex, WhatIf, WhatIfError},
};
use index::IndexInfo;
use path::{Label, Node};
use plan::Planner;
use prepared::{Block, Shared};

/// Answers what-if questions by planning in this process.
#[derive(Debug)]
pub struct ModelWhatIf<'a> {
    catalog: &'a Catalog,
    queries: Vec<Option<Planned<'a>>>,
    indexes: Vec<IndexInfo>,
    /// Each table's existing indexes, by number in `indexes`.
    existing: Vec<Vec<usize>>,
    /// Each candidate's number and table, unless the planner could not use it.
    candidates: Vec<Option<(usize, TableId)>>,
}

/// A query that can be planned.
#[derive(Debug)]
struct Planned<'a> {
    block: Block<'a>,
    parallel: bool,
}

impl<'a> ModelWhatIf<'a> {
    /// Prepares queries for planning. Those that cannot be planned, for a table that the catalogue lacks or because
    /// they read nothing, will be answered with `None`.
    #[must_use]
    pub fn new(catalog: &'a Catalog, queries: &'a [Query]) -> Self {
        let shared = Shared::new(catalog);
        let mut indexes = Vec::new();
        let mut existing = Vec::with_capacity(catalog.tables.len());
        for (at, table) in catalog.tables.iter().enumerate() {
            let mut numbers = Vec::new();
            for (position, index) in table.indexes.iter().enumerate() {
                let used = UsedIndex::Existing(TableId(at), position);
                if let Some(info) = IndexInfo::new(catalog, TableId(at), index, None, used) {
                    numbers.push(indexes.len());
                    indexes.push(info);
                }
            }
            existing.push(numbers);
        }
        let queries = queries.iter().map(|query| Planned::new(&shared, query)).collect();
        Self { catalog, queries, indexes, existing, candidates: Vec::new() }
    }

    /// Plans one query under one configuration; `None` when it cannot be planned.
    #[must_use]
    pub fn plan(&self, question: &Question) -> Option<Answer> {
        let query = self.queries.get(question.query.0)?.as_ref()?;
        let present = |table: TableId| self.present(table, &question.configuration);
        let planner =
            Planner { catalog: self.catalog, indexes: &self.indexes, present: &present, parallel: query.parallel };
        let path = planner.plan(&query.block, false)?;
        let mut used = BTreeSet::new();
        let mut plan = String::new();
        self.describe(&path.node, &mut used, &mut plan);
        Some(Answer { cost: path.total, rows: path.rows, used: used.into_iter().collect(), plan })
    }

    /// The indexes of a table under a configuration.
    fn present(&self, table: TableId, configuration: &Configuration) -> Vec<usize> {
        let mut numbers = self.existing.get(table.0).cloned().unwrap_or_default();
        if !configuration.hide.is_empty() {
            numbers.retain(|number| match &self.indexes[*number].used {
                UsedIndex::Existing(table, position) => !configuration.hide.contains(&(*table, *position)),
                UsedIndex::Candidate(_) => true,
            });
        }
        for candidate in &configuration.add {
            if let Some(Some((number, home))) = self.candidates.get(candidate.0)
                && *home == table
            {
                numbers.push(*number);
            }
        }
        numbers
    }

    /// Writes a plan in short, the step that runs first coming first, and collects the indexes it uses.
    fn describe(&self, node: &Node, used: &mut BTreeSet<UsedIndex>, plan: &mut String) {
        for (at, child) in node.children.iter().enumerate() {
            if at > 0 {
                plan.push_str(", ");
            }
            self.describe(child, used, plan);
        }
        let arrow = if node.children.is_empty() { "" } else { " → " };
        // Plans in reports are short; a workload's widest joins are cut.
        if plan.len() > MAX_PLAN {
            if !plan.ends_with('…') {
                plan.push('…');
            }
        } else {
            let written = match &node.label {
                Label::Fixed("") => Ok(()),
                Label::Fixed(text) => write!(plan, "{arrow}{text}"),
                Label::Scan(text, name) => write!(plan, "{arrow}{text} on {name}"),
                Label::Index(text, name, _) => write!(plan, "{arrow}{text} {name}"),
            };
            debug_assert!(written.is_ok(), "writing to a string does not fail");
        }
        if let Label::Index(_, _, number) = node.label
            && let Some(index) = self.indexes.get(number)
        {
            used.insert(index.used.clone());
        }
    }
}

/// Bytes of a plan in short.
const MAX_PLAN: usize = 600;

impl<'a> Planned<'a> {
    fn new(shared: &Shared<'a>, query: &'a Query) -> Option<Self> {
        let statement = &query.statement;
        if statement.kind == StatementKind::Utility {
            return None;
        }
        if statement.target.as_ref().is_some_and(|target| target.values_rows.is_some() && target.relation.is_none()) {
            return None;
        }
        let scope = Scope::new(statement, shared.catalog);
        let mut block = prepared::prepare(shared, &scope)?;
        if let Some(relation) = statement.target.as_ref().and_then(|target| target.relation)
            && let Some(rel) = block.rels.get_mut(relation)
        {
            // A row that is written is read whole, or at least found in the table.
            rel.whole_row = true;
        }
        if block.tail.locks {
            block.rels.iter_mut().for_each(|rel| rel.whole_row = true);
        }
        Some(Self { block, parallel: statement.kind == StatementKind::Select })
    }
}

impl WhatIf for ModelWhatIf<'_> {
    fn engine(&self) -> Engine {
        Engine::Model
    }

    fn candidates(&mut self, candidates: &[Candidate]) {
        for (at, candidate) in candidates.iter().enumerate().skip(self.candidates.len()) {
            let used = UsedIndex::Candidate(CandidateId(at));
            let info = IndexInfo::new(self.catalog, candidate.table, &candidate.index, Some(candidate.bytes), used);
            self.candidates.push(info.map(|info| {
                self.indexes.push(info);
                (self.indexes.len() - 1, candidate.table)
            }));
        }
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Option<Answer>>, WhatIfError> {
        Ok(questions.iter().map(|question| self.plan(question)).collect())
    }
}

#[cfg(test)]
mod tests {
    use dbopt_catalog::{Column, ColumnStatistics, Index, IndexKey, Table, TypeName};
    use dbopt_sql::ir::{
        Block as Select, ColumnRef, CompareOp, Expr, JoinKind, Literal, Predicate, Relation, RelationSource, Source,
        Statement,
    };

    use super::*;
    use crate::query::QueryId;

    fn catalog() -> Catalog {
        let kind = TypeName { name: "integer".into(), length: 4, align: 4, category: 'N', ..TypeName::default() };
        let column = |name: &str, n_distinct| Column {
            name: name.into(),
            kind: kind.clone(),
            statistics: Some(ColumnStatistics { n_distinct, average_width: 4.0, ..ColumnStatistics::default() }),
            ..Column::default()
        };
        let table = Table {
            schema: "public".into(),
            name: "orders".into(),
            pages: 10_000.0,
            rows: Some(1_000_000.0),
            columns: vec![column("id", -1.0), column("customer_id", 10_000.0)],
            ..Table::default()
        };
        Catalog { search_path: vec!["public".into()], tables: vec![table], ..Catalog::default() }
    }

    fn query() -> Query {
        let column = Expr::Column(ColumnRef { qualifier: None, name: "customer_id".into() });
        let name = dbopt_sql::TableName { schema: None, name: "orders".into() };
        let relation = Relation {
            source: RelationSource::Table(name),
            alias: None,
            column_aliases: vec![],
            join: JoinKind::Inner,
            on: vec![],
        };
        let right = Expr::Literal(Literal::Number("42".into()));
        let block = Select {
            relations: vec![relation],
            filters: vec![Predicate::Compare { left: column, op: CompareOp::Eq, right }],
            ..Select::default()
        };
        Query {
            fingerprint: String::new(),
            sql: String::new(),
            normalized: String::new(),
            statement: Statement {
                kind: StatementKind::Select,
                target: None,
                blocks: vec![block],
                source: Source::Parser,
            },
            constants: vec![],
            calls: 1.0,
            total_ms: None,
            rows: None,
        }
    }

    #[test]
    fn a_selective_condition_uses_a_candidate() {
        let (catalog, queries) = (catalog(), [query()]);
        let mut model = ModelWhatIf::new(&catalog, &queries);
        let index = Index { keys: vec![IndexKey::column("customer_id")], ..Index::default() };
        model.candidates(&[Candidate { table: TableId(0), index, bytes: 8_000_000.0 }]);
        let ask = |add: &[usize]| {
            let add = add.iter().copied().map(CandidateId).collect();
            let question = Question { query: QueryId(0), configuration: Configuration { add, ..Default::default() } };
            model.plan(&question).expect("the query can be planned")
        };
        let (without, with) = (ask(&[]), ask(&[0]));
        assert!(without.plan.contains("Seq Scan on orders"), "{}", without.plan);
        assert_eq!(with.used, [UsedIndex::Candidate(CandidateId(0))]);
        assert!(with.cost < without.cost / 10.0, "{} {}", with.cost, without.cost);
        assert_eq!((without.rows, with.rows), (100.0, 100.0));
    }
}
