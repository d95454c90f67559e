//! `dbopt limits`

use std::path::Path;

use dbopt_finding::{Finding, Place};
use dbopt_ratelimit::{LimitPolicy, reaches, review, traffic};

use super::{Context, load, read};
use crate::{
    cli::{Limits, LimitsCheck, LimitsFailOn, LimitsSimulate, ReportFormat, SimulateFormat, TrafficFormat},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::{limits::LimitsView, simulation::SimulationView},
};

/// The most columns of the plot of a simulation: as many as fit a terminal beside their scale.
const BUCKETS: usize = 80;

/// Explains rate limits, or replays traffic against them.
pub(crate) fn run(context: &Context, command: &Limits) -> Result<Exit, Failure> {
    match command {
        Limits::Check(args) => check(context, args),
        Limits::Simulate(args) => simulate(context, args),
    }
}

fn check(context: &Context, args: &LimitsCheck) -> Result<Exit, Failure> {
    let policy: LimitPolicy = load::policy(context, &args.policy, !args.no_secrets)?;
    let routes = args.routes.as_deref().map(read::text).transpose()?;
    let routes = routes.as_ref().map(|(name, text)| self::routes(name, text)).transpose()?;
    let weak = review(&policy.rules, &policy.client, routes.as_deref());
    let is_free = |(method, route): &&(Option<&str>, &str)| {
        !policy.rules.as_slice().iter().any(|rule| !rule.shadow && reaches(rule, *method, route))
    };
    let free: Vec<String> = (routes.iter().flatten().filter(is_free))
        .map(|(method, route)| method.map_or((*route).to_owned(), |method| format!("{method} {route}")))
        .collect();
    let view = LimitsView::new(&args.policy.display().to_string(), &policy, &weak, free);
    let to = args.output.as_deref();
    output::report(&context.global, args.format, to, &view, document::limits::document)?;
    let warned = view.findings.iter().any(|finding| finding.severity == "warning");
    Ok(if warned && args.fail_on == Some(LimitsFailOn::Warning) { Exit::Findings } else { Exit::Done })
}

/// A file of routes: one a line, perhaps after its method, with blank lines and comments between them.
fn routes<'a>(name: &str, text: &'a str) -> Result<Vec<(Option<&'a str>, &'a str)>, Failure> {
    let (mut routes, mut faults) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (method, route) = match text.split_once(char::is_whitespace) {
            Some((method, route)) => (Some(method), route.trim()),
            None => (None, text),
        };
        let is_method = |method: &str| method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        if route.starts_with('/') && method.is_none_or(is_method) {
            routes.push((method, route));
        } else {
            faults.push(Finding::error("bad-route", "this is no route").at(Place::at(name, line, 1)));
        }
    }
    if faults.is_empty() {
        return Ok(routes);
    }
    Err(Failure::usage(format!("the routes in `{name}` cannot be used"))
        .findings(faults)
        .hint("write one a line, such as `/users/{id}` or `POST /users`"))
}

fn simulate(context: &Context, args: &LimitsSimulate) -> Result<Exit, Failure> {
    let policy: LimitPolicy = load::policy(context, &args.policy, !args.no_secrets)?;
    let bytes = read::bytes(&args.traffic)?;
    let name = if args.traffic == "-" { "<stdin>" } else { &args.traffic };
    let format = args.traffic_format.map(|format| match format {
        TrafficFormat::Access => traffic::TrafficFormat::Access,
        TrafficFormat::Csv => traffic::TrafficFormat::Csv,
    });
    let sample = traffic::read(&bytes, format, &policy.client).map_err(|error| {
        Failure::usage(format!("could not read `{name}` as traffic: {error}")).hint(
            "give an access log in the common or combined format, or CSV with a column `time`; see docs/limits.md",
        )
    })?;
    let mut findings: Vec<Finding> = (sample.unread.iter())
        .map(|unread| Finding::warning("unread-line", unread.why.clone()).at(Place::at(name, unread.line, 1)))
        .collect();
    let untold = sample.unread_count.saturating_sub(sample.unread.len() as u64);
    if untold > 0 {
        findings.push(Finding::warning("unread-line", format!("{untold} further lines of `{name}` are no requests")));
    }
    let (read, unread) = (sample.hits.len() as u64, sample.unread_count);
    let is_enough = sample.share_read() >= 0.5;
    if !is_enough {
        let what = format!("only {read} of {} lines are requests, which says little about the traffic", read + unread);
        findings.push(Finding::warning("mostly-unread", what).at(Place::file(name)));
    }
    context.stderr.findings(&findings);
    let simulation = traffic::simulate(&policy.rules, &sample.hits, BUCKETS);
    let view = SimulationView::new(
        &args.policy.display().to_string(),
        name,
        &policy,
        &sample,
        &simulation,
        args.top,
        &findings,
    );
    print(context, args, &view)?;
    Ok(if is_enough { Exit::Done } else { Exit::Partial })
}

fn print(context: &Context, args: &LimitsSimulate, view: &SimulationView) -> Result<(), Failure> {
    let to = args.output.as_deref();
    let by_ending = || match Path::new(to?).extension()?.to_str()? {
        "html" | "htm" => Some(SimulateFormat::Html),
        "json" => Some(SimulateFormat::Json),
        "md" => Some(SimulateFormat::Markdown),
        _ => None,
    };
    let document = document::simulation::document;
    match args.format.or_else(by_ending).unwrap_or(SimulateFormat::Table) {
        SimulateFormat::Html => output::html(to, &document(view)),
        SimulateFormat::Table => output::report(&context.global, ReportFormat::Table, to, view, document),
        SimulateFormat::Json => output::report(&context.global, ReportFormat::Json, to, view, document),
        SimulateFormat::Markdown => output::report(&context.global, ReportFormat::Markdown, to, view, document),
    }
}
