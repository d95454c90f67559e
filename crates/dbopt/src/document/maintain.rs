//! Plans and runs of maintenance as documents.

use dbopt_maintain::plan::{Item, Note, Plan};
use dbopt_maintain::status::Status;
use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::maintain::{DoneView, PlansView, RunView, RunsView, StatusView};

/// Plans as a document to read.
pub(crate) fn plans(view: &PlansView) -> Document {
    plans_of("Maintenance", view)
}

/// Plans of something as a document to read.
pub(crate) fn plans_of(what: &str, view: &PlansView) -> Document {
    let mut document = Document::default();
    for plan in &view.plans {
        document.heading(1, format!("{what} of {}", plan.database));
        one_plan(&mut document, plan);
        notes(&mut document, &plan.notes);
    }
    document
}

fn one_plan(document: &mut Document, plan: &Plan) {
    if plan.items.is_empty() {
        document.paragraph("There is nothing to do.");
        return;
    }
    let mut table = Table::new(["", "for", "object", "gain", "time", "from", "locks", "why"]);
    table = [0, 3, 4].into_iter().fold(table, Table::right);
    let (done, refused): (Vec<&Item>, Vec<&Item>) = plan.items.iter().partition(|item| item.refused.is_none());
    for (at, item) in done.iter().enumerate() {
        table.push([
            Text::from((at + 1).to_string()),
            Text::from(item.class.name()),
            Text::from(item.work.object()),
            Text::from(gain(item)),
            Text::from(item.predicted_seconds.map_or_else(String::new, time)),
            Text::from(item.prediction.map_or("", |prediction| prediction.name())),
            Text::from(item.lock.clone()),
            Text::from(item.why.clone()),
        ]);
    }
    document.table(table);
    let mut refusals = Table::new(["will be refused", "because"]);
    for item in &refused {
        let (what, why) = (format!("{} of {}", item.class.name(), item.work.object()), item.refused.clone());
        refusals.push([Text::styled(Style::Bad, what), Text::from(why.unwrap_or_default())]);
    }
    document.table(refusals);
    if done.is_empty() {
        return;
    }
    let steps = number::plural(done.len(), "step", "steps");
    let bytes = number::bytes(plan.gain_bytes() as f64);
    let unknown = done.iter().filter(|item| item.predicted_seconds.is_none()).count();
    let seconds = match done.len() - unknown {
        0 => "nobody knows yet how long it takes".to_owned(),
        _ if unknown == 0 => format!("in about {}", time(plan.predicted_seconds())),
        _ => format!("in about {} and what nobody knows yet of {unknown} of them", time(plan.predicted_seconds())),
    };
    document.paragraph(format!("{steps}, about {bytes} to gain, {seconds}."));
    document.heading(2, "Statements");
    let statements: Vec<&str> = done.iter().flat_map(|item| &item.statements).map(String::as_str).collect();
    document.code("sql", statements.join("\n"));
    let mut risks: Vec<&str> = Vec::new();
    for item in &done {
        if !risks.contains(&item.risk.as_str()) {
            risks.push(&item.risk);
        }
    }
    document.heading(2, "Risks");
    let of = |risk: &&str| {
        let kinds: std::collections::BTreeSet<&str> =
            done.iter().filter(|item| item.risk == *risk).map(|item| item.work.kind()).collect();
        Text::from(format!("{}: {risk}", kinds.into_iter().collect::<Vec<_>>().join(", ")))
    };
    document.list(risks.iter().map(of).collect());
}

fn notes(document: &mut Document, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    document.heading(2, "To know");
    let mut table = Table::new(["what", "what to do"]);
    for note in notes {
        table.push([Text::from(note.message.clone()), Text::from(note.help.clone().unwrap_or_default())]);
    }
    document.table(table);
}

/// Runs as a document to read.
pub(crate) fn runs(view: &RunsView) -> Document {
    runs_of("Maintenance", view)
}

/// Runs of something as a document to read.
pub(crate) fn runs_of(what: &str, view: &RunsView) -> Document {
    let mut document = Document::default();
    for run in &view.runs {
        document.heading(1, format!("{what} of {}", run.database));
        one_run(&mut document, run);
        notes(&mut document, &run.notes);
    }
    document
}

