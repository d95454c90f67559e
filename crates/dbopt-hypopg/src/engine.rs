//! The engine: it creates hypothetical indexes and asks the server's planner.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dbopt_advisor::{
    Answer, Candidate, CandidateId, Configuration, Engine, Query, QueryId, Question, UsedIndex, WhatIf, WhatIfError,
    size::{self, SizeMode},
};
use dbopt_catalog::{Build, Catalog, Method, Relkind, TableId};
use dbopt_sql::{quote_ident, quote_literal};
use tokio_postgres::{Client, Error};

use crate::{
    availability::Availability,
    correction::{Shape, correction},
    explain::Explanation,
    reading::{brief, keys_of, used},
};

/// Limits of each EXPLAIN. Planning takes milliseconds; a lock that is waited for means that somebody changes the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For planning one statement.
    pub statement: Duration,
    /// For a lock.
    pub lock: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { statement: Duration::from_secs(10), lock: Duration::from_secs(2) }
    }
}

/// Why the server did not plan a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The query.
    pub query: QueryId,
    /// What the server said, or why it was not asked.
    pub reason: String,
}

/// A hypothetical index of the session.
#[derive(Clone, Debug)]
struct Made {
    oid: u32,
    name: String,
    shape: Shape,
}

/// More indexes at once make planning slow: each statement's planning looks at all of them.
const MOST_AT_ONCE: usize = 500;

/// Answers what-if questions by HypoPG. The session should be its own: hypothetical indexes are seen by all that runs in
/// it, and others made in it before are removed.
#[derive(Debug)]
pub struct HypoPgWhatIf<'a> {
    client: &'a Client,
    catalog: &'a Catalog,
    queries: &'a [Query],
    server_version_num: u32,
    /// The schema of HypoPG's functions, quoted.
    schema: String,
    hides: bool,
    timeouts: Timeouts,
    candidates: Vec<Candidate>,
    /// What the session has now; several for a partitioned table.
    made: BTreeMap<CandidateId, Vec<Made>>,
    hidden: BTreeSet<(TableId, usize)>,
    /// Candidates that HypoPG refuses.
    impossible: BTreeSet<CandidateId>,
    /// Costs without any hypothetical index.
    bases: BTreeMap<QueryId, f64>,
    refusals: BTreeMap<QueryId, String>,
    explains: usize,
    ready: bool,
}

impl<'a> HypoPgWhatIf<'a> {
    /// An engine over a session on which HypoPG is usable; `None` when it is not.
    #[must_use]
    pub fn new(
        client: &'a Client,
        availability: &Availability,
        catalog: &'a Catalog,
        queries: &'a [Query],
        timeouts: Timeouts,
    ) -> Option<Self> {
        let Availability::Usable { schema, hides, .. } = availability else { return None };
        Some(Self {
            client,
            catalog,
            queries,
            server_version_num: catalog.server.version_num,
            schema: quote_ident(schema).into_owned(),
            hides: *hides,
            timeouts,
            candidates: Vec::new(),
            made: BTreeMap::new(),
            hidden: BTreeSet::new(),
            impossible: BTreeSet::new(),
            bases: BTreeMap::new(),
            refusals: BTreeMap::new(),
            explains: 0,
            ready: false,
        })
    }

    /// EXPLAINs sent so far.
    #[must_use]
    pub fn explains(&self) -> usize {
        self.explains
    }

