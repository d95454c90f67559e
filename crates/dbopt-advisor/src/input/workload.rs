//! From query classes of a workload to queries with a statement that stands for each.

use std::collections::BTreeMap;

use dbopt_catalog::Catalog;
use dbopt_finding::Finding;
use dbopt_sql::{
    analyze, bind_parameters,
    ir::{Block, Expr, Literal, Predicate, Statement, StatementKind},
};
use dbopt_workload::{QueryClass, Sample, Workload};

use crate::{
    query::Query,
    scope::{Scope, Source},
};

/// The queries of a workload that read or change a table of the catalogue, the heaviest first, and what was left out.
///
/// One logged execution stands for its class: the one of middle duration among those that were kept, with its
/// parameters put in. Without one, the normalised text does, whose values are unknown.
#[must_use]
pub fn queries_from_workload(workload: &Workload, catalog: &Catalog) -> (Vec<Query>, Vec<Finding>) {
    let mut queries = Vec::new();
    let mut left_out = LeftOut::default();
    for class in &workload.classes {
        let calls = class.calls.saturating_add(class.nested_calls);
        if calls == 0 {
            continue;
        }
        if class.kind == StatementKind::Utility {
            left_out.utility.add(calls);
            continue;
        }
        let sql = representative(class).map_or_else(|| class.text.clone(), text_of);
        let statement = analyze(&sql);
        if statement.kind == StatementKind::Utility {
            left_out.utility.add(calls);
            continue;
        }
        if !left_out.note_names(&Scope::new(&statement, catalog), calls) {
            continue;
        }
        let timed = class.untimed_calls < class.calls || class.nested_ns > 0;
        queries.push(Query {
            fingerprint: class.fingerprint.to_string(),
            sql,
            normalized: class.text.clone(),
            statement,
            constants: constants(class),
            calls: calls as f64,
            total_ms: timed.then(|| class.total_ms() + class.nested_ns as f64 / 1e6),
            rows: class.rows.map(|rows| rows as f64 / calls as f64),
        });
    }
    (queries, left_out.findings())
}

/// The execution of middle duration among those kept whole.
fn representative(class: &QueryClass) -> Option<&Sample> {
    let mut whole: Vec<&Sample> = class.samples.iter().filter(|sample| !sample.truncated).collect();
    // The sort is stable, and the samples come in an order that does not depend on that of reading.
    whole.sort_by_key(|sample| sample.duration_ns);
    whole.get(whole.len().saturating_sub(1) / 2).copied()
}

fn text_of(sample: &Sample) -> String {
    match &sample.parameters {
        Some(parameters) => bind_parameters(&sample.text, parameters),
        None => sample.text.clone(),
    }
}

/// The conditions that hold the same literals in every execution kept.
///
/// A literal beside parameters is the program's own. Where a client puts all values into the text, only several
/// executions can show which ones never change.
fn constants(class: &QueryClass) -> Vec<Predicate> {
    const ENOUGH: usize = 3;
    let whole: Vec<&Sample> = class.samples.iter().filter(|sample| !sample.truncated).collect();
    let parameterised = whole.iter().any(|sample| sample.parameters.as_ref().is_some_and(|values| !values.is_empty()));
    let trusted = parameterised || whole.len() >= ENOUGH;
    let texts = whole.iter().map(|sample| sample.text.as_str());
    let mut statements = if whole.is_empty() { vec![class.text.as_str()] } else { texts.collect() };
    statements.dedup();
    let mut lists = statements.into_iter().map(|text| predicates(&analyze(text)));
    let mut constants: Vec<Predicate> = lists.next().unwrap_or_default();
    constants.retain(|predicate| trusted || matches!(predicate, Predicate::IsNull { .. } | Predicate::Bool { .. }));
    for list in lists {
        constants.retain(|predicate| list.contains(predicate));
    }
    constants
}

/// All conjuncts of a statement's conditions that could be constant.
fn predicates(statement: &Statement) -> Vec<Predicate> {
    let conjuncts = |block: &Block| {
        let on = block.relations.iter().flat_map(|relation| relation.on.clone());
        block.filters.iter().cloned().chain(on).collect::<Vec<_>>()
    };
    let known = |expr: &Expr| matches!(expr, Expr::Literal(literal) if !matches!(literal, Literal::Unknown));
    let simple = |predicate: &Predicate| match predicate {
        Predicate::Compare { left, right, .. } => known(left) || known(right),
        Predicate::IsNull { .. } | Predicate::Bool { .. } => true,
        _ => false,
    };
    statement.blocks.iter().flat_map(conjuncts).filter(simple).collect()
}

/// Classes that do not become queries, and names that the catalogue does not know.
#[derive(Debug, Default)]
struct LeftOut {
    utility: Count,
    tables: BTreeMap<String, Count>,
    columns: BTreeMap<String, Count>,
}

#[derive(Debug, Default)]
struct Count {
    classes: usize,
    calls: u64,
}

impl Count {
    fn add(&mut self, calls: u64) {
        self.classes += 1;
        self.calls = self.calls.saturating_add(calls);
    }
}

impl LeftOut {
    /// Notes the unknown names of a query, and says whether any of its tables is known.
    fn note_names(&mut self, scope: &Scope<'_>, calls: u64) -> bool {
        for table in scope.unknown_tables() {
            let name = match &table.schema {
                Some(schema) => format!("{}.{}", schema.as_str(), table.name.as_str()),
                None => table.name.as_str().to_owned(),
            };
            self.tables.entry(name).or_default().add(calls);
        }
        for (_, column) in scope.unknown_columns() {
            let name = match &column.qualifier {
                Some(qualifier) => format!("{}.{}", qualifier.as_str(), column.name.as_str()),
                None => column.name.as_str().to_owned(),
            };
            self.columns.entry(name).or_default().add(calls);
        }
        let statement = scope.statement();
        let reads = statement.blocks.iter().enumerate().any(|(block, here)| {
            (0..here.relations.len()).any(|at| matches!(scope.source(block, at), Source::Table(_)))
        });
        let writes = statement.target.as_ref().is_some_and(|target| {
            let schema = target.table.schema.as_ref().map(dbopt_sql::Name::as_str);
            scope.catalog().find(schema, target.table.name.as_str()).is_some()
        });
        reads || writes
    }

    fn findings(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, count) in self.tables {
            let message = format!("the catalogue has no table `{name}`, which {count} name");
            let help = "Check that the log and the catalogue are of the same database and time, and the search path.";
            findings.push(Finding::warning("unknown-table", message).help(help));
        }
        for (name, count) in self.columns {
            let message = format!("no table has the column `{name}`, which {count} name");
            let help = "The catalogue may be older or newer than the log.";
            findings.push(Finding::note("unknown-column", message).help(help));
        }
        if self.utility.classes > 0 {
            let message = format!("{} are no queries and were left out", self.utility);
            findings.push(Finding::note("utility-statements", message));
        }
        findings
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (classes, calls) = (self.classes, self.calls);
        let s = |count: u64| if count == 1 { "" } else { "s" };
        write!(f, "{calls} execution{} of {classes} statement{}", s(calls), s(classes as u64))
    }
}
