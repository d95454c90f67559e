//! Expressions as text, brought to one form so that a query's `lower(u.email)` meets an index's `lower((email)::text)`.

use dbopt_sql::ir::{CompareOp, Expr, Literal, Predicate};

/// The tokens of an expression without spaces, qualifiers, casts and grouping parentheses, joined by spaces.
///
/// Casts are left out since PostgreSQL adds them when it prints; two expressions that differ in a cast only are taken as
/// the same, which the planner may see otherwise.
pub(crate) fn canonical(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut tokens = tokens(text).into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "::" => {
                // The type's words: `character varying(20)[]`.
                while tokens
                    .peek()
                    .is_some_and(|next| next.starts_with(|c: char| c.is_alphabetic() || c == '"') && !is_keyword(next))
                {
                    tokens.next();
                }
                while tokens.peek().is_some_and(|next| next == "[" || next == "(") {
                    let close = if tokens.peek().is_some_and(|next| next == "[") { "]" } else { ")" };
                    for inner in tokens.by_ref() {
                        if inner == close {
                            break;
                        }
                    }
                }
            }
            "(" | ")" => {}
            "." => {
                // A qualifier was before it.
                out.pop();
            }
            _ => out.push(token),
        }
    }
    out.join(" ")
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "is" | "and" | "or" | "not" | "in" | "like" | "ilike" | "between" | "collate" | "then" | "else" | "end"
    )
}

fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        at += 1;
        if c.is_whitespace() {
            continue;
        }
        if c == '\'' || c == '"' {
            while at < chars.len() && chars[at] != c {
                at += 1;
            }
            at = (at + 1).min(chars.len());
            let quoted: String = chars[start..at].iter().collect();
            let plain = quoted.trim_matches('"');
            let folds = c == '"' && plain.chars().all(|c| c.is_lowercase() || c.is_ascii_digit() || c == '_');
            out.push(if folds { plain.to_owned() } else { quoted });
        } else if c.is_alphanumeric() || c == '_' || c == '$' {
            let number = c.is_ascii_digit();
            while at < chars.len()
                && (chars[at].is_alphanumeric() || chars[at] == '_' || chars[at] == '$' || number && chars[at] == '.')
            {
                at += 1;
            }
            out.push(chars[start..at].iter().collect::<String>().to_lowercase());
        } else if "()[],.;".contains(c) {
            out.push(c.to_string());
        } else {
            while at < chars.len() && "+-*/<>=~!@#%^&|`?:".contains(chars[at]) && "+-*/<>=~!@#%^&|`?:".contains(c) {
                at += 1;
            }
            out.push(chars[start..at].iter().collect());
        }
    }
    out
}

/// An expression of a statement in canonical form.
pub(crate) fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name.as_str().to_owned(),
        Expr::Literal(Literal::Null) => "null".to_owned(),
        Expr::Literal(Literal::Bool(value)) => value.to_string(),
        Expr::Literal(Literal::Number(text)) => text.clone(),
        Expr::Literal(Literal::String(text)) => format!("'{text}'"),
        Expr::Literal(Literal::Unknown) => "?".to_owned(),
        Expr::Param(number) => format!("${number}"),
        Expr::Cast { expr, .. } => expression(expr),
        Expr::Function { text, .. } | Expr::Binary { text, .. } | Expr::Other { text, .. } => canonical(text),
        Expr::Subquery(block) => format!("subquery {block}"),
    }
}

/// A condition of a statement in the form in which PostgreSQL prints index predicates, made canonical.
pub(crate) fn predicate(predicate: &Predicate) -> Option<String> {
    Some(match predicate {
        Predicate::Compare { left, op, right } => {
            format!("{} {} {}", expression(left), operator(op), expression(right))
        }
        Predicate::InList { expr, list, array: false, negated } => {
            let list: Vec<String> = list.iter().map(expression).collect();
            let (op, list) = (if *negated { "<> all" } else { "= any" }, list.join(" , "));
            format!("{} {op} array [ {list} ]", expression(expr))
        }
        Predicate::IsNull { expr, negated } => {
            format!("{} is {}null", expression(expr), if *negated { "not " } else { "" })
        }
        Predicate::Bool { expr, negated } => format!("{}{}", if *negated { "not " } else { "" }, expression(expr)),
        Predicate::Other(expr) => expression(expr),
        Predicate::Or(branches) => {
            let branch = |branch: &Vec<Predicate>| -> Option<String> {
                Some(branch.iter().map(self::predicate).collect::<Option<Vec<_>>>()?.join(" and "))
            };
            branches.iter().map(branch).collect::<Option<Vec<_>>>()?.join(" or ")
        }
        Predicate::InList { array: true, .. }
        | Predicate::InSubquery { .. }
        | Predicate::Exists { .. }
        | Predicate::RowCompare { .. } => return None,
    })
}

fn operator(op: &CompareOp) -> &str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::Like { insensitive: false, negated: false } => "~~",
        CompareOp::Like { insensitive: false, negated: true } => "!~~",
        CompareOp::Like { insensitive: true, negated: false } => "~~*",
        CompareOp::Like { insensitive: true, negated: true } => "!~~*",
        CompareOp::Other(symbol) => symbol,
    }
}

/// The conjuncts of an index's predicate in canonical form.
pub(crate) fn conjuncts(text: &str) -> Vec<String> {
    let canonical = canonical(text);
    // A disjunction or a range is one condition.
    if canonical.contains(" or ") || canonical.contains(" between ") || canonical.contains("case ") {
        return vec![canonical];
    }
    canonical.split(" and ").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_form_and_the_users_form_meet() {
        let check = |a: &str, b: &str| assert_eq!(canonical(a), canonical(b));
        check("lower((email)::text)", "LOWER(u.email)");
        check("((status)::text = 'Pending'::text)", "status = 'Pending'");
        check("(payload ->> 'k'::text)", "o.payload->>'k'");
        check("date_trunc('day'::text, created_at)", "date_trunc('day', created_at)");
        check("((state)::character varying(20) = 'x'::bpchar)", "state='x'");
        assert_ne!(canonical("status = 'A'"), canonical("status = 'a'"));
    }

    #[test]
    fn predicates_are_split_at_and() {
        assert_eq!(conjuncts("((deleted_at IS NULL) AND (NOT archived))"), ["deleted_at is null", "not archived"]);
        assert_eq!(conjuncts("((a = 1) OR (b = 2))").len(), 1);
    }
}
