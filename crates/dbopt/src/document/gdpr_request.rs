//! Requests of persons, as documents.

use dbopt_report::{Document, Style, Table, Text};

use crate::view::gdpr_request::{AnswerView, GdprStatusView, OneRequestView, RequestView};

/// What a request is now.
pub(crate) fn one(view: &OneRequestView) -> Document {
    let request = &view.request;
    let mut document = Document::default();
    document.heading(1, format!("Request {}: {}", request.id, request.kind));
    document.paragraph(format!("Who: {}, as {}.", request.subject, request.rule));
    document.paragraph(match (&request.outcome, request.days_left) {
        (Some(outcome), _) => format!("It came on {} and is closed: {outcome}.", request.received),
        (None, Some(days)) => {
            format!("It came on {} and is to be answered until {}: {}.", request.received, request.due, left(days))
        }
        (None, None) => format!("It came on {} and is to be answered until {}.", request.received, request.due),
    });
    let answers: Vec<Text> = request.answers.iter().map(|answer| answer_text(answer).into()).collect();
    if !answers.is_empty() {
        document.heading(2, "Recorded since").list(answers);
    }
    document
}

/// Which requests there are, and when they are due.
pub(crate) fn status(view: &GdprStatusView) -> Document {
    let mut document = Document::default();
    document.heading(1, format!("Requests on {}", view.today));
    document.paragraph(format!(
        "{} are open, {} of them overdue, and {} more due within {} days.",
        view.open, view.overdue, view.due_soon, view.within_days
    ));
    let mut table = Table::new(["request", "who", "kind", "received", "due", "left", "recorded since"]).right(0);
    for request in &view.requests {
        table.push([
            Text::from(request.id.to_string()),
            Text::from(shortened(&request.subject)),
            Text::from(request.kind.clone()),
            Text::from(request.received.clone()),
            Text::from(match request.extended_at {
                Some(_) => format!("{}, extended", request.due),
                None => request.due.clone(),
            }),
            state(request, view.within_days),
            Text::from(request.answers.iter().map(answer_text).collect::<Vec<_>>().join("; ")),
        ]);
    }
    document.table(table);
    document
}

fn state(request: &RequestView, within: i32) -> Text {
    match (&request.outcome, request.days_left) {
        (None, Some(days)) if days <= within => Text::styled(Style::Bad, left(days)),
        (None, Some(days)) => Text::from(left(days)),
        (outcome, _) => {
            let late = if request.late == Some(true) { ", late" } else { "" };
            Text::from(format!("{}{late}", outcome.as_deref().unwrap_or_default()))
        }
    }
}

fn left(days: i32) -> String {
    match days {
        0 => "today is the last day".to_owned(),
        1 => "1 day left".to_owned(),
        days if days > 0 => format!("{days} days left"),
        -1 => "1 day overdue".to_owned(),
        days => format!("{} days overdue", days.unsigned_abs()),
    }
}

fn answer_text(answer: &AnswerView) -> String {
    let what = match answer.article {
        Some(article) => format!("{} for article {article}", answer.what),
        None => answer.what.clone(),
    };
    // The day is enough to find it; the record has the rest.
    let day = answer.at.get(..10).unwrap_or(&answer.at);
    format!("{what} on {day}, record {}", answer.record)
}

/// A pseudonym cut to what fits a table; the JSON has it whole.
fn shortened(subject: &str) -> String {
    let cut = subject.rfind(':').map_or(0, |at| at + 1) + 12;
    let text = subject.strip_prefix("hmac-sha256:").unwrap_or(subject);
    let cut = cut.saturating_sub(subject.len() - text.len());
    text.get(..cut).map_or_else(|| text.to_owned(), |text| format!("{text}…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_pseudonyms_are_short() {
        let texts: Vec<String> = [2, 1, 0, -1, -30].map(left).into();
        insta::assert_snapshot!(texts.join(", "), @"2 days left, 1 day left, today is the last day, 1 day overdue, 30 days overdue");
        assert_eq!(shortened(&format!("hmac-sha256:gdpr-2026:{}", "ab".repeat(32))), "gdpr-2026:abababababab…");
        assert_eq!(shortened("odd"), "odd");
    }
}
