//! What rate limits admit at worst, as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::limits::{LimitView, LimitsView, RuleView, WindowView, duration};

/// The report as a document to read.
pub(crate) fn document(view: &LimitsView) -> Document {
    let mut document = Document::default();
    document.heading(1, format!("Rate limits of {}", view.policy));
    document.paragraph(format!(
        "{}. Trusted proxies: {}. The worst case is the most that one key is admitted in one period, wherever that begins.",
        number::plural(view.rules.len(), "rule", "rules"),
        view.proxies,
    ));
    if view.allowed + view.denied > 0 {
        document.paragraph(format!(
            "{} counted by no rule, and {} refused by all of them.",
            number::plural(view.allowed, "client is", "clients are"),
            number::plural(view.denied, "client is", "clients are"),
        ));
    }
    for rule in &view.rules {
        add(&mut document, rule);
    }
    if !view.free_routes.is_empty() {
        document.heading(2, "Routes without a limit");
        document.list(view.free_routes.iter().map(|route| Text::styled(Style::Code, route.as_str())).collect());
    }
    if !view.findings.is_empty() {
        document.heading(2, "Weak choices");
        let item = |finding: &crate::view::finding::FindingView| {
            let style = if finding.severity == "warning" { Style::Bad } else { Style::Dim };
            let text = Text::styled(style, finding.severity.as_str());
            let text = text.and(Style::Plain, format!(": {} [{}]", finding.message, finding.code));
            match &finding.help {
                Some(help) => text.and(Style::Dim, format!(" {help}")),
                None => text,
            }
        };
        document.list(view.findings.iter().map(item).collect());
    }
    document
}

fn add(document: &mut Document, rule: &RuleView) {
    document.heading(2, rule.rule.as_str());
    let all = |list: &[String], all: &str| if list.is_empty() { all.to_owned() } else { list.join(", ") };
    let mut of = format!("{} {}", all(&rule.methods, "Every method"), all(&rule.routes, "of every route"));
    of.push_str(", counted by ");
    of.push_str(&if rule.key.is_empty() { "nothing".to_owned() } else { rule.key.join(" and ") });
    if rule.cost > 1 {
        of.push_str(&format!(", at a cost of {}", rule.cost));
    }
    document.paragraph(format!("{of}."));
    let mut table = Table::new(["limit", "of", "at once", "worst case", ""]).right(2).right(3);
    for limit in &rule.limits {
        for (at, window) in limit.windows.iter().enumerate() {
            let of = if at > 0 { String::new() } else { limit.of.clone().unwrap_or_else(|| "all".to_owned()) };
            table.push([
                Text::from(format!("{}/{}", number::count(f64::from(window.limit)), unit(window.period_s))),
                Text::from(of),
                Text::from(number::count(f64::from(window.burst / rule.cost.max(1)))),
                Text::styled(Style::Strong, number::count(window.worst as f64)),
                says(limit, window),
            ]);
        }
    }
    document.table(table);
    let mut items: Vec<Text> = Vec::new();
    if rule.shadow {
        items.push(Text::styled(Style::Bad, "In shadow mode: it refuses nothing."));
    }
    if let Some(most) = rule.concurrent {
        items.push(Text::from(format!("At most {most} run at once.")));
    }
    if let Some(block) = &rule.block {
        items.push(Text::from(format!(
            "After {} refusals within {} a key is blocked for {}.",
            block.after,
            time(block.within_s),
            time(block.for_s)
        )));
    }
    if let Some(watch) = rule.watch {
        items.push(Text::from(format!(
            "Watches for {}.",
            if watch == "login" { "credential stuffing" } else { "many keys from one address" }
        )));
    }
    items.extend(rule.multiplied_by.iter().map(|sentence| Text::from(sentence.as_str())));
    document.list(items);
}

/// What a window comes to, in words.
fn says(limit: &LimitView, window: &WindowView) -> Text {
    if window.never_refuses {
        return Text::styled(Style::Bad, "can never refuse: a shorter way is always closed first");
    }
    let period = unit(window.period_s);
    let text = format!("admits up to {} in the first {period}", number::count(window.worst as f64));
    let because = match limit.algorithm {
        "sliding" => ", as in any other".to_owned(),
        _ if window.worst < window.worst_alone => {
            format!("; {} if it were alone", number::count(window.worst_alone as f64))
        }
        _ => format!(": a burst of {}, and what is replenished meanwhile", number::count(f64::from(window.burst))),
    };
    Text::styled(Style::Dim, text + &because)
}

/// `minute`, `hour`, `day`, or a time.
fn unit(seconds: f64) -> String {
    match seconds {
        1.0 => "second".to_owned(),
        60.0 => "minute".to_owned(),
        3_600.0 => "hour".to_owned(),
        86_400.0 => "day".to_owned(),
        _ => time(seconds),
    }
}

/// A time as policies write it.
fn time(seconds: f64) -> String {
    dbopt_policy::Duration::from(duration(seconds)).to_string()
}
