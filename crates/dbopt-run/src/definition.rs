//! Whether two texts define the same index.
//!
//! `pg_get_indexdef` prints what was written with parentheses and casts of its own: `status = 'open'` comes back as
//! `(status = 'open'::text)`. Definitions are therefore compared token by token without either. What is left out says
//! how a value is read and in which order operators bind; two definitions that differ in nothing else, of one name on
//! one table, came from one statement.

use dbopt_sql::lex;

/// Whether two `CREATE INDEX` statements define the same index, `CONCURRENTLY` and what the server adds aside.
#[must_use]
pub fn same_definition(one: &str, two: &str) -> bool {
    words(one) == words(two)
}

/// Words of type names of more than one word that follow the first.
const TYPE_TAILS: [&str; 6] = ["varying", "precision", "with", "without", "time", "zone"];

fn words(sql: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut tokens = lex(sql.as_bytes()).filter_map(|token| sql.get(token.start..token.end)).peekable();
    while let Some(word) = tokens.next() {
        match word {
            "(" | ")" | ";" => {}
            "::" => {
                tokens.next();
                while let Some(next) = tokens.peek().copied() {
                    if next == "." {
                        tokens.next();
                        tokens.next();
                    } else if ["[", "]"].contains(&next) || TYPE_TAILS.contains(&&*next.to_lowercase()) {
                        tokens.next();
                    } else {
                        break;
                    }
                }
            }
            _ if word.eq_ignore_ascii_case("concurrently") && words.last().is_some_and(|last| last == "index") => {}
            _ if word.starts_with(['"', '\'', '$']) => words.push(word.to_owned()),
            _ => words.push(word.to_lowercase()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_adds_is_overlooked() {
        let printed = "CREATE INDEX i ON public.t USING btree (a, lower((b)::text)) \
                       WHERE ((status = 'open'::text) AND (at > '2024-01-01'::timestamp without time zone))";
        let written = "create index concurrently i ON public.t USING btree (a, lower(b)) \
                       WHERE status = 'open' AND at > '2024-01-01';";
        assert!(same_definition(printed, written));
    }

    #[test]
    fn what_differs_is_seen() {
        let one = "CREATE INDEX i ON public.t USING btree (a) WHERE (status = 'open'::text)";
        for two in [
            "CREATE INDEX i ON public.t USING btree (b) WHERE (status = 'open'::text)",
            "CREATE INDEX i ON public.t USING btree (a) WHERE (status = 'Open'::text)",
            "CREATE UNIQUE INDEX i ON public.t USING btree (a) WHERE (status = 'open'::text)",
            "CREATE INDEX i ON app.t USING btree (a) WHERE (status = 'open'::text)",
            "CREATE INDEX i ON public.t USING btree (a)",
            "CREATE INDEX \"I\" ON public.t USING btree (a) WHERE (status = 'open'::text)",
        ] {
            assert!(!same_definition(one, two), "{two}");
        }
    }
}