    /// The queries that the server did not plan, and why.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.refusals.iter().map(|(query, reason)| Refusal { query: *query, reason: reason.clone() }).collect()
    }

    /// Removes all hypothetical indexes of the session.
    ///
    /// # Errors
    /// When the session does not answer.
    pub async fn reset(&mut self) -> Result<(), WhatIfError> {
        let sql = format!("SELECT {}.hypopg_reset()", self.schema);
        self.client.batch_execute(&sql).await.map_err(gone)?;
        self.made.clear();
        self.hidden.clear();
        Ok(())
    }

    /// auto_explain looks up the indexes of every plan that it logs and fails on those that do not exist, and with it
    /// the EXPLAIN. Whoever may not switch it off gets its failures as refusals.
    async fn quieten_auto_explain(&self) -> Result<(), WhatIfError> {
        let off = "SELECT set_config(name, '-1', false) FROM pg_settings WHERE name = 'auto_explain.log_min_duration'";
        match self.client.batch_execute(off).await {
            Ok(()) => Ok(()),
            Err(error) => refusal(error).map(drop),
        }
    }

    async fn begin(&mut self) -> Result<(), WhatIfError> {
        if !self.ready {
            self.reset().await?;
            self.quieten_auto_explain().await?;
            self.ready = true;
        }
        // Statements are told apart by the rules of standard strings, so these must hold.
        let sql = format!(
            "BEGIN READ ONLY; SET LOCAL standard_conforming_strings = on; SET LOCAL statement_timeout = {}; \
             SET LOCAL lock_timeout = {}; SET LOCAL plan_cache_mode = force_generic_plan",
            self.timeouts.statement.as_millis().max(1),
            self.timeouts.lock.as_millis().max(1),
        );
        self.client.batch_execute(&sql).await.map_err(gone)
    }

    async fn end(&self) -> Result<(), WhatIfError> {
        self.client.batch_execute("ROLLBACK").await.map_err(gone)
    }

    /// Answers one question within the transaction; an error of the statement ends the transaction and begins another.
    async fn answer(&mut self, question: &Question) -> Result<Option<Answer>, WhatIfError> {
        let Some(query) = self.queries.get(question.query.0) else { return Ok(None) };
        let explanation = match Explanation::of(&query.sql, self.server_version_num) {
            Ok(explanation) => explanation,
            Err(reason) => {
                self.refusals.insert(question.query, reason.to_owned());
                return Ok(None);
            }
        };
        if !self.establish(&question.configuration).await? {
            return Ok(None);
        }
        self.explains += 1;
        let json = match explanation.run(self.client).await {
            Ok(json) => json,
            Err(error) => {
                let reason = refusal(error)?;
                self.refusals.insert(question.query, reason);
                self.end().await?;
                if let Some(cleanup) = explanation.cleanup() {
                    // It may not have got as far as to be prepared, and then this fails.
                    if let Err(error) = self.client.batch_execute(cleanup).await {
                        refusal(error)?;
                    }
                }
                self.begin().await?;
                return Ok(None);
            }
        };
        Ok(self.read(question, &json))
    }

    /// Reads the plan and corrects its cost.
    fn read(&mut self, question: &Question, json: &str) -> Option<Answer> {
        let (plans, _) = dbopt_plan::parse_json(json);
        let plan = plans.into_iter().next()?;
        let mut names = BTreeMap::new();
        let mut shapes = BTreeMap::new();
        for (id, indexes) in &self.made {
            for made in indexes {
                names.insert(made.name.clone(), *id);
                shapes.insert(made.name.clone(), made.shape);
            }
        }
        let used = used(&plan, &names, self.catalog);
        let keys = |name: &str| match names.get(name) {
            Some(id) => Some(keys_of(&self.candidates[id.0].index)),
            None => used.iter().find_map(|used| match used {
                UsedIndex::Existing(table, at) => {
                    let index = &self.catalog.table(*table).indexes[*at];
                    (index.name == name).then(|| keys_of(index))
                }
                UsedIndex::Candidate(_) => None,
            }),
        };
        let text = brief(&plan, &keys);
        let mut cost = plan.total_cost() + correction(&plan.root, &shapes, &self.catalog.settings);
        if question.configuration == Configuration::default() {
            self.bases.insert(question.query, cost);
        } else if let (Some(base), true) = (self.bases.get(&question.query), question.configuration.hide.is_empty()) {
            // The plan without the index is still there, should the correction make this one the dearer.
            cost = cost.min(*base);
        }
        Some(Answer { cost: cost.max(0.0), rows: plan.root.plan_rows, used, plan: text })
    }

    /// Makes the session's hypothetical indexes those of a configuration. `false` when HypoPG cannot.
    async fn establish(&mut self, wanted: &Configuration) -> Result<bool, WhatIfError> {
        if wanted.add.iter().any(|id| self.impossible.contains(id) || self.candidates.get(id.0).is_none())
            || (!wanted.hide.is_empty() && !self.hides)
            || wanted.add.len() > MOST_AT_ONCE
        {
            return Ok(false);
        }
        let surplus: Vec<CandidateId> = self.made.keys().filter(|id| !wanted.add.contains(id)).copied().collect();
        if !surplus.is_empty() {
            let oids = surplus.iter().filter_map(|id| self.made.remove(id)).flatten().map(|made| made.oid);
            let oids: Vec<String> = oids.map(|oid| oid.to_string()).collect();
            let sql = format!(
                "SELECT {}.hypopg_drop_index(oid) FROM unnest('{{{}}}'::oid[]) AS t (oid)",
                self.schema,
                oids.join(",")
            );
            self.client.batch_execute(&sql).await.map_err(gone)?;
        }
        for id in &wanted.add {
            if !self.made.contains_key(id) && !self.make(*id).await? {
                self.impossible.insert(*id);
                return Ok(false);
            }
        }
        self.hide(&wanted.hide).await?;
        Ok(true)
    }

    /// Creates one candidate, on each partition when its table is partitioned.
    async fn make(&mut self, id: CandidateId) -> Result<bool, WhatIfError> {
        let candidate = &self.candidates[id.0];
        if !matches!(candidate.index.method, Method::Btree | Method::Brin | Method::Hash) {
            return Ok(false);
        }
        let parent = self.catalog.table(candidate.table);
        let leaves = match parent.kind {
            Relkind::Partitioned => self.catalog.leaves(candidate.table),
            _ => vec![candidate.table],
        };
        let mut made = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let table = self.catalog.table(leaf);
            let definition = candidate.index.create_sql(table, Build::Plain);
            let sql = format!(
                "SELECT indexrelid::text, indexname, ({schema}.hypopg_relation_size(indexrelid) / \
                 current_setting('block_size')::int)::text FROM {schema}.hypopg_create_index({})",
                quote_literal(&definition),
                schema = self.schema,
            );
            let row = match self.client.simple_query(&sql).await {
                Ok(messages) => messages.into_iter().find_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                }),
                Err(error) => {
                    refusal(error)?;
                    self.end().await?;
                    self.begin().await?;
                    self.made.insert(id, made);
                    return Ok(false);
                }
            };
            let Some(row) = row else { return Ok(false) };
            let (Some(oid), Some(name), Some(pages)) = (
                row.get(0).and_then(|oid| oid.parse().ok()),
                row.get(1),
                row.get(2).and_then(|pages| pages.parse::<f64>().ok()),
            ) else {
                return Ok(false);
            };
            made.push(Made { oid, name: name.to_owned(), shape: shape(self.catalog, leaf, candidate, pages) });
        }
        self.made.insert(id, made);
        Ok(true)
    }

    /// Hides the existing indexes of a configuration, and shows the others again.
    async fn hide(&mut self, wanted: &BTreeSet<(TableId, usize)>) -> Result<(), WhatIfError> {
        let changes: Vec<((TableId, usize), &str)> = wanted
            .difference(&self.hidden)
            .map(|at| (*at, "hypopg_hide_index"))
            .chain(self.hidden.difference(wanted).map(|at| (*at, "hypopg_unhide_index")))
            .collect();
        for ((table, at), function) in changes {
            let index = &self.catalog.table(table).indexes[at];
            let name = format!("{}.{}", quote_ident(&index.schema), quote_ident(&index.name));
            let sql = format!("SELECT {}.{function}({}::regclass)", self.schema, quote_literal(&name));
            self.client.batch_execute(&sql).await.map_err(gone)?;
        }
        self.hidden.clone_from(wanted);
        Ok(())
    }
}

