//! Room for the recursion that a syntax tree needs, so that no text can exhaust the stack.
//!
//! sqlparser bounds the nesting that it recurses into, but not the length of a chain such as `a OR b OR c …`, which makes
//! a tree as deep as the chain is long; walking, printing and dropping it recurse. The depth is bounded from the tokens
//! before anything is parsed: siblings are separated by commas, so no branch is longer than the tokens since the last comma
//! on each level of parentheses, plus the set operations so far.

use std::thread;

use super::{is_mark, is_word};
use crate::lexer::Token;

/// Nested expressions and sub-selects that sqlparser recurses into.
pub(super) const RECURSION_LIMIT: usize = 100;

/// Open parentheses and brackets beyond which a text is read from its tokens. It is below [`RECURSION_LIMIT`], and bounds the
/// time that the parser may spend on trying what each of them begins.
const DEEPEST_PARENTHESES: usize = 40;
/// What `JOIN` counts: sqlparser recurses, without counting, into a join whose `ON` is not there yet, and by large steps.
const JOIN: usize = 16;
/// Trees up to this depth are walked on the caller's stack.
const SHALLOW: usize = 300;
/// Trees up to this depth get a stack of their own; deeper ones are read from the tokens.
const DEEPEST: usize = 10_000;
/// Bytes of stack for one level of a tree, more than a build without optimisation takes.
const STACK_PER_LEVEL: usize = 16 << 10;

/// Runs the work with a stack that suffices for the statement's syntax tree; `None` when the statement is too deep.
pub(super) fn with_stack_for<T: Send>(sql: &str, tokens: &[Token], work: impl FnOnce() -> T + Send) -> Option<T> {
    let depth = depth(sql, tokens)?;
    if depth <= SHALLOW {
        return Some(work());
    }
    // The pages of a stack are only taken when they are used.
    let size = (SHALLOW + depth) * STACK_PER_LEVEL;
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("dbopt-sql".to_owned()).stack_size(size).spawn_scoped(scope, work);
        thread.ok()?.join().ok()
    })
}

/// An upper bound of the depth of the statement's syntax tree; `None` beyond what is worth parsing.
fn depth(sql: &str, tokens: &[Token]) -> Option<usize> {
    let mut open = vec![Level::default()];
    for token in tokens {
        if is_mark(sql, token, "(") || is_mark(sql, token, "[") {
            open.push(Level::default());
            if open.len() > DEEPEST_PARENTHESES {
                return None;
            }
            continue;
        }
        if is_mark(sql, token, ")") || is_mark(sql, token, "]") {
            close(&mut open);
            continue;
        }
        let Some(level) = open.last_mut() else { continue };
        if is_mark(sql, token, ",") {
            level.end_element();
            continue;
        }
        level.tokens += if is_word(sql, token, "join") { JOIN } else { 1 };
        if ["union", "intersect", "except"].iter().any(|word| is_word(sql, token, word)) {
            level.set_operations += 1;
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    let depth = open.pop().map_or(0, Level::depth);
    (depth <= DEEPEST).then_some(depth)
}

fn close(open: &mut Vec<Level>) {
    if open.len() > 1
        && let Some(closed) = open.pop()
        && let Some(outer) = open.last_mut()
    {
        outer.inner = outer.inner.max(closed.depth());
    }
}

/// One level of parentheses.
#[derive(Default)]
struct Level {
    /// Tokens since the last comma.
    tokens: usize,
    /// The deepest parentheses since the last comma.
    inner: usize,
    /// The deepest of the elements before the last comma.
    deepest: usize,
    set_operations: usize,
}

impl Level {
    fn end_element(&mut self) {
        self.deepest = self.deepest.max(self.tokens + self.inner);
        self.tokens = 0;
        self.inner = 0;
    }

    fn depth(mut self) -> usize {
        self.end_element();
        self.deepest + self.set_operations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::lex;

    fn of(sql: &str) -> Option<usize> {
        depth(sql, &lex(sql.as_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn lists_are_flat_and_chains_are_deep() {
        assert_eq!(of("a in (1, 2, 3)"), of("a in (1)"));
        assert_eq!(of("f(a or b, c)"), Some(4));
        assert_eq!(of("(a or b) or c"), Some(5));
        assert_eq!(of("select a, b union select a, b union select a, b"), Some(6));
        assert_eq!(of(&"or a ".repeat(1000)), Some(2000));
        assert_eq!(of(&"(".repeat(100)), None);
        assert_eq!(of(&"or a ".repeat(100_000)), None);
    }
}
