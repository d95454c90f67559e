//! Executions kept whole, and plans that the server logged.

use std::sync::Arc;

use crate::time::Timestamp;

/// Where something stands in the inputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePlace {
    /// The input's name as given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u64,
}

/// One execution as it was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The statement as the client sent it.
    pub text: String,
    /// The values of `$1`, `$2`… (`None` is NULL) of the extended protocol, when they were logged.
    pub parameters: Option<Vec<Option<String>>>,
    /// How long it took in nanoseconds, when known.
    pub duration_ns: Option<u64>,
    /// Where it stands.
    pub place: Option<SourcePlace>,
    /// When it ended.
    pub when: Option<Timestamp>,
    /// The database.
    pub database: Option<Arc<str>>,
    /// The user.
    pub user: Option<Arc<str>>,
    /// Whether text or parameters were cut, so that the statement cannot be run.
    pub truncated: bool,
    /// Orders samples: the smallest few of a class are kept.
    pub(crate) key: u64,
}

impl Sample {
    /// The longest statement or parameter list that is kept whole, in bytes.
    pub const LONGEST: usize = 32 * 1024;

    /// The duration in milliseconds, when known.
    #[must_use]
    pub fn duration_ms(&self) -> Option<f64> {
        self.duration_ns.map(|ns| ns as f64 / 1e6)
    }

    /// The statement with its parameters put in as literals. `None` when it cannot be run: it was cut, or it has
    /// parameters whose values were not logged.
    #[must_use]
    pub fn bound_sql(&self) -> Option<String> {
        if self.truncated {
            return None;
        }
        let empty = Vec::new();
        let parameters = self.parameters.as_ref().unwrap_or(&empty);
        let wanted = dbopt_sql::lex(self.text.as_bytes())
            .filter(|token| token.kind == dbopt_sql::TokenKind::Param)
            .filter_map(|token| self.text.get(token.start + 1..token.end)?.parse::<usize>().ok())
            .max()
            .unwrap_or(0);
        (wanted <= parameters.len()).then(|| dbopt_sql::bind_parameters(&self.text, parameters))
    }

    /// The order in which samples are preferred; total, so that a choice never depends on the order of reading.
    fn rank(&self) -> (u64, &str, &Option<Vec<Option<String>>>, Option<u64>) {
        (self.key, &self.text, &self.parameters, self.duration_ns)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let parameters = self.parameters.iter().flatten();
        self.text.capacity() + parameters.map(|value| 24 + value.as_ref().map_or(0, String::capacity)).sum::<usize>()
    }
}

/// Samples of one class that are kept: the `KEPT` with the smallest keys (bottom-k, so that merging does not change
/// the choice) and the slowest.
pub(crate) const KEPT: usize = 5;

/// Brings a list of samples down to those kept; ordered by rank.
pub(crate) fn choose(samples: &mut Vec<Sample>) {
    samples.sort_by(|a, b| a.rank().cmp(&b.rank()));
    samples.dedup_by(|a, b| a.rank() == b.rank());
    trim(samples);
}

/// Adds one to samples that [`choose`] has chosen, and chooses again.
pub(crate) fn add(samples: &mut Vec<Sample>, sample: Sample) {
    let at = samples.partition_point(|held| held.rank() < sample.rank());
    if samples.get(at).is_none_or(|held| held.rank() != sample.rank()) {
        samples.insert(at, sample);
        trim(samples);
    }
}

/// Keeps the first samples of a list ordered by rank, and the slowest one.
fn trim(samples: &mut Vec<Sample>) {
    if samples.len() <= KEPT {
        return;
    }
    let slowest = samples.iter().enumerate().max_by_key(|(at, sample)| (sample.duration_ns, std::cmp::Reverse(*at)));
    let slowest = slowest.map_or(0, |(at, _)| at);
    if slowest >= KEPT {
        samples.swap(KEPT, slowest);
        samples.truncate(KEPT + 1);
    } else {
        samples.truncate(KEPT);
    }
}

/// The form of a logged plan, which is `auto_explain.log_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanFormat {
    /// Text.
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// XML.
    Xml,
}

/// A plan logged by auto_explain, tied to the class of its statement.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedPlan {
    /// The plan as logged, from `Query Text` on.
    pub text: String,
    /// Its form.
    pub format: PlanFormat,
    /// The executor's time in nanoseconds.
    pub duration_ns: u64,
    /// Where it stands.
    pub place: Option<SourcePlace>,
    /// When it was logged.
    pub when: Option<Timestamp>,
    /// Whether the statement ran inside a function.
    pub nested: bool,
    /// Orders plans as [`Sample::key`] orders samples.
    pub(crate) key: u64,
}

impl LoggedPlan {
    /// The longest plan that is kept, in bytes; longer ones are counted and left out.
    pub const LONGEST: usize = 64 * 1024;

    /// The plan as a tree, or what is wrong with its text.
    ///
    /// # Errors
    ///
    /// The findings, when there is no plan in the text.
    pub fn parse(&self) -> Result<dbopt_plan::Plan, Vec<dbopt_finding::Finding>> {
        let name = self.place.as_ref().map_or("<log>", |place| &*place.file);
        let (plans, findings) = dbopt_plan::parse(name, &self.text);
        plans.into_iter().next().ok_or(findings)
    }

    fn rank(&self) -> (u64, &str, u64) {
        (self.key, &self.text, self.duration_ns)
    }
}

/// Brings a list of plans down to two: the slowest and one chosen by hash.
pub(crate) fn choose_plans(plans: &mut Vec<LoggedPlan>) {
    plans.sort_by(|a, b| a.rank().cmp(&b.rank()));
    plans.dedup_by(|a, b| a.rank() == b.rank());
    if plans.len() <= 1 {
        return;
    }
    let slowest = plans.iter().enumerate().max_by_key(|(at, plan)| (plan.duration_ns, std::cmp::Reverse(*at)));
    let slowest = slowest.map_or(0, |(at, _)| at);
    if slowest >= 1 {
        plans.swap(1, slowest);
        plans.truncate(2);
    } else {
        plans.truncate(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(key: u64, ms: u64) -> Sample {
        Sample {
            text: format!("select {key}"),
            parameters: None,
            duration_ns: Some(ms * 1_000_000),
            place: None,
            when: None,
            database: None,
            user: None,
            truncated: false,
            key,
        }
    }

    #[test]
    fn the_choice_is_the_same_whatever_the_order_of_merging() {
        let all: Vec<Sample> = (0..30).map(|n| sample((n * 7919) % 101, (n * 31) % 17)).collect();
        let mut at_once = all.clone();
        choose(&mut at_once);
        for cut in [1, 7, 15, 29] {
            let (mut head, mut tail) = (all[..cut].to_vec(), all[cut..].to_vec());
            choose(&mut head);
            choose(&mut tail);
            tail.extend(head);
            choose(&mut tail);
            assert_eq!(tail, at_once);
        }
        let mut one_by_one = Vec::new();
        all.iter().chain(&all[..3]).for_each(|sample| add(&mut one_by_one, sample.clone()));
        assert_eq!(one_by_one, at_once);
        assert!(at_once.len() <= KEPT + 1);
        assert!(at_once.iter().any(|sample| sample.duration_ns == Some(16_000_000)));
    }
}