fn one_run(document: &mut Document, run: &RunView) {
    if let Some(error) = &run.error {
        document.paragraph(Text::styled(Style::Bad, error.clone()));
    }
    let mut repairs = Table::new(["left by an earlier run", "now", "why"]);
    for repair in run.repairs.iter().filter(|repair| repair.fate != "nothing-left") {
        repairs.push([
            Text::from(format!("{}.{}", repair.schema, repair.name)),
            Text::from(repair.fate.clone()),
            Text::from(repair.reason.clone().unwrap_or_default()),
        ]);
    }
    document.table(repairs);
    if run.steps.is_empty() && run.error.is_none() {
        document.paragraph("There was nothing to do.");
    }
    let mut table = Table::new(["for", "object", "outcome", "rows", "expected", "gained", "expected", "took", "why"]);
    table = (3..=7).fold(table, Table::right);
    for step in &run.steps {
        let gained = step.bytes_before.zip(step.bytes_after).map(|(before, after)| before - after);
        // What VACUUM makes free stays in the file, which need not become smaller for it.
        let is_within = matches!(step.item.work.kind(), "vacuum" | "delete-rows");
        let gained = gained.filter(|bytes| *bytes > 0 || !is_within);
        table.push([
            Text::from(step.item.class.name()),
            Text::from(step.item.work.object()),
            outcome(step),
            Text::from(step.rows.map_or_else(String::new, |rows| number::count(rows as f64))),
            Text::from(gain(&step.item)),
            Text::from(gained.map_or_else(String::new, signed)),
            Text::from(step.item.predicted_seconds.map_or_else(String::new, time)),
            Text::from(step.seconds.map_or_else(String::new, time)),
            Text::from(step.reason.clone().unwrap_or_default()),
        ]);
    }
    document.table(table);
}

/// How databases stand as a document to read.
pub(crate) fn status(view: &StatusView) -> Document {
    let mut document = Document::default();
    for status in &view.databases {
        document.heading(1, format!("Maintenance of {}", status.database));
        one_status(&mut document, status);
    }
    document
}

fn one_status(document: &mut Document, status: &Status) {
    for wrong in &status.wrong {
        document.paragraph(Text::styled(Style::Bad, wrong.clone()));
    }
    let due: Vec<String> = status.due.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let when = status.next_window.as_ref().map(|next| format!("; the next window opens at {next}")).unwrap_or_default();
    let unknown = status.due_unknown.join("`, `");
    document.paragraph(match due.is_empty() {
        true if unknown.is_empty() => format!("Nothing is due{when}."),
        true => format!("Nothing is known to be due{when}."),
        false => {
            let bytes = number::bytes(status.due_bytes as f64);
            format!("Due now: {}, about {bytes} to gain{when}.", due.join(", "))
        }
    });
    if !unknown.is_empty() {
        document.paragraph(format!(
            "Whether rows of `{unknown}` are expired is known only to a run, which reads them all."
        ));
    }
    let mut runs = Table::new(["run", "began", "outcome", "took", "done", "not done", "rows", "gained"]);
    runs = [0, 3, 4, 5, 6, 7].into_iter().fold(runs, Table::right);
    for run in &status.runs {
        runs.push([
            Text::from(run.run.to_string()),
            Text::from(instant(run.started_at)),
            styled(&run.outcome),
            Text::from(run.seconds.map_or_else(String::new, time)),
            Text::from(run.done.to_string()),
            Text::from(run.not_done.to_string()),
            Text::from(run.rows.map_or_else(String::new, |rows| number::count(rows as f64))),
            Text::from(signed(run.freed_bytes)),
        ]);
    }
    document.table(runs);
    section(document, "In the way", ["who", "for", "what would end it"], &status.holders, |held| {
        [held.name.clone(), held.seconds.map_or_else(String::new, time), held.remedy.clone()]
    });
    section(document, "Not done", ["what", "outcome", "why"], &status.troubles, |trouble| {
        let what = format!("{} {}.{}", trouble.kind, trouble.schema, trouble.object);
        [what, trouble.outcome.clone(), trouble.reason.clone().unwrap_or_default()]
    });
    section(document, "Autovacuum does not keep up", ["table", "why", "what to do"], &status.behind, |behind| {
        [behind.table.clone(), behind.why.clone(), behind.statement.clone().unwrap_or_default()]
    });
    section(document, "Growth", ["table", "from, to", "in days"], &status.growth, |growth| {
        let bytes = |bytes: i64| number::bytes(bytes as f64);
        let sizes = format!("{} to {}", bytes(growth.bytes_then), bytes(growth.bytes_now));
        [format!("{}.{}", growth.schema, growth.table), sizes, format!("{:.1}", growth.days)]
    });
    section(document, "Bloat", ["what", "empty, of", "when it was last rebuilt"], &status.bloat, |bloat| {
        let (empty, all) = (number::bytes(bloat.empty_bytes as f64), number::bytes(bloat.bytes as f64));
        let then = bloat.rebuilt_at.map_or_else(String::new, |at| {
            let bytes = bloat.bytes_then.map_or_else(String::new, |then| format!(", {}", number::bytes(then as f64)));
            format!("{}{bytes}", instant(at))
        });
        [format!("{} {}.{}", bloat.kind, bloat.schema, bloat.object), format!("{empty} of {all}"), then]
    });
}

