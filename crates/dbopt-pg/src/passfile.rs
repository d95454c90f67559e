//! The password file, `~/.pgpass`: lines of `host:port:database:user:password`.
//!
//! Source: PostgreSQL docs, "libpq-pgpass".

/// Whom the password is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a> {
    /// Host name, address, or `localhost` for the default socket folder.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) dbname: &'a str,
    pub(crate) user: &'a str,
}

/// The password of the first line that matches.
pub(crate) fn find(text: &str, account: Account<'_>) -> Option<String> {
    let port = account.port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line.strip_suffix('\r').unwrap_or(line);
        for wanted in [account.host, &port, account.dbname, account.user] {
            let (field, after) = take_field(rest);
            // Only a bare star matches everything; an escaped one is the letter.
            let bare = rest.starts_with("*:");
            rest = after?;
            if !bare && field != wanted {
                return None;
            }
        }
        let (password, _) = take_field(rest);
        (!password.is_empty()).then_some(password)
    })
}

/// Unescapes up to the next bare colon; what follows it, if it was there.
fn take_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            ':' => return (field, Some(&text[at + 1..])),
            '\\' => field.extend(letters.next().map(|(_, letter)| letter)),
            _ => field.push(letter),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let account = Account { host: "db.example", port: 5432, dbname: "shop", user: "an:na" };
        assert_eq!(find(text, account).as_deref(), expected, "{text}");
    }

    #[test]
    fn the_first_matching_line_gives_the_password() {
        check(r"db.example:5432:shop:an\:na:one", Some("one"));
        check("*:*:*:*:any", Some("any"));
        check("other:*:*:*:no\n*:5432:*:*:yes\n*:*:*:*:late", Some("yes"));
        check("#*:*:*:*:comment\n*:*:*:*:real\r\n", Some("real"));
        check(r"*:*:*:*:a\:b\\c", Some(r"a:b\c"));
        check("*:*:*:*:a:b", Some("a"));
        check(r"\*:*:*:*:x", None);
        check("*:*:*", None);
        check("*:*:*:*:", None);
        check("", None);
    }
}
