//! Policies: whatever the bytes are, there is a policy or a bounded number of findings.
#![no_main]

use dbopt_policy::{Bytes, Kind, Policy, Rate, SecretRef, Table, TableSelector, Window};

/// A kind with a key of every sort.
struct Sample;

impl Policy for Sample {
    const KIND: &'static str = "run";
    const ABOUT: &'static str = "A sample.";

    fn read(table: &Table<'_>) -> Option<Self> {
        table.optional::<SecretRef>("key", "A secret.");
        table.optional::<Vec<TableSelector>>("tables", "Tables.");
        table.choice("mode", "A name.", &[("careful", ()), ("fast", ())]);
        table.sections("window", "Windows.", Window::read);
        table.section("locks", "Durations and numbers.", |table| {
            table.optional::<std::time::Duration>("timeout", "A duration.");
            table.optional::<u32>("tries", "A number.");
            table.optional::<f64>("share", "A number with a fraction.");
            table.optional::<Bytes>("wal", "A size.");
        });
        table.named("class", "Rates.", |_, table| table.required::<Rate>("rate", "A rate."));
        Some(Self)
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let checked = dbopt_policy::check_text(data, "policy.toml", &[Kind::of::<Sample>()]);
    assert!(checked.findings.len() <= 1_001);
    for finding in checked.findings {
        assert!(finding.place.is_none_or(|place| place.position.is_none_or(|at| at.line > 0 && at.column > 0)));
    }
});
