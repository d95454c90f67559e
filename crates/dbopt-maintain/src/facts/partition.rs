//! One partition and its bounds.
//!
//! Retention by partitions goes by real bounds alone; a name or a supposed interval has cost others unexpired rows. Bounds
//! are what `pg_get_expr(relpartbound)` prints, with ISO dates and in UTC.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::object::TableRef;

/// A partition of a partitioned table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionFacts {
    /// The partition.
    pub table: TableRef,
    /// The partitioned table it is of.
    pub parent: TableRef,
    /// The columns by which that is partitioned; none for an expression.
    pub key: Vec<Option<String>>,
    /// The types of those columns, as `format_type` prints them.
    pub key_types: Vec<Option<String>>,
    /// Which rows it takes.
    pub bound: Bound,
    /// Whether a `DETACH CONCURRENTLY` was begun and not finished.
    pub detach_pending: bool,
    /// Whether it is itself partitioned.
    pub is_partitioned: bool,
}

/// Which rows a partition takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Bound {
    /// Those that no other takes.
    #[default]
    Default,
    /// From these limits, to below those; one of each for each key.
    Range {
        /// The lower limits, inclusive.
        from: Vec<Limit>,
        /// The upper limits, exclusive.
        to: Vec<Limit>,
    },
    /// Listed values; null as none.
    List(Vec<Option<String>>),
    /// Those whose hash leaves this remainder.
    Hash {
        /// The divisor.
        modulus: u32,
        /// The remainder.
        remainder: u32,
    },
    /// Something that this version cannot read, as the server printed it.
    Unreadable(String),
}

/// One limit of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `MINVALUE`
    Min,
    /// A value, as the server prints it.
    Value(String),
    /// `MAXVALUE`
    Max,
}

/// A point of time as a bound names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Of `timestamp with time zone`: microseconds since 1970-01-01 UTC.
    Instant(i64),
    /// Of `date` and `timestamp`: microseconds since 1970-01-01 on the clock that the application's rows go by, which the
    /// database does not know.
    Civil(i64),
}

impl PartitionFacts {
    /// The time that all its rows are before, if it is partitioned by one column of a type of times and its upper limit is a
    /// value. `DEFAULT`, `MAXVALUE`, infinity and what cannot be read give none.
    #[must_use]
    pub fn upper_moment(&self) -> Option<Moment> {
        let Bound::Range { to, .. } = &self.bound else { return None };
        let ([Limit::Value(value)], [Some(kind)]) = (to.as_slice(), self.key_types.as_slice()) else { return None };
        match kind.as_str() {
            "timestamp with time zone" => {
                let moment: jiff::Timestamp = value.parse().ok()?;
                Some(Moment::Instant(moment.as_microsecond()))
            }
            "timestamp without time zone" => Some(Moment::Civil(as_if_utc(value.parse().ok()?)?)),
            "date" => {
                Some(Moment::Civil(as_if_utc(value.parse::<civil::Date>().ok()?.to_datetime(civil::Time::midnight()))?))
            }
            _ => None,
        }
    }
}

