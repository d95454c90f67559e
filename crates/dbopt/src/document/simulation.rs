//! What rate limits would have done with a sample of traffic, as a document.

use dbopt_report::{Chart, Document, Style, Table, Text, number};

use crate::view::simulation::SimulationView;

/// The report as a document to read.
pub(crate) fn document(view: &SimulationView) -> Document {
    let mut document = Document::default();
    document.heading(1, "Simulated rate limits");
    let mut text = format!(
        "{} of {} ({})",
        number::plural(usize::try_from(view.requests).unwrap_or(usize::MAX), "request", "requests"),
        view.traffic,
        view.traffic_format
    );
    if let Some((first, last)) = &view.period {
        text.push_str(&format!(" from {first} to {last}"));
    }
    document.paragraph(format!("{text}, by the policy {}.", view.policy));
    let share = |count: u64| if view.requests == 0 { 0.0 } else { count as f64 / view.requests as f64 };
    let style = if view.refused > 0 { Style::Bad } else { Style::Good };
    let refused = format!("{} would have been refused", number::count(view.refused as f64));
    let rest = format!(" ({}), {} admitted.", number::share(share(view.refused)), number::count(view.admitted as f64));
    document.paragraph(Text::styled(style, refused).and(Style::Plain, rest));
    if view.unread > 0 {
        let unread = usize::try_from(view.unread).unwrap_or(usize::MAX);
        let (one, many) = ("line is no request and was left out", "lines are no requests and were left out");
        document.paragraph(number::plural(unread, one, many) + ".");
    }
    let chart = Chart::new("requests over time", view.timeline.iter().map(|bucket| clock(&bucket.from)))
        .series("admitted", Style::Good, view.timeline.iter().map(|bucket| bucket.admitted as f64))
        .series("refused", Style::Bad, view.timeline.iter().map(|bucket| bucket.refused as f64));
    document.chart(chart);
    rules(&mut document, view);
    clients(&mut document, view);
    happenings(&mut document, view);
    if !view.not_simulated.is_empty() {
        document.paragraph(Text::styled(
            Style::Dim,
            format!(
                "Not simulated, because the sample does not say how long requests took: how many run at once ({}).",
                view.not_simulated.join(", ")
            ),
        ));
    }
    document
}

fn rules(document: &mut Document, view: &SimulationView) {
    document.heading(2, "Rules");
    let mut table = Table::new(["rule", "asked", "refused", "clients", "blocks", "first"]);
    table = (1..=4).fold(table, Table::right);
    for rule in &view.rules {
        let style = if rule.refused > 0 && !rule.shadow { Style::Bad } else { Style::Plain };
        table.push([
            Text::from(format!("{}{}", rule.rule, if rule.shadow { " (shadow)" } else { "" })),
            Text::from(number::count(rule.asked as f64)),
            Text::styled(style, number::count(rule.refused as f64)),
            Text::from(number::count(rule.clients as f64)),
            Text::from(number::count(rule.blocks as f64)),
            Text::from(rule.first.clone().unwrap_or_else(|| "never".to_owned())),
        ]);
    }
    document.table(table);
}

fn clients(document: &mut Document, view: &SimulationView) {
    if view.clients.is_empty() {
        return;
    }
    document.heading(2, "Who would have been refused");
    let mut table = Table::new(["who", "rule", "refused", "first", "line", "last", "why"]).right(2).right(4);
    for client in &view.clients {
        let rule = client.rule.clone().unwrap_or_else(|| "all".to_owned());
        let why = |reason: &crate::view::simulation::ReasonView| {
            format!("{} ({})", reason.why, number::count(reason.count as f64))
        };
        table.push([
            Text::from(client.who.as_str()),
            Text::from(format!("{rule}{}", if client.shadow { " (shadow)" } else { "" })),
            Text::from(number::count(client.refused as f64)),
            Text::from(client.first.as_str()),
            Text::from(number::count(client.first_line as f64)),
            Text::from(client.last.as_str()),
            Text::from(client.reasons.iter().map(why).collect::<Vec<_>>().join("; ")),
        ]);
    }
    document.table(table);
    if view.client_count > view.clients.len() {
        let more = number::plural(view.client_count - view.clients.len(), "more client", "more clients");
        document.paragraph(Text::styled(Style::Dim, format!("… and {more}; --top lists more.")));
    }
}

fn happenings(document: &mut Document, view: &SimulationView) {
    if view.happenings.is_empty() {
        return;
    }
    document.heading(2, "Blocks and suspicious activity");
    document.list(
        view.happenings.iter().map(|happening| Text::from(format!("{}: {}", happening.at, happening.what))).collect(),
    );
    let untold = view.happening_count.saturating_sub(view.happenings.len() as u64);
    if untold > 0 {
        document.paragraph(Text::styled(
            Style::Dim,
            format!("… and {} more; --top lists more.", number::count(untold as f64)),
        ));
    }
}

/// The date and time of a time stamp, without fractions.
fn clock(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}
