//! The schemas to read.

use dbopt_finding::Finding;
use tokio_postgres::types::Type;

use super::{ReadOptions, error::Error, session::Session};

/// The oids of the schemas that the options choose; a pattern that chooses none is an error of the user.
pub(super) async fn read(
    session: &Session<'_>,
    options: &ReadOptions,
    findings: &mut Vec<Finding>,
) -> Result<Vec<u32>, Error> {
    let patterns: Vec<String> =
        options.schemas.iter().chain(&options.exclude_schemas).map(|pattern| regular_expression(pattern)).collect();
    let sql = include_str!("../queries/schemas.sql");
    let rows = session.query("the schemas", sql, &[(&patterns, Type::TEXT_ARRAY)]).await?;
    let mut used = vec![false; patterns.len()];
    let mut chosen = Vec::new();
    for row in &rows {
        let matches: Vec<bool> = row.get("matches")?;
        used.iter_mut().zip(&matches).for_each(|(used, matched)| *used |= matched);
        let (wanted, unwanted) = matches.split_at(options.schemas.len().min(matches.len()));
        if (wanted.is_empty() || wanted.contains(&true)) && !unwanted.contains(&true) {
            chosen.push(row.get("oid")?);
        }
    }
    // As with pg_dump, it is no fault when there is nothing to leave out.
    for (pattern, _) in options.schemas.iter().zip(&used).filter(|(_, used)| !**used) {
        findings.push(Finding::error("catalog-schema-not-found", format!("no schema matches `{pattern}`")));
    }
    Ok(chosen)
}

/// A pattern as psql and pg_dump have them, as a regular expression of the server: `*` and `?` stand for any characters
/// and any one, names fold to lower case, and double quotes keep what is within them as it is.
fn regular_expression(pattern: &str) -> String {
    let mut text = String::from("^(");
    let mut quoted = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                text.push('"');
            }
            '"' => quoted = !quoted,
            '*' if !quoted => text.push_str(".*"),
            '?' if !quoted => text.push('.'),
            c if c.is_alphanumeric() || c == '_' => {
                if quoted {
                    text.push(c);
                } else {
                    text.extend(c.to_lowercase());
                }
            }
            c => {
                if c.is_ascii_punctuation() {
                    text.push('\\');
                }
                text.push(c);
            }
        }
    }
    text.push_str(")$");
    text
}

#[cfg(test)]
mod tests {
    use super::regular_expression;

    #[test]
    fn patterns_are_those_of_psql() {
        assert_eq!(regular_expression("App_*"), "^(app_.*)$");
        assert_eq!(regular_expression("\"App\"?"), "^(App.)$");
        assert_eq!(regular_expression("\"a*b\"\"c\""), "^(a\\*b\"c)$");
        assert_eq!(regular_expression("a$b"), "^(a\\$b)$");
    }
}
