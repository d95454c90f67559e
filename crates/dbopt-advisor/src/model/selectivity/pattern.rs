//! `patternsel` of `like_support.c`: `LIKE` and `ILIKE` with a known pattern.

use crate::model::{
    datum::Datum,
    selectivity::{DEFAULT_MATCH, Side, Var, compare, equal_to, share},
};

/// The fixed text that a pattern begins with, and whether there is more after it.
pub(crate) fn prefix_of(pattern: &str) -> (String, bool) {
    let mut prefix = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => return (prefix, true),
            '\\' => prefix.extend(chars.next()),
            c => prefix.push(c),
        }
    }
    (prefix, false)
}

/// `var LIKE pattern`; `None` stands for a pattern that is not known.
pub(crate) fn like(var: &Var<'_>, pattern: Option<&str>, insensitive: bool, negated: bool) -> f64 {
    let Some(pattern) = pattern else { return if negated { 1.0 - DEFAULT_MATCH } else { DEFAULT_MATCH } };
    let (prefix, more) = prefix_of(pattern);
    let nulls = var.null_fraction();
    if !more && !insensitive {
        let equal = equal_to(var, &Datum::Text(prefix));
        return if negated { share(1.0 - equal - nulls) } else { equal };
    }
    let pattern = Pattern::new(pattern, insensitive);
    let bounds = &var.values.histogram;
    // The bounds are a sample of the values, its ends left out.
    let inner = if bounds.len() > 2 { &bounds[1..bounds.len() - 1] } else { &[][..] };
    let sampled = inner.iter().filter(|bound| pattern.matches(bound)).count() as f64 / inner.len().max(1) as f64;
    let mut rest = sampled;
    if bounds.len() < 100 {
        // Too small a sample to be believed alone.
        let begins = if prefix.is_empty() || insensitive { 1.0 } else { prefix_share(var, &prefix) };
        let fixed = if insensitive { 0 } else { prefix.len() };
        let guessed = share(begins * pattern.rest_share(fixed));
        let weight = if bounds.len() < 10 { 0.0 } else { bounds.len() as f64 / 100.0 };
        rest = sampled * weight + guessed * (1.0 - weight);
    }
    let rest = rest.clamp(0.0001, 0.9999);
    let common: f64 =
        var.common().filter(|(datum, _)| datum.is_some_and(|d| pattern.matches(d))).map(|(_, share)| share).sum();
    let matched = share(rest * share(1.0 - nulls - var.common_share()) + common);
    if negated { share(1.0 - matched - nulls) } else { matched }
}

/// `prefix_selectivity`: values between the prefix and the next greater one.
pub(crate) fn prefix_share(var: &Var<'_>, prefix: &str) -> f64 {
    let low = Datum::Text(prefix.to_owned());
    let from = compare(var, Side { greater: true, or_equal: true }, Some(&low));
    let mut share = from;
    if let Some(next) = next_string(prefix) {
        share += compare(var, Side { greater: false, or_equal: false }, Some(&Datum::Text(next))) - 1.0
            + var.null_fraction();
    }
    // At least as much as the prefix itself.
    share.max(equal_to(var, &low)).clamp(1e-10, 1.0)
}

/// The least string above all that begin with the prefix (`make_greater_string`).
fn next_string(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = char::from_u32(u32::from(last) + 1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

struct Pattern {
    chars: Vec<char>,
    insensitive: bool,
}

impl Pattern {
    fn new(pattern: &str, insensitive: bool) -> Self {
        let fold = |c: char| if insensitive { c.to_ascii_lowercase() } else { c };
        // A pattern longer than any indexed value is only looked at as far as that.
        Self { chars: pattern.chars().take(1000).map(fold).collect(), insensitive }
    }

    fn matches(&self, datum: &Datum) -> bool {
        let Datum::Text(text) = datum else { return false };
        let fold = |c: char| if self.insensitive { c.to_ascii_lowercase() } else { c };
        let text: Vec<char> = text.chars().take(1000).map(fold).collect();
        matches(&self.chars, &text)
    }

    /// `like_selectivity` of what follows the first `fixed` bytes.
    fn rest_share(&self, fixed: usize) -> f64 {
        let mut share = 1.0;
        let mut skipped = 0;
        let mut chars = self.chars.iter();
        while skipped < fixed
            && let Some(c) = chars.next()
        {
            if *c != '\\' {
                skipped += c.len_utf8();
            }
        }
        // A wildcard at the very start was counted by the prefix.
        for c in chars.by_ref() {
            share *= match c {
                '%' => 5.0,
                '_' => 0.9,
                _ => 0.2,
            };
        }
        // A leading wildcard gains nothing.
        if self.chars.first() == Some(&'%') && share > 0.0 {
            share /= 5.0;
        }
        f64::min(share, 1.0)
    }
}

/// `LIKE` without recursion: on a mismatch, the last `%` takes one more character.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut resume: Option<(usize, usize)> = None;
    while t < text.len() {
        let literal = match pattern.get(p) {
            Some('%') => {
                resume = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('_') => {
                p += 1;
                t += 1;
                continue;
            }
            Some('\\') => pattern.get(p + 1).map(|c| (*c, 2)),
            Some(c) => Some((*c, 1)),
            None => None,
        };
        match (literal, resume) {
            (Some((c, step)), _) if c == text[t] => {
                p += step;
                t += 1;
            }
            (_, Some((after, from))) => {
                resume = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{datum::Family, selectivity::tests::*};

    #[test]
    fn patterns_match_as_like_does() {
        let check = |pattern: &str, text: &str| Pattern::new(pattern, false).matches(&Datum::Text(text.into()));
        assert!(check("a%c", "abbc") && check("%b%", "abc") && check("_b_", "abc") && check("100\\%", "100%"));
        assert!(!check("a%c", "abcd") && !check("_", "ab") && !check("100\\%", "1000"));
        assert!(Pattern::new("AB%", true).matches(&Datum::Text("abc".into())));
    }

    #[test]
    fn a_prefix_ends_at_the_first_wildcard() {
        assert_eq!(prefix_of("ab%c"), ("ab".into(), true));
        assert_eq!(prefix_of("a\\%b"), ("a%b".into(), false));
    }

    #[test]
    fn common_values_count_in_full() {
        let statistics = statistics(3.0, &[("apple", 0.5), ("avocado", 0.2), ("pear", 0.3)], &[]);
        let found = with(Some(&statistics), Family::Bytes, |var| like(var, Some("a%"), false, false));
        assert!((found - 0.7).abs() < 0.01, "{found}");
    }
}
