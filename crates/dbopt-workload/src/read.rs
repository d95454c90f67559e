//! Reading inputs into a workload.
//!
//! Blocks are read and parsed by several threads; the events are taken in by whichever thread holds the next block in
//! order. A thread that is ahead of its turn leaves its block behind and reads another one, up to a few.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use dbopt_finding::{Finding, Place};

use crate::builder::Builder;
use crate::error::Error;
use crate::input::{Blocks, Cut, Opened, open, size};
use crate::model::{Coverage, Format, InputCoverage, Workload};
use crate::options::{Data, Input, InputKind, Progress, ReadOptions};
use crate::record::clock::Clock;
use crate::record::event::{Event, KnownTexts, Parsed};
use crate::record::prefix::Prefix;
use crate::record::{Contexts, csv, json, stderr};
use crate::session::{Block, Sessions};
use crate::unwrapped::{self, Unwrapped};
use crate::wrapper::{Layers, Trace, Unwrapper};
use crate::{detect, pgss, sqlfile};

/// Why a record is left out: the caller asked for other databases or another time.
const UNWANTED: &str = "left out on request";

/// Reads inputs into one workload, in the order given: rotated logs of one server must stand in the order in which
/// they were written.
///
/// `progress` is called now and then with the bytes read; [`ControlFlow::Break`] stops reading, and what was read so
/// far is the result, marked as interrupted in its coverage.
///
/// # Errors
///
/// When no input can be used at all, or when the prefix given is not the one of a log. Inputs that cannot be used
/// while others can are reported in [`Workload::findings`] and in the coverage.
pub fn read_inputs(
    inputs: Vec<Input>,
    options: &ReadOptions,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
) -> Result<Workload, Error> {
    if inputs.is_empty() {
        return Err(Error::NoInput);
    }
    let total = inputs.iter().map(|input| size(&input.data)).sum::<Option<u64>>();
    let mut reading = Reading {
        options,
        progress,
        total,
        done: Arc::default(),
        stop: AtomicBool::new(false),
        engine: Engine { builder: Builder::new(options.memory_cap), sessions: Sessions::default() },
        prefix: None,
        findings: Vec::new(),
    };
    if let Some(prefix) = &options.prefix {
        detect::check_prefix(prefix)?;
    }
    let mut coverage = Coverage::default();
    let mut first_error = None;
    for input in inputs {
        let mut covered = InputCoverage::new(input.name.clone());
        match reading.input(input, &mut covered) {
            Ok(()) => {}
            Err(error @ Error::Prefix(_)) => return Err(error),
            Err(error) => {
                reading.findings.push(as_finding(&error, &covered.name));
                first_error = first_error.or(Some(error));
            }
        }
        covered.interrupted = reading.stop.load(Ordering::Relaxed);
        coverage.inputs.push(covered);
        if reading.stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let Reading { engine: Engine { mut builder, mut sessions }, mut findings, .. } = reading;
    sessions.end(&mut builder);
    if let Some(error) = first_error
        && coverage.recognised() == 0
    {
        return Err(error);
    }
    let shortest_ns = builder.shortest_ns;
    let mut workload = builder.finish();
    findings.extend(detect::remarks(&workload, &coverage, shortest_ns));
    workload.coverage = coverage;
    workload.findings = findings;
    Ok(workload)
}

fn as_finding(error: &Error, name: &str) -> Finding {
    match error {
        Error::Read { source, .. } => {
            Finding::error("input-unreadable", format!("cannot read: {source}")).at(Place::file(name))
        }
        error => match error.finding() {
            Some(finding) => finding.clone(),
            None => Finding::error("input-unreadable", error.to_string()).at(Place::file(name)),
        },
    }
}

struct Engine {
    builder: Builder,
    sessions: Sessions,
}

struct Reading<'a> {
    options: &'a ReadOptions,
    progress: &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync),
    total: Option<u64>,
    done: Arc<AtomicU64>,
    stop: AtomicBool,
    engine: Engine,
    /// Of the text log before.
    prefix: Option<Prefix>,
    findings: Vec<Finding>,
}

