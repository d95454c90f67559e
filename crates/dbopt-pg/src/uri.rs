//! Connection URIs: `postgresql://user:password@host:port,host2/dbname?key=value`.
//!
//! Follows libpq's own parser rather than RFC 3986 (PostgreSQL docs, "libpq-connect", 34.1.1.2): parts may be empty,
//! there may be several hosts, and each part is percent-decoded after it has been cut out. One thing is stricter: a
//! raw `@` in the path. libpq takes it as a letter of the database name, but it practically always is the end of a
//! password with an unescaped `/`, the first half of which would then be looked up as a port and end up in messages.

use crate::keyword::{Keyword, find_or_suggest};
use crate::settings_error::SettingsError;

/// Whether libpq would take this text as a URI.
pub(crate) fn is_uri(text: &str) -> bool {
    body(text).is_some()
}

/// Takes a URI apart into parameters with their values, in order; a later value of a parameter wins.
pub(crate) fn parse(text: &str) -> Result<Vec<(&'static Keyword, String)>, SettingsError> {
    Parser { text, at: text.len() - body(text).unwrap_or(text).len(), found: Vec::new() }.run()
}

fn body(text: &str) -> Option<&str> {
    ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme))
}

struct Parser<'a> {
    text: &'a str,
    /// Byte offset of what comes next, `at <= text.len()`, at a character boundary.
    at: usize,
    found: Vec<(&'static Keyword, String)>,
}

impl<'a> Parser<'a> {
    fn run(mut self) -> Result<Vec<(&'static Keyword, String)>, SettingsError> {
        self.user_and_password()?;
        self.hosts()?;
        if self.take("/") {
            let start = self.at;
            let name = self.until("?");
            if name.contains('@') {
                return Err(SettingsError::new("unexpected `@` in the database name of a URI")
                    .at(self.text, start)
                    .hint("write `/` in a user name or password as %2F, and `@` in a database name as %40"));
            }
            self.store("dbname", name, start)?;
        }
        if self.take("?") {
            self.parameters()?;
        }
        Ok(self.found)
    }

    fn user_and_password(&mut self) -> Result<(), SettingsError> {
        let start = self.at;
        let credentials = self.until("@/");
        if !self.take("@") {
            self.at = start;
            return Ok(());
        }
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        self.store("user", user, start)?;
        if let Some(password) = password {
            self.store("password", password, start + user.len() + 1)?;
        }
        Ok(())
    }

    fn hosts(&mut self) -> Result<(), SettingsError> {
        let start = self.at;
        let (mut hosts, mut ports) = (String::new(), String::new());
        loop {
            hosts.push_str(self.host()?);
            if self.take(":") {
                ports.push_str(self.until("/?,"));
            }
            if !self.take(",") {
                break;
            }
            hosts.push(',');
            ports.push(',');
        }
        self.store("host", &hosts, start)?;
        self.store("port", &ports, start)
    }

