//! Body of the fuzz target for the texts that connection settings are read from.

use crate::keyword::Keyword;
use crate::passfile::{self, Account};
use crate::{keyvalue, redact, service, uri};

/// Body of the fuzz target: any text is parameters or an error at a place inside it; parameters that are written as
/// `key='value'` are read as they were; and what is shown of them does not depend on the password.
///
/// # Panics
///
/// When a law is broken, which is a bug.
#[doc(hidden)]
pub fn fuzz_connection(text: &str) {
    let is_uri = uri::is_uri(text);
    match if is_uri { uri::parse(text) } else { keyvalue::parse(text) } {
        Ok(found) => {
            assert_eq!(written_and_read(&found), values(&found));
            let public: Vec<_> = found.into_iter().filter(|(keyword, _)| keyword.name != "password").collect();
            if is_uri || text.contains('=') {
                assert_eq!(redact(text), if public.is_empty() { String::new() } else { redact(&write(&public)) });
            }
        }
        Err(error) => {
            let inside = 1..=text.chars().count() + 1;
            assert!(error.position().is_none_or(|at| inside.contains(&at)), "{error:?}");
        }
    }
    if let Ok(Some(found)) = service::find(text, "fuzz") {
        assert_eq!(written_and_read(&found), values(&found));
    }
    let account = Account { host: "h", port: 5432, dbname: "d", user: "u" };
    assert_ne!(passfile::find(text, account).as_deref(), Some(""), "an empty password is none");
}

type Found = [(&'static Keyword, String)];

fn written_and_read(found: &Found) -> Vec<(&'static str, String)> {
    values(&keyvalue::parse(&write(found)).expect("what is written properly can be read"))
}

fn write(found: &Found) -> String {
    let quoted = |value: &str| value.replace('\\', r"\\").replace('\'', r"\'");
    found.iter().map(|(keyword, value)| format!("{}='{}'", keyword.name, quoted(value))).collect::<Vec<_>>().join(" ")
}

fn values(found: &Found) -> Vec<(&'static str, String)> {
    found.iter().map(|(keyword, value)| (keyword.name, value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_laws_hold_for_pieces_in_any_order(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "postgres://", "host", "password", "user", "=", "'", "\\", " ", "a", ":", "@", "/", "?", "&", ",", "[", "]",
                "%", "41", "ü", "\n", "[fuzz]", "#", "*", "h:5432:d:u:",
            ]), 0..16)
        ) {
            super::fuzz_connection(&pieces.concat());
        }
    }
}
