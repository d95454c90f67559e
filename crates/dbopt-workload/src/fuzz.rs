//! Body of the fuzz target for everything that a workload is read from.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use crate::{Format, Input, InputKind, ReadOptions, Workload, read_inputs};

/// Body of the fuzz target: any bytes, taken for whatever they look like and for each form in turn, give a workload
/// whose counts add up, or an error.
///
/// # Panics
///
/// When a law is broken, which is a bug.
#[doc(hidden)]
pub fn fuzz_read(bytes: &[u8]) {
    let log = |format| (InputKind::Log, Some(format), None);
    for (kind, format, prefix) in [
        (InputKind::Auto, None, None),
        (InputKind::Log, Some(Format::Stderr), Some("%m [%p] %q%u@%d ".to_owned())),
        log(Format::Csv),
        log(Format::Json),
        (InputKind::PgStatStatements, None, None),
        (InputKind::Sql, None, None),
    ] {
        let input = Input::bytes("fuzz", bytes).kind(kind);
        let options =
            ReadOptions { prefix, format, memory_cap: 64 << 10, threads: NonZeroUsize::new(1), ..Default::default() };
        match read_inputs(vec![input], &options, &|_| ControlFlow::Continue(())) {
            Ok(workload) => check(&workload),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn check(workload: &Workload) {
    for input in &workload.coverage.inputs {
        assert!(input.recognised <= input.records && input.with_duration <= input.records, "{input:?}");
        assert!(input.recognised == input.records || !input.skipped.is_empty(), "left out without a reason: {input:?}");
    }
    assert!(workload.total_ms().is_finite() && workload.total_ms() >= 0.0);
    assert!(workload.calls() >= workload.classes.iter().map(|class| class.calls).max().unwrap_or(0));
    assert!(
        workload.classes.is_sorted_by(|a, b| a.total_ms() >= b.total_ms() * (1.0 - 1e-9)),
        "the heaviest class comes first"
    );
    for class in &workload.classes {
        assert!(
            workload.class(class.fingerprint).is_some_and(|found| found.text == class.text),
            "one class, one print"
        );
    }
    if let Some((first, last)) = workload.period {
        assert!(first <= last);
    }
}
