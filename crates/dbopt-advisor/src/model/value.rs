//! What is known of a value in a statement when it is planned.
//!
//! `estimate_expression_value` folds stable functions too, so `now() - interval '7 days'` is estimated like a literal;
//! here, at the moment the catalogue was read.

use dbopt_sql::ir::{Expr, Literal};

use super::datum;

/// A value as the planner's estimates see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A constant, in its text form.
    Text(String),
    /// A moment, in seconds since 1970.
    Instant(f64),
    /// Null.
    Null,
    /// Not known at planning: a parameter, another row's column, a function's result.
    Unknown,
}

/// Evaluates an expression without columns; `now` is in seconds since 1970.
pub(crate) fn evaluate(expr: &Expr, now: Option<f64>) -> Value {
    match expr {
        Expr::Literal(Literal::Null) => Value::Null,
        Expr::Literal(Literal::Bool(value)) => Value::Text(if *value { "t" } else { "f" }.to_owned()),
        Expr::Literal(Literal::Number(text) | Literal::String(text)) => special(text, now),
        Expr::Cast { expr, to } => match (evaluate(expr, now), to.as_str()) {
            (Value::Instant(seconds), "date") => Value::Instant((seconds / 86_400.0).floor() * 86_400.0),
            (value, _) => value,
        },
        Expr::Function { name, args, .. } => match (name.as_str(), args.as_slice()) {
            ("now" | "current_timestamp" | "localtimestamp" | "transaction_timestamp" | "statement_timestamp", _) => {
                now.map_or(Value::Unknown, Value::Instant)
            }
            ("current_date", _) => {
                now.map_or(Value::Unknown, |now| Value::Instant((now / 86_400.0).floor() * 86_400.0))
            }
            ("date_trunc", [unit, moment, ..]) => truncate(&evaluate(unit, now), evaluate(moment, now)),
            _ => Value::Unknown,
        },
        Expr::Binary { left, op, right, .. } => arithmetic(evaluate(left, now), op, right, now),
        Expr::Other { columns, text } if columns.is_empty() => match text.trim().to_ascii_lowercase().as_str() {
            "current_timestamp" | "localtimestamp" | "now()" => now.map_or(Value::Unknown, Value::Instant),
            "current_date" => now.map_or(Value::Unknown, |now| Value::Instant((now / 86_400.0).floor() * 86_400.0)),
            _ => Value::Unknown,
        },
        _ => Value::Unknown,
    }
}

/// Literals that stand for a moment: `'now'`, `'today'`, `'yesterday'`, `'tomorrow'`.
fn special(text: &str, now: Option<f64>) -> Value {
    let day = |offset: f64| now.map(|now| Value::Instant(((now / 86_400.0).floor() + offset) * 86_400.0));
    let moment = match text {
        "now" => now.map(Value::Instant),
        "today" => day(0.0),
        "yesterday" => day(-1.0),
        "tomorrow" => day(1.0),
        _ => None,
    };
    moment.unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn arithmetic(left: Value, op: &str, right: &Expr, now: Option<f64>) -> Value {
    let right = evaluate(right, now);
    let sign = match op {
        "+" => 1.0,
        "-" => -1.0,
        _ => return numbers(&left, op, &right).unwrap_or(Value::Unknown),
    };
    match (&left, &right) {
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::Instant(moment), Value::Text(text)) => match text.trim().parse::<f64>() {
            // A number is added to a date as days.
            Ok(days) => Value::Instant(moment + sign * days * 86_400.0),
            Err(_) => datum::interval(text).map_or(Value::Unknown, |span| Value::Instant(moment + sign * span)),
        },
        (Value::Text(moment), Value::Text(span)) => match (moment.parse::<f64>(), span.parse::<f64>()) {
            (Ok(a), Ok(b)) => Value::Text((a + sign * b).to_string()),
            _ => match (datum::instant(moment), datum::interval(span)) {
                (Some(moment), Some(span)) => Value::Instant(moment + sign * span),
                _ => Value::Unknown,
            },
        },
        _ => Value::Unknown,
    }
}

fn numbers(left: &Value, op: &str, right: &Value) -> Option<Value> {
    let (Value::Text(left), Value::Text(right)) = (left, right) else { return None };
    let (left, right): (f64, f64) = (left.parse().ok()?, right.parse().ok()?);
    let result = match op {
        "*" => left * right,
        "/" => left / right,
        _ => return None,
    };
    result.is_finite().then(|| Value::Text(result.to_string()))
}

/// `date_trunc` on the civil calendar in UTC.
fn truncate(unit: &Value, moment: Value) -> Value {
    let Value::Text(unit) = unit else { return Value::Unknown };
    let seconds = match moment {
        Value::Instant(seconds) => seconds,
        Value::Text(text) => match datum::instant(&text) {
            Some(seconds) => seconds,
            None => return Value::Unknown,
        },
        other => return other,
    };
    let floor = |step: f64| Value::Instant((seconds / step).floor() * step);
    match unit.as_str() {
        "second" => floor(1.0),
        "minute" => floor(60.0),
        "hour" => floor(3600.0),
        "day" => floor(86_400.0),
        // The first of 1970 was a Thursday; weeks begin on Monday.
        "week" => Value::Instant(((seconds / 86_400.0 + 3.0) / 7.0).floor() * 604_800.0 - 259_200.0),
        "month" => Value::Instant((seconds / 2_629_800.0).floor() * 2_629_800.0),
        "year" => Value::Instant((seconds / 31_557_600.0).floor() * 31_557_600.0),
        _ => Value::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Expr {
        Expr::Literal(Literal::String(value.into()))
    }

    #[test]
    fn moments_relative_to_now_are_known() {
        let now = Expr::Function { name: "now".into(), args: vec![], text: "now()".into() };
        let week_ago =
            Expr::Binary { left: Box::new(now), op: "-".into(), right: Box::new(text("7 days")), text: String::new() };
        assert_eq!(evaluate(&week_ago, Some(1_000_000.0)), Value::Instant(395_200.0));
        assert_eq!(evaluate(&week_ago, None), Value::Unknown);
        let date = Expr::Cast { expr: Box::new(week_ago), to: "date".into() };
        assert_eq!(evaluate(&date, Some(1_000_000.0)), Value::Instant(345_600.0));
    }

    #[test]
    fn parameters_are_unknown_and_nulls_are_null() {
        assert_eq!(evaluate(&Expr::Param(1), None), Value::Unknown);
        assert_eq!(evaluate(&Expr::Literal(Literal::Null), None), Value::Null);
        assert_eq!(evaluate(&text("x"), None), Value::Text("x".into()));
    }
}
