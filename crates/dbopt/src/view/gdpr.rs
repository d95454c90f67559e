//! What is planned for a person, as it leaves the program: names and numbers, never a value of a row.

use dbopt_finding::Finding;
use dbopt_gdpr::{Graph, NodeId, Plan, SealedBy, StatementKind, Whose};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt gdpr lint` found.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr lint")]
pub(crate) struct LintView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// How many tables were looked at.
    pub(crate) tables: usize,
    /// How many references.
    pub(crate) references: usize,
    /// What is not covered, or does not fit.
    pub(crate) findings: Vec<FindingView>,
}

impl LintView {
    pub(crate) fn new(graph: &Graph, findings: &[Finding]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tables: graph.nodes.len(),
            references: graph.edges.len(),
            findings: findings.iter().map(FindingView::from).collect(),
        }
    }
}

/// What `dbopt gdpr plan` planned.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr plan")]
pub(crate) struct GdprPlanView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The person, as an HMAC under the policy's key.
    pub(crate) subject: String,
    /// As what, by the policy's name.
    pub(crate) rule: String,
    /// The time as of which it was decided what stays, by RFC 3339.
    pub(crate) as_of: String,
    /// Whether something speaks against doing it.
    pub(crate) refused: bool,
    /// About how long it takes as things are.
    pub(crate) seconds: f64,
    /// About how long it takes with the indexes.
    pub(crate) seconds_indexed: f64,
    /// What becomes of the rows, table by table.
    pub(crate) tables: Vec<GdprTableView>,
    /// What is done, in order.
    pub(crate) statements: Vec<GdprStatementView>,
    /// How many of these, from the first on, are done in transactions of their own before the last one.
    pub(crate) apart: usize,
    /// How many rows such a transaction has at most.
    pub(crate) apart_rows: Option<usize>,
    /// What happens to rows that refer to rows that go.
    pub(crate) effects: Vec<GdprEffectView>,
    /// What stays, and why.
    pub(crate) kept: Vec<GdprKeptView>,
    /// Values that no statement changes, because they go with a key of the person's own.
    pub(crate) sealed: Vec<GdprSealedView>,
    /// What becomes of large objects.
    pub(crate) large_objects: Vec<GdprLargeObjectsView>,
    /// Locks on tables until the end.
    pub(crate) locks: Vec<GdprLockView>,
    /// Indexes to create before.
    pub(crate) indexes: Vec<GdprIndexView>,
    /// What to know; an error speaks against doing it.
    pub(crate) findings: Vec<FindingView>,
}

/// What becomes of the rows of a table.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprTableView {
    /// The table, as in SQL.
    pub(crate) table: String,
    /// Rows that are the person's alone.
    pub(crate) owned: usize,
    /// Rows that are others', too.
    pub(crate) shared: usize,
    /// Rows about the person.
    pub(crate) about: usize,
    /// Rows that are deleted.
    pub(crate) deleted: usize,
    /// Rows that stay and are changed.
    pub(crate) changed: usize,
    /// Rows that stay as they are.
    pub(crate) kept: usize,
}

/// A statement.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprStatementView {
    /// `defer`, `change`, `untie`, `delete` or `unlink`; the last is of large objects.
    pub(crate) kind: String,
    /// Its tables.
    pub(crate) tables: Vec<String>,
    /// To how many rows of each, or how many large objects.
    pub(crate) rows: Vec<usize>,
    /// Its text, as it is run. The parameters are keys of rows.
    pub(crate) sql: String,
}

/// What happens to rows that refer to rows that go.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprEffectView {
    /// By which reference.
    pub(crate) reference: String,
    /// `ON DELETE` of its foreign key.
    pub(crate) action: String,
    /// How many rows.
    pub(crate) rows: usize,
    /// `others` or `kept`.
    pub(crate) whose: String,
    /// Whether the policy says what becomes of them.
    pub(crate) planned: bool,
}

/// What stays.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprKeptView {
    /// The table, as in SQL.
    pub(crate) table: String,
    /// The field; absent for whole rows.
    pub(crate) column: Option<String>,
    /// How many rows.
    pub(crate) rows: usize,
    /// Why.
    pub(crate) why: String,
    /// Until which day, when that is known.
    pub(crate) until: Option<String>,
}

/// Values that go with a key.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprSealedView {
    /// The table, as in SQL.
    pub(crate) table: String,
    /// The column.
    pub(crate) column: String,
    /// How many values.
    pub(crate) rows: usize,
    /// `key`: under a key of a person; `gone`: under one that was destroyed; `nobody`: under none.
    pub(crate) by: String,
    /// What the key is for, by the encryption policy.
    pub(crate) purpose: Option<String>,
}

/// Large objects to which a column refers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprLargeObjectsView {
    /// The table, as in SQL.
    pub(crate) table: String,
    /// The column.
    pub(crate) column: String,
    /// How many go.
    pub(crate) unlinked: usize,
    /// How many stay, because others refer to them.
    pub(crate) kept: usize,
}

/// A lock.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprLockView {
    /// The table, as in SQL.
    pub(crate) table: String,
    /// The mode, as PostgreSQL names it.
    pub(crate) mode: String,
    /// Rows that are locked.
    pub(crate) rows: usize,
}

/// An index to create before.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct GdprIndexView {
    /// The reference that has none.
    pub(crate) reference: String,
    /// How often the server would read the table.
    pub(crate) checks: usize,
    /// How long one such reading took.
    pub(crate) seconds: f64,
    /// The statements that create it.
    pub(crate) sql: Vec<String>,
}

impl GdprPlanView {
    pub(crate) fn new(graph: &Graph, plan: &Plan) -> Self {
        let name = |id: NodeId| graph.node(id).table.to_string();
        Self {
            schema_version: SCHEMA_VERSION,
            subject: plan.subject.to_string(),
            rule: plan.rule.clone(),
            as_of: plan.as_of.to_string(),
            refused: plan.is_refused(),
            seconds: plan.seconds,
            seconds_indexed: plan.seconds_indexed,
            tables: plan
                .tables
                .iter()
                .map(|table| GdprTableView {
                    table: name(table.table),
                    owned: table.owned,
                    shared: table.shared,
                    about: table.about,
                    deleted: table.deleted,
                    changed: table.changed,
                    kept: table.kept,
                })
                .collect(),
            statements: plan
                .statements
                .iter()
                .map(|statement| GdprStatementView {
                    kind: match statement.kind {
                        StatementKind::Defer => "defer",
                        StatementKind::Change => "change",
                        StatementKind::Untie => "untie",
                        StatementKind::Delete => "delete",
                        StatementKind::Unlink => "unlink",
                    }
                    .to_owned(),
                    tables: statement.parts.iter().map(|part| name(part.table)).collect(),
                    rows: statement.parts.iter().map(|part| part.keys.len()).collect(),
                    sql: statement.sql.clone(),
                })
                .collect(),
            apart: plan.apart.map_or(0, |apart| apart.statements),
            apart_rows: plan.apart.map(|apart| apart.rows),
            effects: plan
                .effects
                .iter()
                .map(|effect| GdprEffectView {
                    reference: graph.edge(effect.edge).to_string(),
                    action: effect.action.name().to_owned(),
                    rows: effect.rows,
                    whose: match effect.whose {
                        Whose::Others => "others",
                        Whose::Kept => "kept",
                    }
                    .to_owned(),
                    planned: effect.is_planned,
                })
                .collect(),
            kept: plan
                .kept
                .iter()
                .map(|kept| GdprKeptView {
                    table: name(kept.table),
                    column: kept.column.clone(),
                    rows: kept.rows,
                    why: kept.why.clone(),
                    until: kept.until.map(|day| day.to_string()),
                })
                .collect(),
            sealed: plan
                .sealed
                .iter()
                .map(|sealed| {
                    let (by, purpose) = match &sealed.by {
                        SealedBy::Key(_, purpose) => ("key", Some(purpose.as_str().to_owned())),
                        SealedBy::Gone => ("gone", None),
                        SealedBy::Nobody => ("nobody", None),
                    };
                    let (table, column) = (name(sealed.table), sealed.column.clone());
                    GdprSealedView { table, column, rows: sealed.rows, by: by.to_owned(), purpose }
                })
                .collect(),
            large_objects: plan
                .large_objects
                .iter()
                .map(|objects| GdprLargeObjectsView {
                    table: name(objects.table),
                    column: objects.column.clone(),
                    unlinked: objects.unlinked,
                    kept: objects.kept,
                })
                .collect(),
            locks: plan
                .locks
                .iter()
                .map(|lock| GdprLockView { table: name(lock.table), mode: lock.mode.to_owned(), rows: lock.rows })
                .collect(),
            indexes: plan
                .indexes
                .iter()
                .map(|index| GdprIndexView {
                    reference: graph.edge(index.edge).to_string(),
                    checks: index.checks,
                    seconds: index.seconds,
                    sql: index.sql.clone(),
                })
                .collect(),
            findings: plan.findings.iter().map(FindingView::from).collect(),
        }
    }
}
