//! Counters, to be read or scraped.

use std::{
    fmt::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The counters of a limiter.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) checks: Counter,
    pub(crate) admitted: Counter,
    pub(crate) store_errors: Counter,
    pub(crate) suspicions: Counter,
    /// Refused by the list of who is refused by all rules.
    pub(crate) denied: Counter,
}

/// The counters of a rule. They survive the replacement of the rules.
#[derive(Debug, Default)]
pub(crate) struct RuleCounters {
    pub(crate) asked: Counter,
    pub(crate) refused: Counter,
    pub(crate) shadow_refused: Counter,
    pub(crate) blocks: Counter,
    /// Requests decided without the store, because it did not answer.
    pub(crate) without_store: Counter,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What a limiter has counted since it began. [`fmt::Display`] writes it in the text format of Prometheus
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Requests that were checked.
    pub checks: u64,
    /// Those that were admitted.
    pub admitted: u64,
    /// Those that were refused by the list of who is refused by all rules.
    pub denied: u64,
    /// Answers that the store owed.
    pub store_errors: u64,
    /// Suspicious activity that was told of.
    pub suspicions: u64,
    /// The rules of now.
    pub rules: Vec<RuleMetrics>,
}

/// What a rule has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleMetrics {
    /// The rule.
    pub rule: Arc<str>,
    /// Requests that it counted or refused.
    pub asked: u64,
    /// Those that it refused.
    pub refused: u64,
    /// Those that it would have refused, had it not been in shadow mode.
    pub shadow_refused: u64,
    /// Blocks that it began.
    pub blocks: u64,
    /// Those that were decided without the store, because it did not answer.
    pub without_store: u64,
}

impl Metrics {
    /// Those that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.checks.saturating_sub(self.admitted)
    }
}

impl RuleMetrics {
    pub(crate) fn of(rule: &Arc<str>, counters: &RuleCounters) -> Self {
        Self {
            rule: rule.clone(),
            asked: counters.asked.get(),
            refused: counters.refused.get(),
            shadow_refused: counters.shadow_refused.get(),
            blocks: counters.blocks.get(),
            without_store: counters.without_store.get(),
        }
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, help, value) in [
            ("checks", "Requests that were checked.", self.checks),
            ("admitted", "Requests that were admitted.", self.admitted),
            ("denied", "Requests refused by the list for all rules.", self.denied),
            ("store_errors", "Answers that the store owed.", self.store_errors),
            ("suspicions", "Suspicious activity that was told of.", self.suspicions),
        ] {
            head(f, name, help)?;
            writeln!(f, "{PREFIX}{name}_total {value}")?;
        }
        let of_rule: [(&str, &str, fn(&RuleMetrics) -> u64); 5] = [
            ("rule_asked", "Requests that a rule counted or refused.", |rule| rule.asked),
            ("rule_refused", "Requests that a rule refused.", |rule| rule.refused),
            ("rule_shadow_refused", "Requests that a rule in shadow mode would have refused.", |rule| {
                rule.shadow_refused
            }),
            ("rule_blocks", "Blocks that a rule began.", |rule| rule.blocks),
            ("rule_without_store", "Requests decided while the store did not answer.", |rule| rule.without_store),
        ];
        for (name, help, value) in of_rule {
            head(f, name, help)?;
            for rule in &self.rules {
                // A rule's name has no character that would have to be escaped.
                writeln!(f, "{PREFIX}{name}_total{{rule=\"{}\"}} {}", rule.rule, value(rule))?;
            }
        }
        Ok(())
    }
}

const PREFIX: &str = "dbopt_ratelimit_";

fn head(f: &mut impl Write, name: &str, help: &str) -> fmt::Result {
    write!(f, "# HELP {PREFIX}{name}_total {help}\n# TYPE {PREFIX}{name}_total counter\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_can_read_it() {
        let counters = RuleCounters::default();
        counters.asked.add();
        counters.refused.add();
        let metrics = Metrics {
            checks: 3,
            admitted: 2,
            denied: 0,
            store_errors: 0,
            suspicions: 0,
            rules: vec![RuleMetrics::of(&"ml".into(), &counters)],
        };
        let text = metrics.to_string();
        assert_eq!(metrics.refused(), 1);
        assert!(text.starts_with("# HELP dbopt_ratelimit_checks_total Requests that were checked.\n# TYPE dbopt_ratelimit_checks_total counter\ndbopt_ratelimit_checks_total 3\n"), "{text}");
        assert!(text.contains("\ndbopt_ratelimit_rule_refused_total{rule=\"ml\"} 1\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.split(' ').count() == 2), "{text}");
    }
}
