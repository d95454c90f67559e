//! The model's costs and index choices against the server's `EXPLAIN`.

use std::collections::BTreeSet;

use dbopt_advisor::{Configuration, ModelWhatIf, Query, QueryId, Question, UsedIndex};
use dbopt_testkit::{Cluster, Database};
use serde_json::Value;

use crate::{read, shop};

/// What a plan costs and which indexes it uses.
struct Plan {
    cost: f64,
    indexes: BTreeSet<String>,
    text: String,
}

fn explain(database: &Database<'_>, sql: &str) -> Plan {
    let json = database.value(&format!("EXPLAIN (FORMAT JSON) {sql}"));
    let json: Value = serde_json::from_str(&json).expect("EXPLAIN writes JSON");
    let plan = &json[0]["Plan"];
    let mut found = Plan {
        cost: plan["Total Cost"].as_f64().expect("a plan has a cost"),
        indexes: BTreeSet::new(),
        text: String::new(),
    };
    collect(plan, &mut found);
    found
}

fn collect(plan: &Value, found: &mut Plan) {
    if let Some(name) = plan["Index Name"].as_str() {
        found.indexes.insert(name.to_owned());
    }
    found.text.push_str(plan["Node Type"].as_str().unwrap_or("?"));
    found.text.push_str(&format!(" {}..{} rows={} ", plan["Startup Cost"], plan["Total Cost"], plan["Plan Rows"]));
    found.text.push_str(plan["Index Name"].as_str().map(|name| format!(" {name}")).unwrap_or_default().as_str());
    let children = plan["Plans"].as_array().map_or(&[][..], Vec::as_slice);
    if !children.is_empty() {
        found.text.push('(');
        for child in children {
            collect(child, found);
            found.text.push(' ');
        }
        found.text.push(')');
    }
}

fn query(sql: &str) -> Query {
    Query {
        fingerprint: String::new(),
        sql: sql.to_owned(),
        normalized: sql.to_owned(),
        statement: dbopt_sql::analyze(sql),
        constants: Vec::new(),
        calls: 1.0,
        total_ms: None,
        rows: None,
    }
}

#[test]
fn costs_and_choices_agree_with_the_server() {
    let database = Cluster::shared().database();
    for statement in shop::SCHEMA {
        database.execute(statement);
    }
    database.execute("VACUUM ANALYZE");
    let queries: Vec<Query> = shop::QUERIES.iter().map(|sql| query(sql)).collect();
    let mut ratios = Vec::new();
    let (mut same, mut all) = (0, 0);
    let mut report = String::new();
    for set in shop::INDEX_SETS {
        for statement in set {
            database.execute(statement);
        }
        let catalog = read(&database);
        let model = ModelWhatIf::new(&catalog, &queries);
        for (at, query) in queries.iter().enumerate() {
            let truth = explain(&database, &query.sql);
            let question = Question { query: QueryId(at), configuration: Configuration::default() };
            let answer = model.plan(&question).unwrap_or_else(|| panic!("not planned: {}", query.sql));
            let used = answer.used.iter().filter_map(|used| match used {
                UsedIndex::Existing(table, at) => Some(catalog.table(*table).indexes[*at].name.clone()),
                UsedIndex::Candidate(_) => None,
            });
            let used: BTreeSet<String> = used.collect();
            let ratio = answer.cost / truth.cost;
            ratios.push(ratio.ln().abs());
            all += 1;
            let agrees = used == truth.indexes;
            same += usize::from(agrees);
            if !agrees || ratio.ln().abs() > 0.1 {
                report.push_str(&format!(
                    "{} {ratio:.3} {:.1}/{:.1} {}\n    model  {}\n    server {}\n",
                    if agrees { "    " } else { "DIFF" },
                    answer.cost,
                    truth.cost,
                    query.sql,
                    answer.plan,
                    truth.text
                ));
            }
        }
    }
    ratios.sort_by(f64::total_cmp);
    let quantile = |share: f64| ratios[((ratios.len() - 1) as f64 * share) as usize].exp();
    let summary = format!(
        "{same} of {all} with the same indexes; cost off by a factor of {:.3} at the median, {:.3} at the 90th percentile",
        quantile(0.5),
        quantile(0.9)
    );
    if std::env::var_os("DBOPT_TEST_REPORT").is_some() {
        panic!("{summary}\n{report}");
    }
    assert!(same * 100 >= all * 95, "{summary}\n{report}");
    assert!(quantile(0.5) < 1.02 && quantile(0.9) < 1.1, "{summary}\n{report}");
}
