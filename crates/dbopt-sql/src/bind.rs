//! Logged parameters put into the statement they belong to.

use crate::{
    lexer::{TokenKind, lex},
    quote::quote_literal,
};

/// The statement with each `$n` replaced by the value of parameter n, as a constant; `None` is `NULL`.
///
/// A parameter that has no value in the list stays. Parameters are found by tokens, so one inside a string, a comment or a
/// quoted name is left alone. The constants are untyped, as a client's parameters of unknown type are.
///
/// ```
/// use dbopt_sql::bind_parameters;
/// let values = [Some("o'brien".to_owned()), None];
/// let bound = bind_parameters("select * from t where a = $1 and b is not distinct from $2 and c = '$1'", &values);
/// assert_eq!(bound, "select * from t where a = 'o''brien' and b is not distinct from NULL and c = '$1'");
/// ```
#[must_use]
pub fn bind_parameters(sql: &str, parameters: &[Option<String>]) -> String {
    let mut bound = String::with_capacity(sql.len() + 16 * parameters.len());
    let mut copied = 0;
    for token in lex(sql.as_bytes()).filter(|token| token.kind == TokenKind::Param) {
        let number: Option<usize> = sql[token.start + 1..token.end].parse().ok();
        let Some(value) = number.and_then(|number| parameters.get(number.checked_sub(1)?)) else { continue };
        bound.push_str(&sql[copied..token.start]);
        if joins(bound.bytes().next_back()) {
            bound.push(' ');
        }
        match value {
            Some(value) => bound.push_str(&quote_literal(value)),
            None => bound.push_str("NULL"),
        }
        if joins(sql.as_bytes().get(token.end).copied()) {
            bound.push(' ');
        }
        copied = token.end;
    }
    bound.push_str(&sql[copied..]);
    bound
}

/// Whether a constant that stands right beside a byte could be taken for one token with it, as in `$1and` or `u&$1`.
fn joins(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_$'\"&".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_tokens_of_their_own() {
        let values = [Some("x".to_owned()), None];
        assert_eq!(bind_parameters("$1and $2and u&$1,$1$2", &values), "'x' and NULL and u& 'x','x' NULL");
    }

    #[test]
    fn parameters_without_a_value_stay() {
        assert_eq!(
            bind_parameters("$1 $2 $0 $99999999999999999999", &[Some("1".to_owned())]),
            "'1' $2 $0 $99999999999999999999"
        );
    }
}