fn as_if_utc(time: civil::DateTime) -> Option<i64> {
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

impl Bound {
    /// Reads what the server prints.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "DEFAULT" {
            return Self::Default;
        }
        read(text).unwrap_or_else(|| Self::Unreadable(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Bound> {
    let rest = text.strip_prefix("FOR VALUES ")?;
    if let Some(rest) = rest.strip_prefix("FROM ") {
        let (from, rest) = list(rest)?;
        let (to, rest) = list(rest.strip_prefix(" TO ")?)?;
        let limits = |items: Vec<Item>| items.into_iter().map(Item::limit).collect::<Option<Vec<_>>>();
        return if rest.is_empty() { Some(Bound::Range { from: limits(from)?, to: limits(to)? }) } else { None };
    }
    if let Some(rest) = rest.strip_prefix("IN ") {
        let (items, rest) = list(rest)?;
        let value = |item: Item| match item {
            Item::Quoted(value) => Some(Some(value)),
            Item::Bare(word) if word == "NULL" => Some(None),
            Item::Bare(word) => Some(Some(word)),
        };
        let values: Vec<Option<String>> = items.into_iter().map(value).collect::<Option<_>>()?;
        return rest.is_empty().then_some(Bound::List(values));
    }
    let (modulus, remainder) = rest.strip_prefix("WITH (modulus ")?.strip_suffix(')')?.split_once(", remainder ")?;
    Some(Bound::Hash { modulus: modulus.parse().ok()?, remainder: remainder.parse().ok()? })
}

/// A value of a list, in quotes or not.
enum Item {
    Quoted(String),
    Bare(String),
}

impl Item {
    fn limit(self) -> Option<Limit> {
        Some(match self {
            Self::Quoted(value) => Limit::Value(value),
            Self::Bare(word) if word == "MINVALUE" => Limit::Min,
            Self::Bare(word) if word == "MAXVALUE" => Limit::Max,
            Self::Bare(word) if word == "NULL" => return None,
            Self::Bare(word) => Limit::Value(word),
        })
    }
}

/// Reads `(value, …)`; the rest of the text is returned.
fn list(text: &str) -> Option<(Vec<Item>, &str)> {
    let mut rest = text.strip_prefix('(')?;
    let mut items = Vec::new();
    loop {
        let (item, after) = item(rest)?;
        items.push(item);
        if let Some(after) = after.strip_prefix(')') {
            return Some((items, after));
        }
        rest = after.strip_prefix(", ")?;
    }
}

/// Reads one value. A text with backslashes is printed as `E'…'` with each of them doubled.
fn item(text: &str) -> Option<(Item, &str)> {
    let (is_escaped, quoted) = match text.strip_prefix("E'") {
        Some(rest) => (true, Some(rest)),
        None => (false, text.strip_prefix('\'')),
    };
    let Some(body) = quoted else {
        let end = text.find([',', ')'])?;
        let word = &text[..end];
        let is_plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
        return is_plain.then(|| (Item::Bare(word.to_owned()), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if body[at + 1..].starts_with('\'') => {
                characters.next();
                value.push('\'');
            }
            '\'' => return Some((Item::Quoted(value), &body[at + 1..])),
            '\\' if is_escaped => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Limit {
        Limit::Value(text.to_owned())
    }

    #[test]
    fn bounds_are_read() {
        let range = |from, to| Bound::Range { from, to };
        let cases = [
            ("DEFAULT", Bound::Default),
            ("FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)", range(vec![value("2024-01-01")], vec![Limit::Max])),
            (
                "FOR VALUES FROM (MINVALUE, 1) TO ('it''s, (1)', -5)",
                range(vec![Limit::Min, value("1")], vec![value("it's, (1)"), value("-5")]),
            ),
            (
                r"FOR VALUES IN (E'a\\b', NULL, true)",
                Bound::List(vec![Some(r"a\b".to_owned()), None, Some("true".to_owned())]),
            ),
            ("FOR VALUES WITH (modulus 4, remainder 3)", Bound::Hash { modulus: 4, remainder: 3 }),
        ];
        for (text, expected) in cases {
            assert_eq!(Bound::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept_as_it_is() {
        for text in [
            "",
            "FOR VALUES ",
            "FOR VALUES FROM ('2024-01-01) TO ('2024-02-01')",
            "FOR VALUES FROM ('a') TO ('b') AND MORE",
            "FOR VALUES FROM (now()) TO ('b')",
            "FOR VALUES FROM (NULL) TO ('b')",
            "FOR VALUES IN ()",
            r"FOR VALUES IN (E'a\",
            "FOR VALUES WITH (modulus -1, remainder x)",
        ] {
            assert_eq!(Bound::parse(text), Bound::Unreadable(text.to_owned()));
        }
    }

    fn upper(kind: &str, value: &str) -> Option<Moment> {
        let partition = PartitionFacts {
            bound: Bound::parse(&format!("FOR VALUES FROM (MINVALUE) TO ({value})")),
            key: vec![Some("at".to_owned())],
            key_types: vec![Some(kind.to_owned())],
            ..PartitionFacts::default()
        };
        partition.upper_moment()
    }

    #[test]
    fn upper_limits_become_times() {
        const DAY: i64 = 86_400_000_000;
        assert_eq!(upper("date", "'1970-01-02'"), Some(Moment::Civil(DAY)));
        assert_eq!(
            upper("timestamp without time zone", "'1970-01-02 00:00:01.5'"),
            Some(Moment::Civil(DAY + 1_500_000))
        );
        assert_eq!(upper("timestamp with time zone", "'1970-01-02 00:00:00+00'"), Some(Moment::Instant(DAY)));
        for (kind, value) in [
            ("date", "MAXVALUE"),
            ("date", "'infinity'"),
            ("date", "'0044-03-15 BC'"),
            ("timestamp with time zone", "'294276-12-31 00:00:00+00'"),
            ("integer", "5"),
        ] {
            assert_eq!(upper(kind, value), None, "{kind} {value}");
        }
    }
}
