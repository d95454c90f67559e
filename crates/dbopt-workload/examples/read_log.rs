//! Reads logs and prints what was counted, as JSON: `read_log [--prefix PREFIX] [--threads N] [--top N] FILE…`

use std::io::Write;
use std::ops::ControlFlow;

use dbopt_workload::{Input, ReadOptions, read_inputs};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = ReadOptions::default();
    let mut inputs = Vec::new();
    let mut top = 10;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--prefix" => options.prefix = arguments.next(),
            "--threads" => options.threads = arguments.next().and_then(|n| n.parse().ok()),
            "--top" => top = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(top),
            _ => inputs.push(Input::path(argument)),
        }
    }
    let workload = read_inputs(inputs, &options, &|_| ControlFlow::Continue(()))?;
    let classes: Vec<_> = workload
        .classes
        .iter()
        .take(top)
        .map(|class| {
            json!({
                "text": class.text, "calls": class.calls, "total_ms": class.total_ms(), "mean_ms": class.time.mean_ms(),
                "p95_ms": class.time.quantile_ms(0.95), "parse_ms": class.parse_ns as f64 / 1e6,
                "bind_ms": class.bind_ns as f64 / 1e6, "errors": class.errors, "plans": class.plan_count,
                "nested_calls": class.nested_calls, "untimed_calls": class.untimed_calls, "temp_bytes": class.temp_bytes,
                "fetches": class.fetches, "lock_waits": class.lock_waits,
                "users": class.users.sorted(), "databases": class.databases.sorted(),
                "sample": class.samples.first().and_then(|sample| sample.bound_sql()),
            })
        })
        .collect();
    let summary = json!({
        "calls": workload.calls(), "total_ms": workload.total_ms(), "classes": workload.classes.len(),
        "period": workload.period.map(|(from, to)| [from.to_string(), to.to_string()]),
        "events": format!("{:?}", workload.events),
        "evicted": workload.other.evicted,
        "errors": workload.errors.iter().take(top).map(|e| json!([e.severity, e.sqlstate, e.message, e.count])).collect::<Vec<_>>(),
        "coverage": workload.coverage.inputs.iter().map(|input| format!("{input:?}")).collect::<Vec<_>>(),
        "findings": workload.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "top": classes,
    });
    writeln!(std::io::stdout(), "{summary:#}")?;
    Ok(())
}
