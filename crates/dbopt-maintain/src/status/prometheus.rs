//! Metrics in the text format of Prometheus
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>), for node_exporter's textfile collector.

use std::fmt::Write;

use super::Status;

/// The metrics of some databases.
#[must_use]
pub fn metrics(all: &[Status]) -> String {
    type Samples = Vec<(Vec<(&'static str, String)>, f64)>;
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    let one = |value: fn(&Status) -> Option<f64>| -> Vec<Samples> {
        all.iter().map(|status| value(status).map(|value| (Vec::new(), value)).into_iter().collect()).collect()
    };
    let metrics: Vec<(&str, &str, Vec<Samples>)> = vec![
        ("status_timestamp_seconds", "When this was looked at.", one(|status| Some(status.now))),
        ("last_completed_timestamp_seconds", "When a run was last completed.", one(|status| status.completed_at)),
        (
            "last_run_timestamp_seconds",
            "When a run last began.",
            one(|status| status.runs.first().map(|run| run.started_at)),
        ),
        (
            "last_run_outcome",
            "How the last run ended: 1 for that outcome.",
            all.iter()
                .map(|status| status.runs.first().map(|run| (vec![("outcome", run.outcome.clone())], 1.0)))
                .map(|sample| sample.into_iter().collect())
                .collect(),
        ),
        (
            "overdue",
            "Whether no run was completed for longer than the policy allows.",
            all.iter().map(|status| vec![(Vec::new(), flag(status.is_overdue))]).collect(),
        ),
        (
            "due",
            "Steps that are due now.",
            all.iter()
                .map(|status| {
                    status.due.iter().map(|(class, count)| (vec![("class", class.clone())], *count as f64)).collect()
                })
                .collect(),
        ),
        (
            "due_unknown",
            "Tables of which only reading them all tells whether rows are expired.",
            one(|status| Some(status.due_unknown.len() as f64)),
        ),
        (
            "due_bytes",
            "Bytes that these steps would give back or make free.",
            one(|status| Some(status.due_bytes as f64)),
        ),
        (
            "bloat_bytes",
            "Bytes by which all tables and indexes could be smaller, as estimated.",
            one(|status| Some(status.bloat_bytes as f64)),
        ),
        ("trouble", "Objects whose last step was not done.", one(|status| Some(status.troubles.len() as f64))),
        (
            "horizon_held_seconds",
            "For how long dead rows have been kept from being removed.",
            one(|status| Some(status.holders.iter().filter_map(|held| held.seconds).fold(0.0, f64::max))),
        ),
        (
            "wraparound_ratio",
            "How near the oldest table is to where autovacuum freezes it.",
            one(|status| Some(status.wraparound)),
        ),
        (
            "behind_autovacuum",
            "Tables that autovacuum does not keep up with.",
            one(|status| Some(status.behind.len() as f64)),
        ),
    ];
    let mut text = String::new();
    for (name, about, samples) in metrics {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP dbopt_maintain_{name} {about}\n# TYPE dbopt_maintain_{name} gauge");
        for (status, samples) in all.iter().zip(samples) {
            for (labels, value) in samples {
                let mut shown = format!("database=\"{}\"", escaped(&status.database));
                for (label, value) in labels {
                    let _ = write!(shown, ",{label}=\"{}\"", escaped(&value));
                }
                let _ = writeln!(text, "dbopt_maintain_{name}{{{shown}}} {value}");
            }
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_what_is_not_known_is_left_out() {
        let status = Status { database: "a\"b\\c\nd".to_owned(), now: 1.5, ..Status::default() };
        let status = Status { due: [("vacuum".to_owned(), 2)].into(), is_overdue: true, ..status };
        let text = metrics(&[status]);
        assert!(text.contains("dbopt_maintain_due{database=\"a\\\"b\\\\c\\nd\",class=\"vacuum\"} 2\n"), "{text}");
        assert!(text.contains("dbopt_maintain_overdue{database=\"a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
        assert!(!text.contains("last_completed_timestamp_seconds{"), "{text}");
        let is_line = |line: &str| {
            line.starts_with("# ") || line.rsplit_once("} ").is_some_and(|(_, value)| value.parse::<f64>().is_ok())
        };
        assert!(text.lines().all(is_line), "{text}");
    }
}
