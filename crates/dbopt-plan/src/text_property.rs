//! The property lines of the text format, taken apart into the keys of the JSON format.

use crate::property::Value;
use crate::tree::kind::NodeKind;
use crate::tree::plan::{Jit, Trigger};

/// The longest value that is put together from several lines.
pub(crate) const MAX_CONTINUED: usize = 1 << 20;

/// A property line.
pub(crate) enum Line {
    /// Known keys.
    Properties(Vec<(&'static str, Value)>),
    /// One property under its printed key.
    Text(String, Value),
    /// A property whose quotes are not closed yet.
    Open(Unclosed),
    /// Not a property.
    Unknown,
}

/// Reads a property line of a node of this kind.
pub(crate) fn parse(line: &str, kind: &NodeKind) -> Line {
    if let Some(rest) = line.strip_prefix("actual ") {
        return Line::Properties(actual(rest));
    }
    // `Delete on part_1`: a further target of a ModifyTable.
    if *kind == NodeKind::ModifyTable
        && let Some((operation, target)) = line.split_once(" on ")
        && matches!(operation, "Insert" | "Update" | "Delete" | "Merge" | "Foreign Update" | "Foreign Delete")
    {
        return Line::Text("Target Table".into(), Value::text(target));
    }
    let Some((key, rest)) = line.split_once(':') else { return Line::Unknown };
    if key.is_empty() || key.len() > 64 || !key.starts_with(|first: char| first.is_alphabetic()) {
        return Line::Unknown;
    }
    let value = rest.trim();
    let pairs = || pairs(line);
    match key {
        "Buffers" => Line::Properties(buffers(value)),
        "I/O Timings" => Line::Properties(io_times(value)),
        "WAL" => Line::Properties(wal(value)),
        "Memory" => Line::Properties(memory(value)),
        "Heap Blocks" => Line::Properties(
            words(value)
                .filter_map(|(key, count)| match key {
                    "exact" => Some(("Exact Heap Blocks", Value::text(count))),
                    "lossy" => Some(("Lossy Heap Blocks", Value::text(count))),
                    _ => None,
                })
                .collect(),
        ),
        "Sort Method" => Line::Properties(sort(value)),
        "Full-sort Groups" => Line::Properties(vec![("Full-sort Groups", sort_groups(line))]),
        "Pre-sorted Groups" => Line::Properties(vec![("Pre-sorted Groups", sort_groups(line))]),
        "Buckets" | "Batches" | "Planned Partitions" | "Memory Usage" | "Disk Usage" => {
            Line::Properties(hash(pairs(), kind))
        }
        "Hits" => Line::Properties(cache(pairs())),
        "Storage" => Line::Properties(
            pairs()
                .filter_map(|(key, value)| match key {
                    "Storage" => Some(("Storage", Value::text(value))),
                    "Maximum Storage" => Some(("Maximum Storage", Value::text(kilobytes(value)))),
                    _ => None,
                })
                .collect(),
        ),
        "Sampling" => Line::Properties(sampling(value)),
        _ => {
            let unclosed = Unclosed::new(key, value);
            if unclosed.is_open() { Line::Open(unclosed) } else { Line::Text(unclosed.key, whole(key, value)) }
        }
    }
}

/// A value that ends in its line.
fn whole(key: &str, text: &str) -> Value {
    match key {
        "Output" | "Sort Key" | "Presorted Key" | "Conflict Arbiter Indexes" | "Group Key" | "Hash Key" => {
            Value::List(list(text))
        }
        _ => Value::text(text),
    }
}

/// Whether the line heads a sub-plan.
pub(crate) fn is_heading(line: &str) -> bool {
    let numbered = |rest: &str| rest.starts_with(|first: char| first.is_ascii_alphanumeric()) && !rest.contains(": ");
    line.strip_prefix("InitPlan ").or_else(|| line.strip_prefix("SubPlan ")).is_some_and(numbered)
        || line.strip_prefix("CTE ").is_some_and(|name| !name.is_empty() && !name.starts_with("Name:"))
}

/// `Worker 1:  ...`.
pub(crate) fn worker(line: &str) -> Option<(u32, &str)> {
    let (number, rest) = line.strip_prefix("Worker ")?.split_once(':')?;
    Some((number.parse().ok()?, rest.trim_start()))
}

/// A value that goes on in the next line because its quotes are open.
///
/// It is looked through once, however many lines it has: what was open at its end is kept.
pub(crate) struct Unclosed {
    pub(crate) key: String,
    pub(crate) text: String,
    quote: Option<u8>,
    depth: i64,
}

impl Unclosed {
    fn new(key: &str, text: &str) -> Self {
        let mut unclosed = Self { key: key.to_owned(), text: String::new(), quote: None, depth: 0 };
        unclosed.push(text);
        unclosed
    }

    /// Adds a part of the value.
    pub(crate) fn push(&mut self, part: &str) {
        for byte in part.bytes() {
            match (self.quote, byte) {
                (None, b'\'' | b'"') => self.quote = Some(byte),
                (Some(open), _) if open == byte => self.quote = None,
                (None, b'(') => self.depth += 1,
                (None, b')') => self.depth -= 1,
                _ => {}
            }
        }
        self.text.push_str(part);
    }

    /// Whether the value goes on in the next line.
    pub(crate) fn is_open(&self) -> bool {
        // A bracket alone is rather a truncated line than a continued one; a string literal is what holds line breaks.
        self.quote == Some(b'\'') && self.depth >= 0
    }
}

/// Splits at top-level commas.
fn list(text: &str) -> Vec<Value> {
    if text == "()" {
        return Vec::new();
    }
    let mut items = Vec::new();
    let mut quote = None;
    let mut depth = 0i64;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'(' | b'[') => depth += 1,
            (None, b')' | b']') => depth -= 1,
            (None, b',') if depth <= 0 => {
                items.push(Value::text(text[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(Value::text(text[start..].trim()));
    items
}

/// `system ('10'::real) REPEATABLE (1)`.
fn sampling(text: &str) -> Vec<(&'static str, Value)> {
    let (text, seed) = text.split_once(" REPEATABLE ").map_or((text, None), |(text, seed)| (text, Some(seed)));
    let inner = |text: &str| text.trim().trim_start_matches('(').trim_end_matches(')').to_owned();
    let (method, parameters) = text.split_once(' ').unwrap_or((text, ""));
    let mut out =
        vec![("Sampling Method", Value::text(method)), ("Sampling Parameters", Value::text(inner(parameters)))];
    out.extend(seed.map(|seed| ("Repeatable Seed", Value::Scalar(inner(seed)))));
    out
}

/// `Key: value  Key: value`, separated by two spaces.
fn pairs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split("  ").filter_map(|pair| pair.split_once(':')).map(|(key, value)| (key.trim(), value.trim()))
}

/// `key=value key=value`.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split([' ', ',']).filter_map(|word| word.split_once('='))
}

fn kilobytes(text: &str) -> &str {
    text.trim_end_matches("kB").trim_end()
}

fn actual(text: &str) -> Vec<(&'static str, Value)> {
    let mut out = Vec::new();
    for (key, value) in words(text) {
        match key {
            "time" => {
                if let Some((first, last)) = value.split_once("..") {
                    out.push(("Actual Startup Time", Value::text(first)));
                    out.push(("Actual Total Time", Value::text(last)));
                }
            }
            "rows" => out.push(("Actual Rows", Value::text(value))),
            "loops" => out.push(("Actual Loops", Value::text(value))),
            _ => {}
        }
    }
    out
}

/// `shared hit=1 read=2, temp read=3 written=4`.
fn buffers(text: &str) -> Vec<(&'static str, Value)> {
    let mut out = Vec::new();
    for group in text.split(',') {
        let group = group.trim();
        let kind = group.split(' ').next().unwrap_or("");
        for (what, count) in words(group) {
            let key = match (kind, what) {
                ("shared", "hit") => "Shared Hit Blocks",
                ("shared", "read") => "Shared Read Blocks",
                ("shared", "dirtied") => "Shared Dirtied Blocks",
                ("shared", "written") => "Shared Written Blocks",
                ("local", "hit") => "Local Hit Blocks",
                ("local", "read") => "Local Read Blocks",
                ("local", "dirtied") => "Local Dirtied Blocks",
                ("local", "written") => "Local Written Blocks",
                ("temp", "read") => "Temp Read Blocks",
                ("temp", "written") => "Temp Written Blocks",
                _ => continue,
            };
            out.push((key, Value::text(count)));
        }
    }
    out
}

/// `shared read=0.1 write=0.2, temp read=0.3`; before PostgreSQL 15 without the kind.
fn io_times(text: &str) -> Vec<(&'static str, Value)> {
    let mut out = Vec::new();
    for group in text.split(',') {
        let group = group.trim();
        let kind = group.split(' ').next().unwrap_or("");
        for (what, time) in words(group) {
            let key = match (kind, what) {
                ("temp", "read") => "Temp I/O Read Time",
                ("temp", "write") => "Temp I/O Write Time",
                ("local", "read") => "Local I/O Read Time",
                ("local", "write") => "Local I/O Write Time",
                (_, "read") => "Shared I/O Read Time",
                (_, "write") => "Shared I/O Write Time",
                _ => continue,
            };
            out.push((key, Value::text(time)));
        }
    }
    out
}

fn wal(text: &str) -> Vec<(&'static str, Value)> {
    // `buffers full=3` is the only key of two words.
    words(&text.replace("buffers full", "full"))
        .filter_map(|(key, count)| {
            let key = match key {
                "records" => "WAL Records",
                "fpi" => "WAL FPI",
                "bytes" => "WAL Bytes",
                "full" => "WAL Buffers Full",
                _ => return None,
            };
            Some((key, Value::text(count)))
        })
        .collect()
}

/// The planner's `Memory: used=11kB  allocated=16kB`.
fn memory(text: &str) -> Vec<(&'static str, Value)> {
    words(text)
        .filter_map(|(key, size)| {
            let key = match key {
                "used" => "Memory Used",
                "allocated" => "Memory Allocated",
                _ => return None,
            };
            Some((key, Value::text(kilobytes(size))))
        })
        .collect()
}

/// `external merge  Disk: 1024kB`.
fn sort(value: &str) -> Vec<(&'static str, Value)> {
    let (method, space) = value.split_once("  ").unwrap_or((value, ""));
    let mut out = vec![("Sort Method", Value::text(method.trim()))];
    if let Some((kind, size)) = space.split_once(':') {
        out.push(("Sort Space Type", Value::text(kind.trim())));
        out.push(("Sort Space Used", Value::text(kilobytes(size.trim()))));
    }
    out
}

/// `Full-sort Groups: 2  Sort Methods: quicksort, external merge  Average Memory: 26kB  Peak Memory: 26kB`.
fn sort_groups(line: &str) -> Value {
    let mut entries = Vec::new();
    let mut average = None;
    for (key, value) in pairs(line) {
        match key {
            "Full-sort Groups" | "Pre-sorted Groups" => entries.push(("Group Count".to_owned(), Value::text(value))),
            "Sort Method" | "Sort Methods" => entries.push(("Sort Methods Used".to_owned(), Value::List(list(value)))),
            "Average Memory" | "Average Disk" => average = Some(kilobytes(value).to_owned()),
            "Peak Memory" | "Peak Disk" => {
                let name = if key == "Peak Disk" { "Sort Space Disk" } else { "Sort Space Memory" };
                let space = vec![
                    ("Average Sort Space Used".to_owned(), Value::text(average.take().unwrap_or_default())),
                    ("Peak Sort Space Used".to_owned(), Value::text(kilobytes(value))),
                ];
                entries.push((name.to_owned(), Value::Map(space)));
            }
            _ => {}
        }
    }
    Value::Map(entries)
}

/// `Buckets: 65536 (originally 1024)  Batches: 4 (originally 1)  Memory Usage: 3585kB`, and that of an aggregate.
fn hash<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, kind: &NodeKind) -> Vec<(&'static str, Value)> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        let (now, before) = value
            .split_once(" (originally ")
            .map_or((value, None), |(now, before)| (now, Some(before.trim_end_matches(')'))));
        let (key, original) = match key {
            "Buckets" => ("Hash Buckets", "Original Hash Buckets"),
            "Batches" if *kind == NodeKind::Aggregate => ("HashAgg Batches", ""),
            "Batches" => ("Hash Batches", "Original Hash Batches"),
            "Planned Partitions" => ("Planned Partitions", ""),
            "Memory Usage" => ("Peak Memory Usage", ""),
            "Disk Usage" => ("Disk Usage", ""),
            _ => continue,
        };
        out.push((key, Value::text(kilobytes(now))));
        if let Some(before) = before.filter(|_| !original.is_empty()) {
            out.push((original, Value::text(before)));
        }
    }
    out
}

fn cache<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'static str, Value)> {
    pairs
        .filter_map(|(key, value)| {
            let key = match key {
                "Hits" => "Cache Hits",
                "Misses" => "Cache Misses",
                "Evictions" => "Cache Evictions",
                "Overflows" => "Cache Overflows",
                "Memory Usage" => "Peak Memory Usage",
                _ => return None,
            };
            Some((key, Value::text(kilobytes(value))))
        })
        .collect()
}

