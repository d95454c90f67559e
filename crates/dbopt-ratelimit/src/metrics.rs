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

    fn of_rules(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&RuleMetrics) -> u64,
    ) -> fmt::Result {
        head(f, &format!("rule_{name}"), help)?;
        for rule in &self.rules {
            // A rule's name has no character that would have to be escaped.
            writeln!(f, "{PREFIX}rule_{name}_total{{rule=\"{}\"}} {}", rule.rule, value(rule))?;
        }
        Ok(())
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
        self.of_rules(f, "asked", "Requests that a rule counted or refused.", |rule| rule.asked)?;
        self.of_rules(f, "refused", "Requests that a rule refused.", |rule| rule.refused)?;
        let help = "Requests that a rule in shadow mode would have refused.";
        self.of_rules(f, "shadow_refused", help, |rule| rule.shadow_refused)?;
        self.of_rules(f, "blocks", "Blocks that a rule began.", |rule| rule.blocks)?;
        let help = "Requests that were decided while the store did not answer.";
        self.of_rules(f, "without_store", help, |rule| rule.without_store)
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
