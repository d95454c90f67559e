//! What the shop's services ask of the database, as data: a seed and a size give the same calls on every run.

use super::rng::Rng;
use super::size::{Draw, Sizes};

mod reports;
mod web;
mod worker;

/// A program that talks to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    /// The shop's pages, through an object-relational mapper: extended protocol, unnamed statements.
    Web,
    /// Queues and webhooks: extended protocol, statements prepared once for each session.
    Worker,
    /// Nightly figures and people's questions: simple protocol, values written into the text.
    Reports,
}

impl Service {
    pub(crate) const ALL: [Self; 3] = [Self::Web, Self::Worker, Self::Reports];

    /// Role, application name, and how many sessions it keeps.
    pub(crate) fn session(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::Web => ("shop_app", "shop-web", 2),
            Self::Worker => ("shop_app", "shop-worker", 1),
            Self::Reports => ("shop_report", "shop-reports", 1),
        }
    }
}

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Simple,
    Unnamed,
    Prepared,
}

/// One statement with its parameters, in the text form that the server reads.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<String>,
    pub(crate) protocol: Protocol,
}

impl Statement {
    /// Values written into the text.
    pub(crate) fn simple(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new(), protocol: Protocol::Simple }
    }

    /// Parsed anew each time.
    pub(crate) fn unnamed(sql: impl Into<String>, params: &[&dyn ToString]) -> Self {
        let params = params.iter().map(|param| param.to_string()).collect();
        Self { sql: sql.into(), params, protocol: Protocol::Unnamed }
    }

    /// Parsed once for each session.
    pub(crate) fn prepared(sql: impl Into<String>, params: &[&dyn ToString]) -> Self {
        Self { protocol: Protocol::Prepared, ..Self::unnamed(sql, params) }
    }

    /// The statement with its parameters written into the text, for a file of statements.
    pub(crate) fn with_literals(&self) -> String {
        let mut text = self.sql.clone();
        // From the last one, so that $1 is not found in $10.
        for (at, param) in self.params.iter().enumerate().rev() {
            let literal = match param.parse::<i64>() {
                Ok(_) => param.clone(),
                Err(_) => format!("'{}'", param.replace('\'', "''")),
            };
            text = text.replace(&format!("${}", at + 1), &literal);
        }
        text
    }
}

/// A kind of call.
pub(crate) struct Class {
    /// What it does for its service; unique.
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    /// Its share of the calls, relative to the other classes.
    pub(crate) weight: u32,
    /// The statements of one call, in order; several of them are a page with its N+1 queries, or a transaction.
    pub(crate) make: fn(&mut Draw) -> Vec<Statement>,
}

/// One call of a class.
pub(crate) struct Call {
    pub(crate) class: &'static Class,
    pub(crate) statements: Vec<Statement>,
}

/// All classes.
pub(crate) fn classes() -> impl Iterator<Item = &'static Class> {
    [web::CLASSES, worker::CLASSES, reports::CLASSES].into_iter().flatten()
}

/// About `count` calls in a random order. Each class has exactly its share, and one call at least.
pub(crate) fn calls(seed: u64, sizes: Sizes, count: u32) -> Vec<Call> {
    let total: u32 = classes().map(|class| class.weight).sum();
    let share = |class: &Class| (u64::from(count) * u64::from(class.weight)).div_ceil(u64::from(total));
    let mut order: Vec<&Class> = classes().flat_map(|class| (0..share(class)).map(move |_| class)).collect();
    let mut draw = Draw { rng: Rng::new(seed), sizes };
    draw.rng.shuffle(&mut order);
    order.into_iter().map(|class| Call { class, statements: (class.make)(&mut draw) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_calls_and_every_class_occurs() {
        let texts = |seed| -> Vec<String> {
            let calls = calls(seed, Sizes::at(1), 500);
            calls.iter().flat_map(|call| &call.statements).map(Statement::with_literals).collect()
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
        let calls = calls(1, Sizes::at(1), 10);
        assert!(classes().all(|class| calls.iter().any(|call| call.class.name == class.name)));
    }

    #[test]
    fn parameters_are_written_into_the_text_by_number() {
        let params: Vec<String> = (1..=11).map(|n| if n == 11 { "o'k".to_owned() } else { n.to_string() }).collect();
        let params: Vec<&dyn ToString> = params.iter().map(|param| param as &dyn ToString).collect();
        assert_eq!(Statement::unnamed("$1, $10, $11", &params).with_literals(), "1, 10, 'o''k'");
    }
}