/// How the blocks of a log are parsed.
enum Parser {
    /// With its prefix, and whether continuation lines keep their TABs.
    Stderr(Prefix, bool),
    Csv,
    Json,
}

/// What a thread remembers from one block to the next. None of it changes what is read.
#[derive(Default)]
struct Memory {
    clock: Clock,
    contexts: Contexts,
    known: KnownTexts,
}

impl Parser {
    fn parse(&self, parsed: &mut Parsed, memory: &mut Memory) {
        let Memory { clock, contexts, known } = memory;
        std::mem::swap(&mut parsed.known, known);
        match self {
            Self::Stderr(prefix, keeps_tabs) => stderr::read(prefix, *keeps_tabs, parsed, clock, contexts),
            Self::Csv => csv::read(parsed, clock, contexts),
            Self::Json => json::read(parsed, clock, contexts),
        }
        std::mem::swap(&mut parsed.known, known);
    }
}

impl Reading<'_> {
    fn input(&mut self, input: Input, covered: &mut InputCoverage) -> Result<(), Error> {
        let Input { name, kind, data } = input;
        let kind = match (&data, kind) {
            (Data::Path(path), InputKind::Auto) if has_extension(path, "sql") => InputKind::Sql,
            (_, kind) => kind,
        };
        let failed = |source| Error::Read { name: name.clone(), source };
        let Opened { reader, compression } = open(data, &self.done).map_err(failed)?;
        covered.compression = compression;
        let mut blocks = Blocks::new(reader);
        let sample = blocks.peek().to_vec();
        if sample.is_empty() {
            if let Some(source) = blocks.take_error() {
                return Err(failed(source));
            }
            let finding = Finding::error("input-empty", "the input is empty").at(Place::file(&name));
            return Err(Error::Unusable(Box::new(finding)));
        }
        let Unwrapped { wrappers, sample, detected, finding } =
            unwrapped::detect(&name, sample, kind, self.options, self.prefix.as_ref())?;
        self.findings.extend(finding);
        covered.format = Some(detected.format);
        let mut layers = Layers::default();
        for wrapper in wrappers {
            covered.wrappers.push(wrapper.name());
            let trace = Arc::<Trace>::default();
            layers.0.insert(0, Arc::clone(&trace));
            blocks = blocks.wrap(|reader| Unwrapper::new(reader, wrapper, trace));
        }
        match detected.format {
            Format::Sql => sqlfile::read(&mut blocks, &mut self.engine.builder, covered)?,
            Format::PgStatStatements => {
                let findings = pgss::read_csv(&mut blocks, &mut self.engine.builder, covered, self.options)?;
                self.findings.extend(findings);
            }
            Format::Csv => {
                blocks.set_cut(Cut::Csv);
                self.log(&mut blocks, &Parser::Csv, &layers, covered);
            }
            Format::Json => self.log(&mut blocks, &Parser::Json, &layers, covered),
            Format::Stderr => {
                if let Some(prefix) = detected.prefix {
                    covered.prefix = Some(prefix.text().to_owned());
                    self.prefix = Some(prefix.clone());
                    blocks.set_cut(Cut::Prefix(Box::new(prefix.clone())));
                    let keeps_tabs = stderr::keeps_tabs(&prefix, &sample);
                    let parser = Parser::Stderr(prefix, keeps_tabs);
                    self.log(&mut blocks, &parser, &layers, covered);
                }
            }
        }
        unwrapped::cover(&layers, covered);
        if let Some(error) = blocks.take_error() {
            covered.truncated = true;
            let why = match covered.compression {
                Some(compression) => format!("its {compression} data are cut off or damaged"),
                None => error.to_string(),
            };
            let message = format!("the input breaks off after {} bytes: {why}", covered.bytes);
            let help = "What stood before was read; fetch the file again if it should be whole.";
            self.findings.push(Finding::warning("input-truncated", message).at(Place::file(&name)).help(help));
        }
        if covered.records == 0 {
            let finding =
                Finding::error("input-without-records", format!("no record found in this {}", detected.format));
            return Err(Error::Unusable(Box::new(finding.at(Place::file(&name)))));
        }
        Ok(())
    }

    /// Reads a log with as many threads as are wanted.
    fn log(&mut self, blocks: &mut Blocks, parser: &Parser, layers: &Layers, covered: &mut InputCoverage) {
        let threads = self.options.threads.or_else(|| std::thread::available_parallelism().ok());
        let threads = threads.map_or(1, NonZeroUsize::get).min(8);
        let file: Arc<str> = Arc::from(covered.name.as_str());
        let mut order = Ordered {
            engine: &mut self.engine,
            options: self.options,
            covered,
            file,
            layers,
            findings: &mut self.findings,
        };
        let report = || {
            let progress = Progress { done: self.done.load(Ordering::Relaxed), total: self.total };
            if (self.progress)(progress).is_break() {
                self.stop.store(true, Ordering::Relaxed);
            }
            !self.stop.load(Ordering::Relaxed)
        };
        if threads == 1 {
            let mut parsed = Parsed::default();
            let mut memory = Memory::default();
            loop {
                parsed.clear();
                if !report() || !blocks.next(&mut parsed.bytes) {
                    break;
                }
                parser.parse(&mut parsed, &mut memory);
                order.take(&parsed);
            }
            return;
        }
        let source = Mutex::new((blocks, 0_u64));
        let order = Mutex::new(order);
        let waiting = Waiting::new(2 * threads as u64);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut memory = Memory::default();
                    while report() {
                        let mut parsed = waiting.spare();
                        let number = {
                            let mut source = lock(&source);
                            if !source.0.next(&mut parsed.bytes) {
                                break;
                            }
                            source.1 += 1;
                            source.1 - 1
                        };
                        parser.parse(&mut parsed, &mut memory);
                        waiting.put(number, parsed);
                        waiting.drain(&order);
                    }
                    waiting.drain(&order);
                });
            }
        });
        // A thread may have put its block while another one was leaving the queue.
        waiting.drain(&order);
    }
}

