//! The connection service file, `pg_service.conf`.
//!
//! Source: PostgreSQL docs, "libpq-pgservice".

use crate::keyword::{Keyword, find_or_suggest};
use crate::settings_error::SettingsError;

/// Finds a service in the text of a service file; none when the file does not define it.
///
/// Within a service the first value of a parameter wins, as in libpq.
pub(crate) fn find(text: &str, service: &str) -> Result<Option<Vec<(&'static Keyword, String)>>, SettingsError> {
    let mut found: Option<Vec<(&'static Keyword, String)>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_matches(|c: char| c.is_ascii_whitespace());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if name.strip_suffix(']') == Some(service) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(values) = found.as_mut() else { continue };
        let fault = |error: SettingsError| error.origin(format!("line {} of the service file", number + 1));
        if line.starts_with("ldap") {
            return Err(fault(SettingsError::new("service definitions in LDAP are not supported")));
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(fault(SettingsError::new("missing `=` in a service definition")));
        };
        if name == "service" || name == "servicefile" {
            return Err(fault(SettingsError::new(format!("`{name}` is not allowed in a service definition"))));
        }
        let keyword = find_or_suggest(name).map_err(fault)?;
        if values.iter().all(|(known, _)| known.name != keyword.name) {
            values.push((keyword, value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\n[one]\nhost=a\n  port=1  \nhost=ignored\n\n[two]\nhost=b\nnonsense\n[bad]\nhots=c\n[nested]\nservice=one\n";

    fn check(service: &str, expected: &str) {
        let shown = match find(FILE, service) {
            Ok(Some(values)) => {
                values.iter().map(|(key, value)| format!("{}={value}", key.name)).collect::<Vec<_>>().join(" ")
            }
            Ok(None) => "none".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn services_are_found_and_faults_have_their_line() {
        check("one", "host=a port=1");
        check("two", "missing `=` in a service definition (from line 9 of the service file)");
        check("bad", "unknown connection parameter `hots` (from line 11 of the service file)");
        check("nested", "`service` is not allowed in a service definition (from line 13 of the service file)");
        check("absent", "none");
    }
}