impl WhatIf for HypoPgWhatIf<'_> {
    fn engine(&self) -> Engine {
        Engine::HypoPg
    }

    fn candidates(&mut self, candidates: &[Candidate]) {
        let same = self.candidates.len() <= candidates.len() && candidates[..self.candidates.len()] == self.candidates;
        if !same {
            // Another list: what the ids meant is void. The next question's configuration is made from nothing.
            self.ready = false;
            self.made.clear();
            self.impossible.clear();
        }
        self.candidates = candidates.to_vec();
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Option<Answer>>, WhatIfError> {
        // Questions with the same indexes follow each other, so that few are made and dropped.
        let mut order: Vec<usize> = (0..questions.len()).collect();
        order.sort_by(|a, b| questions[*a].configuration.cmp(&questions[*b].configuration).then(a.cmp(b)));
        let mut answers = vec![None; questions.len()];
        self.begin().await?;
        for at in order {
            answers[at] = self.answer(&questions[at]).await?;
        }
        self.end().await?;
        Ok(answers)
    }
}

/// What HypoPG gets wrong of an index of a table.
fn shape(catalog: &Catalog, table: TableId, candidate: &Candidate, assumed_pages: f64) -> Shape {
    let rows = catalog.table(table).rows.unwrap_or(0.0);
    let entries = if table == candidate.table { candidate.index.rows.unwrap_or(rows) } else { rows };
    let real = size::index_size(catalog, table, &candidate.index, entries, SizeMode::Built);
    let is_btree = candidate.index.method == Method::Btree;
    Shape {
        height: is_btree.then_some(real.height),
        assumed_pages,
        pages: if is_btree { real.pages } else { assumed_pages },
        entries,
    }
}

/// The engine is gone.
fn gone(error: Error) -> WhatIfError {
    WhatIfError::Engine { engine: Engine::HypoPg, source: Box::new(error) }
}

/// What the server said against one statement; when it is the session that broke, an error.
fn refusal(error: Error) -> Result<String, WhatIfError> {
    let Some(said) = error.as_db_error() else { return Err(gone(error)) };
    // Class 57P is an operator's intervention (shutdown), 08 the connection, 53 resources.
    if ["57P", "08", "53"].iter().any(|class| said.code().code().starts_with(class)) {
        return Err(gone(error));
    }
    Ok(said.message().to_owned())
}
