//! What an input is once its wrappers are off, and what the wrappers held besides.

use dbopt_finding::{Finding, Place};

use crate::detect::{self, Detected};
use crate::error::Error;
use crate::model::InputCoverage;
use crate::options::{InputKind, ReadOptions};
use crate::record::infer;
use crate::record::prefix::Prefix;
use crate::wrapper::{Layers, Syslog, Wrapper, unwrap_sample};

/// More wrappers than these are not looked for.
const MOST_WRAPPERS: usize = 2;

/// What was found out about an input.
pub(crate) struct Unwrapped {
    /// What wraps its lines, outermost first.
    pub(crate) wrappers: Vec<Wrapper>,
    /// The first bytes of the log itself.
    pub(crate) sample: Vec<u8>,
    pub(crate) detected: Detected,
    /// What the reader should be told at once.
    pub(crate) finding: Option<Finding>,
}

/// Finds out what an input is from its first bytes; see [`detect::detect`].
pub(crate) fn detect(
    name: &str,
    mut sample: Vec<u8>,
    kind: InputKind,
    options: &ReadOptions,
    before: Option<&Prefix>,
) -> Result<Unwrapped, Error> {
    let mut wrappers = Vec::new();
    let mut outer = Vec::new();
    let mut finding = None;
    // A prefix that reads the lines as they stand includes whatever wraps them.
    let is_plain = options
        .prefix
        .as_ref()
        .and_then(|text| Prefix::new(text).ok())
        .is_some_and(|prefix| infer::fit(prefix, &sample).is_good());
    while !is_plain
        && matches!(kind, InputKind::Auto | InputKind::Log)
        && wrappers.len() < MOST_WRAPPERS
        && let Some(wrapper) = Wrapper::detect(&sample)
    {
        let inner = unwrap_sample(&wrapper, &sample);
        if inner.is_empty() {
            break;
        }
        if wrapper.is_newest_first(&sample) {
            let help = "Fetch the entries oldest first (gcloud logging read --order=asc).";
            let message = "the log stands newest first, so parameters and statements may be put to the wrong records";
            finding = Some(Finding::warning("log-newest-first", message).at(Place::file(name)).help(help));
        }
        wrappers.push(wrapper);
        outer = std::mem::replace(&mut sample, inner);
    }
    let mut detected = detect::detect(name, &sample, kind, options, before)?;
    if let (Some(Wrapper::Syslog(syslog)), Some(prefix)) = (wrappers.last_mut(), &detected.prefix)
        && let Some(stamped) = with_stamp(syslog, &outer, prefix, options)
    {
        detected.prefix = Some(stamped);
        sample = unwrap_sample(&Wrapper::Syslog(syslog.clone()), &outer);
    }
    Ok(Unwrapped { wrappers, sample, detected, finding })
}

/// The prefix with time and process in front, as far as syslog knows what the log's own prefix lacks.
fn with_stamp(syslog: &mut Syslog, outer: &[u8], prefix: &Prefix, options: &ReadOptions) -> Option<Prefix> {
    let has = |escapes: &[&str]| escapes.iter().any(|escape| prefix.text().contains(escape));
    syslog.with_process = !has(&["%p", "%c"]);
    syslog.with_time = !has(&["%t", "%m", "%n"]) && outer.split(|b| *b == b'\n').take(64).any(Syslog::has_time);
    let stamp = syslog.stamp_prefix();
    if stamp.is_empty() {
        return None;
    }
    let stamped = Prefix::new(&format!("{stamp}{}", prefix.text())).ok()?;
    Some(if options.prefix.is_some() { stamped } else { infer::lenient(stamped) })
}

/// Counts what the wrappers held besides the log, and counts bytes and lines as they stand in the input.
pub(crate) fn cover(layers: &Layers, covered: &mut InputCoverage) {
    for (at, trace) in layers.0.iter().enumerate() {
        let outer = Layers(layers.0[at + 1..].to_vec());
        let seen = trace.seen();
        covered.records += seen.lost;
        for (why, count, line) in seen.skipped {
            covered.skip(why, count, Some(Place::at(&*covered.name, outer.source(line), 1)));
        }
        covered.truncated |= seen.truncated;
        (covered.bytes, covered.lines) = (seen.bytes, seen.lines);
    }
}