fn has_extension(path: &std::path::Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// A lock whose holder panicked is as good as any: the panic itself is passed on by the scope.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parsed blocks that wait for their turn.
struct Waiting {
    queue: Mutex<Queue>,
    taken: Condvar,
    most: u64,
}

#[derive(Default)]
struct Queue {
    parsed: BTreeMap<u64, Parsed>,
    next: u64,
    spare: Vec<Parsed>,
}

impl Waiting {
    fn new(most: u64) -> Self {
        Self { queue: Mutex::default(), taken: Condvar::new(), most }
    }

    /// Memory for another block.
    fn spare(&self) -> Parsed {
        lock(&self.queue).spare.pop().unwrap_or_default()
    }

    /// Queues a block. Waits while too many blocks that come later are queued.
    fn put(&self, number: u64, parsed: Parsed) {
        let mut queue = lock(&self.queue);
        while number >= queue.next + self.most {
            queue = self.taken.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.parsed.insert(number, parsed);
    }

    /// Takes in the blocks whose turn it is, unless another thread is doing so.
    fn drain(&self, order: &Mutex<Ordered<'_, '_>>) {
        loop {
            let Ok(mut order) = order.try_lock() else { return };
            while let Some(mut parsed) = {
                let mut queue = lock(&self.queue);
                let next = queue.next;
                queue.parsed.remove(&next)
            } {
                order.take(&parsed);
                parsed.clear();
                let mut queue = lock(&self.queue);
                queue.next += 1;
                queue.spare.push(parsed);
                self.taken.notify_all();
            }
            drop(order);
            // A block may have come between the last look and letting go.
            let queue = lock(&self.queue);
            if !queue.parsed.contains_key(&queue.next) {
                return;
            }
        }
    }
}

/// What is done in order.
struct Ordered<'a, 'o> {
    engine: &'a mut Engine,
    options: &'o ReadOptions,
    covered: &'a mut InputCoverage,
    file: Arc<str>,
    layers: &'a Layers,
    findings: &'a mut Vec<Finding>,
}

impl Ordered<'_, '_> {
    /// Takes in a block.
    fn take(&mut self, parsed: &Parsed) {
        let Engine { builder, sessions } = &mut *self.engine;
        let contexts = builder.contexts(parsed);
        let mut block =
            Block { parsed, file: &self.file, lines_before: self.covered.lines, layers: self.layers, counted: (0, 0) };
        let mut unwanted = 0;
        for event in &parsed.events {
            let context = contexts[event.context as usize];
            if is_wanted(self.options, builder, event, context) {
                if let Some(when) = event.when {
                    builder.seen(when);
                }
                sessions.take(builder, &mut block, event, context);
            } else {
                unwanted += u64::from(event.what.is_primary());
                sessions.leave_out(builder, event);
            }
        }
        builder.evict();
        self.cover(parsed, unwanted);
        self.layers.forget(self.covered.lines + 1);
    }

    fn cover(&mut self, parsed: &Parsed, unwanted: u64) {
        let place = |at: usize| {
            let line = memchr::memchr_iter(b'\n', &parsed.bytes[..at.min(parsed.bytes.len())]).count() as u64;
            Place::at(&*self.file, self.layers.source(self.covered.lines + line + 1), 1)
        };
        let skipped: Vec<_> = parsed.skipped.iter().map(|(why, count, at)| (*why, *count, place(*at))).collect();
        if let Some((language, at)) = parsed.foreign
            && !self.findings.iter().any(|finding| finding.code.0 == "log-language")
        {
            let message = format!("the server writes its messages in another language: {language}");
            let help = "Set lc_messages = 'C' on the server; lines in other languages are not read.";
            self.findings.push(Finding::warning("log-language", message).at(place(at)).help(help));
        }
        if parsed.zone_unknown && !self.findings.iter().any(|finding| finding.code.0 == "log-time-zone") {
            let message = "the log's time zone has no known offset; its times are taken for UTC";
            let help = "Set log_timezone = 'UTC' on the server.";
            self.findings.push(Finding::warning("log-time-zone", message).at(place(0)).help(help));
        }
        for (why, count, place) in skipped {
            self.covered.skip(why, count, Some(place));
        }
        self.covered.skip(UNWANTED, unwanted, None);
        self.covered.truncated = !parsed.bytes.ends_with(b"\n");
        self.covered.bytes += parsed.bytes.len() as u64;
        self.covered.lines += parsed.lines;
        self.covered.records += parsed.records;
        self.covered.recognised += parsed.recognised;
        self.covered.with_duration += parsed.with_duration;
    }
}

fn is_wanted(options: &ReadOptions, builder: &Builder, event: &Event, context: u32) -> bool {
    if let Some(when) = event.when
        && (options.since.is_some_and(|since| when < since) || options.until.is_some_and(|until| when >= until))
    {
        return false;
    }
    options.databases.is_empty()
        || builder.names(context).database.as_ref().is_none_or(|name| options.databases.iter().any(|d| **d == **name))
}

/// Reads blocks to the end as one text of at most `most` bytes.
pub(crate) fn whole(blocks: &mut Blocks, most: usize) -> Result<Vec<u8>, io::Error> {
    let mut text = Vec::new();
    let mut block = Vec::new();
    while blocks.next(&mut block) {
        text.append(&mut block);
        if text.len() > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {} MiB", most >> 20)));
        }
    }
    Ok(text)
}