    fn host(&mut self) -> Result<&'a str, SettingsError> {
        let start = self.at;
        if !self.take("[") {
            return Ok(self.until(":/?,"));
        }
        let address = self.until("]");
        if !self.take("]") {
            return Err(self.error("missing `]` after an IPv6 address in a URI", start));
        }
        if address.is_empty() {
            return Err(self.error("empty IPv6 address in a URI", start));
        }
        if !self.rest().is_empty() && !self.rest().starts_with([':', '/', '?', ',']) {
            return Err(self.error("expected `:` or `/` after an IPv6 address in a URI", self.at));
        }
        Ok(address)
    }

    fn parameters(&mut self) -> Result<(), SettingsError> {
        while !self.rest().is_empty() {
            let start = self.at;
            let parameter = self.until("&");
            self.take("&");
            let Some((name, value)) = parameter.split_once('=') else {
                return Err(self.error("missing `=` in a URI parameter", start));
            };
            let value_start = start + name.len() + 1;
            if let Some(extra) = value.find('=') {
                return Err(self.error("unexpected `=` in a URI parameter", value_start + extra));
            }
            let (name, value) = (self.decode(name, start)?, self.decode(value, value_start)?);
            // JDBC's way to ask for TLS, which libpq takes as well.
            let (name, value) = if name == "ssl" && value == "true" {
                ("sslmode".to_owned(), "require".to_owned())
            } else {
                (name, value)
            };
            let keyword = find_or_suggest(&name).map_err(|error| error.at(self.text, start))?;
            self.found.push((keyword, value));
        }
        Ok(())
    }

    /// Decodes and keeps a part, unless it is empty.
    fn store(&mut self, name: &str, raw: &str, start: usize) -> Result<(), SettingsError> {
        if !raw.is_empty() {
            let value = self.decode(raw, start)?;
            self.found.push((find_or_suggest(name)?, value));
        }
        Ok(())
    }

    /// Percent-decoding. White space around a part is dropped, as libpq 18 does; within one it must be escaped.
    fn decode(&self, raw: &str, start: usize) -> Result<String, SettingsError> {
        let trimmed = raw.trim_matches(|c: char| c.is_ascii_whitespace());
        let start = start + (raw.len() - raw.trim_start_matches(|c: char| c.is_ascii_whitespace()).len());
        let mut decoded = Vec::with_capacity(trimmed.len());
        let mut bytes = trimmed.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            if byte.is_ascii_whitespace() {
                return Err(self.error("unescaped white space in a URI", start + at).hint("write a space as %20"));
            }
            if byte != b'%' {
                decoded.push(byte);
                continue;
            }
            let mut digit = || bytes.next().and_then(|(_, byte)| char::from(byte).to_digit(16));
            match digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
                Some(0) => return Err(self.error("forbidden %00 in a URI", start + at)),
                Some(byte) => decoded.push(byte),
                None => {
                    return Err(self
                        .error("`%` without two hexadecimal digits in a URI", start + at)
                        .hint("write a literal `%` as %25"));
                }
            }
        }
        String::from_utf8(decoded).map_err(|_| self.error("percent-encoded bytes that are not UTF-8 in a URI", start))
    }

    fn error(&self, message: &str, offset: usize) -> SettingsError {
        SettingsError::new(message).at(self.text, offset)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes the text up to the first of these characters or the end.
    fn until(&mut self, ends: &str) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| ends.contains(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Steps over a text when it comes next.
    fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parameters as `key='value'` in keyword order, or the error.
    fn check(uri: &str, expected: &str) {
        let shown = match parse(uri) {
            Ok(found) => crate::keyword::KEYWORDS
                .iter()
                .filter_map(|keyword| {
                    let (_, value) = found.iter().rev().find(|(found, _)| found.name == keyword.name)?;
                    Some(format!("{}={value}", keyword.name))
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{uri}");
    }

    /// The cases of PostgreSQL's own src/interfaces/libpq/t/001_uri.pl.
    #[test]
    fn uris_mean_what_they_mean_to_libpq() {
        check(
            "postgresql://uri-user:secret@host:12345/db",
            "host=host port=12345 dbname=db user=uri-user password=secret",
        );
        check("postgresql://uri-user@host:12345/db", "host=host port=12345 dbname=db user=uri-user");
        check("postgresql://uri-user@host/db", "host=host dbname=db user=uri-user");
        check("postgresql://host:12345/db", "host=host port=12345 dbname=db");
        check("postgresql://host/db", "host=host dbname=db");
        check("postgresql://uri-user@host:12345/", "host=host port=12345 user=uri-user");
        check("postgresql://uri-user@host/", "host=host user=uri-user");
        check("postgresql://uri-user@", "user=uri-user");
        check("postgresql://host:12345/", "host=host port=12345");
        check("postgresql://host:12345", "host=host port=12345");
        check("postgresql://host/", "host=host");
        check("postgresql://host", "host=host");
        check("postgresql://", "");
        check("postgresql://?hostaddr=127.0.0.1", "hostaddr=127.0.0.1");
        check("postgresql://example.com?hostaddr=63.1.2.4", "host=example.com hostaddr=63.1.2.4");
        check("postgresql://%68ost/", "host=host");
        check("postgresql://host/db?user=uri-user", "host=host dbname=db user=uri-user");
        check("postgresql://host/db?user=uri-user&port=12345", "host=host port=12345 dbname=db user=uri-user");
        check(
            "postgresql://host/db?u%73er=someotheruser&port=12345",
            "host=host port=12345 dbname=db user=someotheruser",
        );
        check(
            "postgresql://host/db?u%7aer=someotheruser&port=12345",
            "unknown connection parameter `uzer` at character 22",
        );
        check("postgresql://host:12345?user=uri-user", "host=host port=12345 user=uri-user");
        check("postgresql://host?user=uri-user", "host=host user=uri-user");
        check("postgresql://host?", "host=host");
        check("postgresql://[::1]:12345/db", "host=::1 port=12345 dbname=db");
        check("postgresql://[::1]/db", "host=::1 dbname=db");
        check("postgresql://[2001:db8::1234]/", "host=2001:db8::1234");
        check("postgresql://[200z:db8::1234]/", "host=200z:db8::1234");
        check("postgresql://[::1]", "host=::1");
        check("postgres://", "");
        check("postgres:///", "");
        check("postgres:///db", "dbname=db");
        check("postgres://uri-user@/db", "dbname=db user=uri-user");
        check("postgres://?host=/path/to/socket/dir", "host=/path/to/socket/dir");
        check("postgresql://host?uzer=", "unknown connection parameter `uzer` at character 19");
        check("postgres://[::1", "missing `]` after an IPv6 address in a URI at character 12");
        check("postgres://[]", "empty IPv6 address in a URI at character 12");
        check("postgres://[::1]z", "expected `:` or `/` after an IPv6 address in a URI at character 17");
        check("postgresql://host?zzz", "missing `=` in a URI parameter at character 19");
        check("postgresql://host?value1&value2", "missing `=` in a URI parameter at character 19");
        check("postgresql://host?key=key=value", "unexpected `=` in a URI parameter at character 26");
        check("postgres://host?dbname=%XXfoo", "`%` without two hexadecimal digits in a URI at character 24");
        check("postgresql://a%00b", "forbidden %00 in a URI at character 15");
        check("postgresql://%zz", "`%` without two hexadecimal digits in a URI at character 14");
        check("postgresql://%1", "`%` without two hexadecimal digits in a URI at character 14");
        check("postgresql://%", "`%` without two hexadecimal digits in a URI at character 14");
        check("postgres://@host", "host=host");
        check("postgres://host:/", "host=host");
        check("postgres://:12345/", "port=12345");
        check("postgres://otheruser@?host=/no/such/directory", "host=/no/such/directory user=otheruser");
        check("postgres://otheruser@/?host=/no/such/directory", "host=/no/such/directory user=otheruser");
        check("postgres://otheruser@:12345?host=/no/such/path", "host=/no/such/path port=12345 user=otheruser");
        check("postgres://otheruser@:12345/db?host=/p", "host=/p port=12345 dbname=db user=otheruser");
        check("postgres://:12345/db?host=/path/to/socket", "host=/path/to/socket port=12345 dbname=db");
        check("postgres://:12345?host=/path/to/socket", "host=/path/to/socket port=12345");
        check("postgres://%2Fvar%2Flib%2Fpostgresql/dbname", "host=/var/lib/postgresql dbname=dbname");
        check("postgresql://host?sslmode=disable", "host=host sslmode=disable");
        check("postgresql://host?  user = uri-user & port = 12345 ", "host=host port=12345 user=uri-user");
        check("postgresql://ho st", "unescaped white space in a URI at character 16");
    }

    #[test]
    fn further_cases() {
        check("postgresql://a:1,b,[::2]:3/db", "host=a,b,::2 port=1,,3 dbname=db");
        check("postgresql://u:p%40s%2Fs:x@h", "host=h user=u password=p@s/s:x");
        check("postgresql://u:p?w@h/d", "host=h dbname=d user=u password=p?w");
        check("postgresql://h/d?ssl=true", "host=h dbname=d sslmode=require");
        check("postgresql://h/%C3%A9", "host=h dbname=é");
        check("postgresql://h/%FF", "percent-encoded bytes that are not UTF-8 in a URI at character 16");
        check("postgresql://h/d?port=1&port=2", "host=h port=2 dbname=d");
    }

    #[test]
    fn an_unescaped_slash_in_a_password_is_not_repeated() {
        for uri in ["postgres://u:hun/ter2@h/db", "postgres://u:hun/ter?hunter=2@h/db", "postgres://u:h%/unter@h"] {
            let error = parse(uri).expect_err("a slash in the password");
            assert!(!error.to_string().contains("hun") && !error.to_string().contains("ter2"), "{error}");
        }
    }

    /// Percent-encodes everything but ASCII letters and digits.
    fn encode(text: &str) -> String {
        let encode = |byte: u8| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(encode).collect()
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(user in "[^\\x00]{1,8}", password in "[^\\x00]{1,8}", dbname in "[^\\x00]{1,8}") {
            let uri = format!("postgres://{}:{}@h:1/{}", encode(&user), encode(&password), encode(&dbname));
            let found = parse(&uri).expect("a well-formed URI");
            let value = |name: &str| found.iter().find(|(key, _)| key.name == name).map(|(_, value)| value.clone());
            prop_assert_eq!(value("user"), Some(user));
            prop_assert_eq!(value("password"), Some(password));
            prop_assert_eq!(value("dbname"), Some(dbname));
        }

        #[test]
        fn any_text_gives_parameters_or_an_error(rest in ".{0,60}", dense in "[a-z:/@?&=%,\\[\\] 0-9]{0,40}") {
            let _ = parse(&format!("postgres://{rest}"));
            let _ = parse(&format!("postgresql://{dense}"));
        }
    }
}