/// `work_mem = '64kB', jit = 'off'`; quotes are doubled.
pub(crate) fn settings(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for item in list(text) {
        if let Value::Scalar(item) = item
            && let Some((name, value)) = item.split_once(" = ")
        {
            let value = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')).unwrap_or(value);
            out.push((name.to_owned(), value.replace("''", "'")));
        }
    }
    out
}

/// `name for constraint c on t: time=0.7 calls=4`, each part of it optional, without the leading `Trigger`. A
/// constraint's trigger has no name without VERBOSE: `for constraint c: ...`.
pub(crate) fn trigger(text: &str) -> Option<Trigger> {
    let (name, numbers) = text.rsplit_once(": ")?;
    let mut trigger = Trigger::default();
    for (key, value) in words(numbers) {
        match key {
            "time" => trigger.time_ms = value.parse().ok().filter(|time: &f64| time.is_finite() && *time >= 0.0),
            // PostgreSQL 18 may print decimals.
            "calls" => trigger.calls = value.split('.').next()?.parse().ok()?,
            _ => {}
        }
    }
    let (name, relation) = name.rsplit_once(" on ").map_or((name, None), |(name, table)| (name, Some(table)));
    let (name, constraint) = match name.split_once("for constraint ") {
        Some((name, constraint)) => (name.trim_end(), Some(constraint)),
        None => (name, None),
    };
    trigger.relation = relation.map(str::to_owned);
    trigger.constraint = constraint.map(str::to_owned);
    trigger.name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Some(trigger)
}

/// A line of the JIT part; false when it is not understood.
pub(crate) fn jit_line(jit: &mut Jit, line: &str) -> bool {
    let Some((key, value)) = line.split_once(':') else { return false };
    let value = value.trim();
    match key {
        "Functions" => jit.functions = value.parse().unwrap_or(0),
        "Options" => {
            jit.options = value
                .split(", ")
                .filter_map(|option| option.rsplit_once(' '))
                .map(|(name, on)| (name.to_owned(), on == "true"))
                .collect();
        }
        "Timing" => {
            // PostgreSQL 17+ puts a part of the generation into brackets: `Generation 0.4 ms (Deform 0.1 ms), ...`.
            for part in value.split(", ") {
                let mut words = part.split(' ');
                let (Some(name), Some(time)) = (words.next(), words.next()) else { continue };
                let time = time.parse().ok().filter(|time: &f64| time.is_finite());
                match name {
                    "Generation" => jit.generation_ms = time,
                    "Inlining" => jit.inlining_ms = time,
                    "Optimization" => jit.optimization_ms = time,
                    "Emission" => jit.emission_ms = time,
                    "Total" => jit.total_ms = time,
                    _ => {}
                }
            }
        }
        _ => return false,
    }
    true
}