/// A heading and a table, when there is anything to show.
fn section<T>(document: &mut Document, title: &str, header: [&str; 3], rows: &[T], row: impl Fn(&T) -> [String; 3]) {
    if rows.is_empty() {
        return;
    }
    document.heading(2, title);
    let mut table = Table::new(header);
    for one in rows {
        table.push(row(one));
    }
    document.table(table);
}

/// An instant to the second.
fn instant(seconds: f64) -> String {
    jiff::Timestamp::from_second(seconds as i64).map_or_else(|_| String::new(), |at| at.to_string())
}

fn outcome(step: &DoneView) -> Text {
    styled(&step.outcome)
}

fn styled(outcome: &str) -> Text {
    let style = match outcome {
        "done" => Style::Good,
        "failed" | "refused" | "died" => Style::Bad,
        "blocked" | "deferred" => Style::Strong,
        _ => Style::Plain,
    };
    Text::styled(style, outcome)
}

fn gain(item: &Item) -> String {
    item.gain_bytes.map_or_else(String::new, |bytes| number::bytes(bytes as f64))
}

/// Bytes that may be fewer than none: a table that has grown.
fn signed(bytes: i64) -> String {
    let shown = number::bytes(bytes.unsigned_abs() as f64);
    if bytes < 0 { format!("-{shown}") } else { shown }
}

fn time(seconds: f64) -> String {
    number::milliseconds(seconds * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan as `--save` writes it.
    const PLAN: &str = r#"{"schema_version": 1, "plans": [{"schema_version": 1, "database": "shop", "server_version_num": 150008,
        "planned_at": 0, "items": [
            {"class": "vacuum", "work": {"do": "vacuum", "table": {"oid": 1, "schema": "public", "name": "a|b"}, "relfilenode": 1,
                "freeze": false, "emergency": false, "truncate": false, "workers": null},
             "statements": ["VACUUM (TRUNCATE OFF) public.\"a|b\";"], "lock": "SHARE UPDATE EXCLUSIVE", "risk": "it reads a lot",
             "why": "half is dead", "gain_bytes": 1048576, "predicted_seconds": 2.5, "prediction": "history"},
            {"class": "analyze", "work": {"do": "analyze", "table": {"oid": 2, "schema": "public", "name": "c"}, "relfilenode": 2},
             "statements": ["ANALYZE public.c;"], "lock": "SHARE UPDATE EXCLUSIVE", "risk": "plans may change", "why": "it changed",
             "gain_bytes": null, "predicted_seconds": null, "prediction": null}],
        "notes": [{"code": "no-right", "message": "a right is missing", "help": "GRANT it;"}]}]}"#;

    #[test]
    fn a_plan_is_printed_for_a_terminal_and_as_markdown() {
        let view: PlansView = serde_json::from_str(PLAN).expect("a plan");
        let document = plans(&view);
        let options = dbopt_report::terminal::Options { color: false, width: 120 };
        insta::assert_snapshot!(dbopt_report::terminal::print(&document, &options), @r#"
        Maintenance of shop

             for      object          gain   time  from     locks                   why
          1  vacuum   public."a|b"  1.0 MB  2.5 s  history  SHARE UPDATE EXCLUSIVE  half is dead
          2  analyze  public.c                              SHARE UPDATE EXCLUSIVE  it changed

        2 steps, about 1.0 MB to gain, in about 2.5 s and what nobody knows yet of 1 of them.

        Statements
            VACUUM (TRUNCATE OFF) public."a|b";
            ANALYZE public.c;

        Risks
          - vacuum: it reads a lot
          - analyze: plans may change

        To know
          what                what to do
          a right is missing  GRANT it;
        "#);
        insta::assert_snapshot!(dbopt_report::markdown::print(&document), @r#"
        # Maintenance of shop

        |  | for | object | gain | time | from | locks | why |
        | ---: | --- | --- | ---: | ---: | --- | --- | --- |
        | 1 | vacuum | public."a\|b" | 1.0 MB | 2.5 s | history | SHARE UPDATE EXCLUSIVE | half is dead |
        | 2 | analyze | public.c |  |  |  | SHARE UPDATE EXCLUSIVE | it changed |

        2 steps, about 1.0 MB to gain, in about 2.5 s and what nobody knows yet of 1 of them.

        ## Statements

        ```sql
        VACUUM (TRUNCATE OFF) public."a|b";
        ANALYZE public.c;
        ```

        ## Risks

        - vacuum: it reads a lot
        - analyze: plans may change

        ## To know

        | what | what to do |
        | --- | --- |
        | a right is missing | GRANT it; |
        "#);
    }
}
