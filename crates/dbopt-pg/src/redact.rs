//! Connection strings for display.

use crate::{keyvalue, uri};

/// A connection string without its password and its options, in `key=value` form.
///
/// What cannot be read is not shown at all, since then nobody can say where in it the password is. A plain database
/// name is shown as it is.
#[must_use]
pub fn redact(text: &str) -> String {
    let parsed = if uri::is_uri(text) {
        uri::parse(text)
    } else if text.contains('=') {
        keyvalue::parse(text)
    } else if text.contains([':', '@', '/']) {
        // A mistyped URI rather than a database name.
        return UNREADABLE.to_owned();
    } else {
        return text.to_owned();
    };
    const SHOWN: [&str; 6] = ["host", "hostaddr", "port", "dbname", "user", "service"];
    let Ok(found) = parsed else { return UNREADABLE.to_owned() };
    let shown = found.iter().filter(|(keyword, _)| SHOWN.contains(&keyword.name));
    shown.map(|(keyword, value)| format!("{}={value}", keyword.name)).collect::<Vec<_>>().join(" ")
}

const UNREADABLE: &str = "(unreadable connection string)";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_left_out_and_unreadable_text_altogether() {
        assert_eq!(redact("postgres://u:secret@h:1/db?sslmode=require"), "user=u host=h port=1 dbname=db");
        assert_eq!(redact("host=h password='secret' user=u"), "host=h user=u");
        assert_eq!(redact("shop"), "shop");
        assert_eq!(redact("postgres://u:sec/ret@h/db"), UNREADABLE);
        assert_eq!(redact("host=h password='secret"), UNREADABLE);
        assert_eq!(redact("postgre://u:secret@h"), UNREADABLE);
    }

    proptest! {
        /// Whatever the password, written properly or not, the text shown does not hold it.
        #[test]
        fn no_password_is_shown(password in "[a-z]{2}[!-~ ]{1,6}Z") {
            let raw = format!("postgres://someone:{password}@host/base");
            prop_assert!(!redact(&raw).contains(&password));
            let quoted = password.replace('\\', r"\\").replace('\'', r"\'");
            let shown = redact(&format!("host=h password='{quoted}' user=u"));
            prop_assert_eq!(shown, "host=h user=u");
        }
    }
}
