//! What the server logs, and the lines to paste for logs that advice can be made from
//! (<https://www.postgresql.org/docs/current/runtime-config-logging.html>).

use super::{Area, Check, Facts, Verdict, extensions};

/// The settings that are looked at, with those of other modules.
pub(super) const SETTINGS: &[&str] = &[
    "auto_explain.log_min_duration",
    "data_directory",
    "lc_messages",
    "log_destination",
    "log_duration",
    "log_line_prefix",
    "log_lock_waits",
    "log_min_duration_sample",
    "log_min_duration_statement",
    "log_parameter_max_length",
    "log_temp_files",
    "max_slot_wal_keep_size",
    "session_preload_libraries",
    "shared_preload_libraries",
    "track_counts",
];

pub(super) fn check(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![durations(facts)];
    checks.extend(prefix(facts));
    checks.extend(language(facts));
    checks.extend(parameters(facts));
    checks.push(plans(facts));
    checks.extend(switches(facts));
    if checks.iter().any(|check| check.fix.iter().any(|fix| fix.starts_with("ALTER SYSTEM")))
        && let Some(last) = checks.iter_mut().rfind(|check| !check.fix.is_empty())
    {
        last.fix.push("SELECT pg_reload_conf();".to_owned());
    }
    checks
}

fn new(name: &'static str, verdict: Verdict, found: impl Into<String>) -> Check {
    Check::new(Area::Logging, name, verdict, found).commands(&["advise", "logs"])
}

/// A line that changes a setting for the whole server.
fn set(name: &str, value: &str) -> [String; 1] {
    [format!("ALTER SYSTEM SET {name} = {};", dbopt_sql::quote_literal(value))]
}

/// Whether statements are logged with their durations.
fn durations(facts: &Facts) -> Check {
    let name = "log_min_duration_statement";
    let number = |name| facts.setting(name).and_then(|value| value.parse::<i64>().ok());
    let explained = number("auto_explain.log_min_duration").is_some_and(|least| least >= 0);
    match (number(name), number("log_min_duration_sample")) {
        (Some(0), _) => new(name, Verdict::Good, "every statement is logged with its duration"),
        (Some(least @ 1..), _) => new(name, Verdict::Good, format!("statements of {least} ms and more are logged")),
        (_, Some(least @ 0..)) => new(
            name,
            Verdict::Limited,
            format!("of statements of {least} ms and more, some are logged (log_min_duration_sample)"),
        )
        .help("Calls and times in a report are then those of the sample."),
        _ if explained => new(name, Verdict::Good, "plans are logged with their durations (auto_explain)"),
        (None, _) => new(name, Verdict::Limited, "this user may not see it"),
        _ if facts.setting("log_duration") == Some("on") => {
            new(name, Verdict::Missing, "durations are logged without statements (log_duration)")
                .help("log_min_duration_statement logs both in one line.")
                .fix(set(name, "100ms"))
        }
        _ => new(name, Verdict::Missing, "off: no statement is logged with its duration")
            .help("A threshold keeps the log small; 0 logs all statements, and gives the truest advice.")
            .fix(set(name, "100ms")),
    }
}

fn prefix(facts: &Facts) -> Option<Check> {
    let name = "log_line_prefix";
    let prefix = facts.setting(name)?;
    let stderr = facts.setting("log_destination").is_none_or(|to| to.split(',').any(|to| to.trim() == "stderr"));
    let lacks = |escapes: &[&str]| !escapes.iter().any(|escape| prefix.contains(escape));
    let mut missing = Vec::new();
    if lacks(&["%m", "%t", "%n"]) {
        missing.push("the time (%m)");
    }
    if lacks(&["%p", "%c"]) {
        missing.push("the process (%p), which tells sessions apart");
    }
    if lacks(&["%d"]) {
        missing.push("the database (%d)");
    }
    if !stderr || missing.is_empty() {
        return Some(new(name, Verdict::Good, format!("`{prefix}`")));
    }
    Some(
        new(name, Verdict::Limited, format!("`{prefix}` lacks {}", missing.join(", ")))
            .fix(set(name, "%m [%p] %q%u@%d/%a ")),
    )
}

fn language(facts: &Facts) -> Option<Check> {
    let language = facts.setting("lc_messages")?;
    // An empty setting is that of the server's environment, and unknown.
    let english = ["C", "POSIX", "en", ""].iter().any(|known| {
        language == *known || (*known == "en" && language.starts_with("en_")) || language.starts_with("C.")
    });
    Some(if english {
        new(
            "lc_messages",
            Verdict::Good,
            if language.is_empty() { "that of the server's environment" } else { language },
        )
    } else {
        new("lc_messages", Verdict::Missing, format!("messages are written in `{language}`"))
            .help("Logs are read in English only.")
            .fix(set("lc_messages", "C"))
    })
}

fn parameters(facts: &Facts) -> Option<Check> {
    let name = "log_parameter_max_length";
    let length: i64 = facts.setting(name)?.parse().ok()?;
    Some(match length {
        -1 => new(name, Verdict::Good, "parameters are logged in full"),
        0 => new(name, Verdict::Limited, "parameters of prepared statements are not logged")
            .help("Advice then rests on average values. Where logs must not hold personal data this is right.")
            .fix(set(name, "-1")),
        length => new(name, Verdict::Good, format!("parameters are logged up to {length} bytes")),
    })
}

fn plans(facts: &Facts) -> Check {
    let name = "auto_explain";
    match facts.setting("auto_explain.log_min_duration").map(str::parse::<i64>) {
        Some(Ok(least @ 0..)) => new(name, Verdict::Good, format!("plans of {least} ms and more are logged")),
        _ => new(name, Verdict::Limited, "plans are not logged")
            .help("Real plans let dbopt judge its costs; auto_explain.log_analyze costs time on every statement, leave it off.")
            .fix([
                // The server knows the settings of a library that the session has loaded.
                "LOAD 'auto_explain';".to_owned(),
                extensions::load(facts, "session_preload_libraries", name),
                "ALTER SYSTEM SET auto_explain.log_min_duration = '1s';".to_owned(),
                "ALTER SYSTEM SET auto_explain.log_format = 'json';".to_owned(),
            ]),
    }
}

/// Settings that are either on or not.
fn switches(facts: &Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    if facts.setting("log_lock_waits") == Some("off") {
        checks.push(
            new("log_lock_waits", Verdict::Limited, "waits for locks are not logged").fix(set("log_lock_waits", "on")),
        );
    }
    if facts.setting("log_temp_files") == Some("-1") {
        checks.push(
            new("log_temp_files", Verdict::Limited, "sorts and hashes on disk are not logged")
                .fix(set("log_temp_files", "0")),
        );
    }
    if facts.setting("track_counts") == Some("off") {
        checks.push(
            new("track_counts", Verdict::Missing, "off: use of indexes is not counted, and autovacuum does not run")
                .fix(set("track_counts", "on")),
        );
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(settings: &[(&str, &str)]) -> Facts {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Facts { settings, ..Facts::default() }
    }

    #[test]
    fn durations_without_statements_do_not_help() {
        let off = ("log_min_duration_statement", "-1");
        assert_eq!(durations(&facts(&[off])).fix, ["ALTER SYSTEM SET log_min_duration_statement = '100ms';"]);
        assert_eq!(durations(&facts(&[off, ("log_duration", "on")])).verdict, Verdict::Missing);
        assert_eq!(durations(&facts(&[off, ("auto_explain.log_min_duration", "10")])).verdict, Verdict::Good);
        assert_eq!(durations(&facts(&[off, ("log_min_duration_sample", "0")])).verdict, Verdict::Limited);
        assert_eq!(durations(&facts(&[("log_min_duration_statement", "250")])).verdict, Verdict::Good);
    }

    #[test]
    fn a_prefix_matters_in_text_logs_alone() {
        let check = |prefix, to| prefix_of(&[("log_line_prefix", prefix), ("log_destination", to)]);
        assert_eq!(check("%m [%p] %u@%d ", "stderr"), Verdict::Good);
        assert_eq!(check("%m ", "stderr"), Verdict::Limited);
        assert_eq!(check("%m ", "csvlog"), Verdict::Good);
    }

    fn prefix_of(settings: &[(&str, &str)]) -> Verdict {
        prefix(&facts(settings)).expect("the prefix is visible").verdict
    }

    #[test]
    fn other_languages_are_not_read() {
        let verdict = |language| language_of(&[("lc_messages", language)]);
        assert_eq!(verdict("de_DE.UTF-8"), Verdict::Missing);
        for known in ["C", "C.UTF-8", "en_GB.UTF-8", ""] {
            assert_eq!(verdict(known), Verdict::Good, "{known}");
        }
    }

    fn language_of(settings: &[(&str, &str)]) -> Verdict {
        language(&facts(settings)).expect("the language is visible").verdict
    }

    #[test]
    fn the_lines_to_paste_end_with_a_reload() {
        let checks = check(&facts(&[("log_min_duration_statement", "-1")]));
        let fixes: Vec<&String> = checks.iter().flat_map(|check| &check.fix).collect();
        assert_eq!(fixes.last().map(|fix| fix.as_str()), Some("SELECT pg_reload_conf();"));
    }
}
