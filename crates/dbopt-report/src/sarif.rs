//! SARIF 2.1.0, the exchange format of static analysis:
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::{collections::BTreeSet, fmt::Write};

use dbopt_finding::{Finding, Severity};
use serde_json::{Value, json};

/// The findings as a log of one run of dbopt of this version.
#[must_use]
pub fn print(findings: &[Finding], version: &str) -> String {
    let rules: BTreeSet<_> = findings.iter().map(|finding| finding.code).collect();
    let rules: Vec<_> = rules.into_iter().collect();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| {
            let mut result = json!({
                "ruleId": finding.code,
                "ruleIndex": rules.binary_search(&finding.code).unwrap_or_default(),
                "level": match finding.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                    Severity::Note => "note",
                },
                "message": { "text": match &finding.help {
                    Some(help) => format!("{}\n{help}", finding.message),
                    None => finding.message.clone(),
                } },
            });
            if let Some(place) = &finding.place {
                let mut location = json!({ "artifactLocation": { "uri": uri(&place.file) } });
                if let Some(position) = place.position {
                    location["region"] = json!({ "startLine": position.line, "startColumn": position.column });
                    if let Some(snippet) = &place.snippet {
                        location["contextRegion"] =
                            json!({ "startLine": position.line, "snippet": { "text": snippet } });
                    }
                }
                result["locations"] = json!([{ "physicalLocation": location }]);
            }
            result
        })
        .collect();
    let rules: Vec<Value> = rules.iter().map(|code| json!({ "id": code })).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "dbopt", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

/// A path as a URI: relative paths stay so, and are relative to the root of the sources (SARIF 3.4.3).
fn uri(path: &str) -> String {
    let mut out = String::new();
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_results() {
        insta::assert_snapshot!(print(&crate::sample::findings(), "1.2.3"), @r#"
        {
          "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
          "runs": [
            {
              "columnKind": "unicodeCodePoints",
              "results": [
                {
                  "level": "error",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "a%2Cb/run.toml"
                        },
                        "contextRegion": {
                          "snippet": {
                            "text": "zone = 1"
                          },
                          "startLine": 3
                        },
                        "region": {
                          "startColumn": 7,
                          "startLine": 3
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "`zone` is 1\n::error::100%\nWrite a string."
                  },
                  "ruleId": "wrong-type",
                  "ruleIndex": 2
                },
                {
                  "level": "warning",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "file:///etc/run.toml"
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "a\u001b[31mb"
                  },
                  "ruleId": "old-key",
                  "ruleIndex": 1
                },
                {
                  "level": "note",
                  "message": {
                    "text": "nothing to do"
                  },
                  "ruleId": "no-place",
                  "ruleIndex": 0
                }
              ],
              "tool": {
                "driver": {
                  "name": "dbopt",
                  "rules": [
                    {
                      "id": "no-place"
                    },
                    {
                      "id": "old-key"
                    },
                    {
                      "id": "wrong-type"
                    }
                  ],
                  "version": "1.2.3"
                }
              }
            }
          ],
          "version": "2.1.0"
        }
        "#);
    }

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("a b/ü.toml"), "a%20b/%C3%BC.toml");
        assert_eq!(uri("/etc/run.toml"), "file:///etc/run.toml");
        assert_eq!(uri("./c:d.toml"), "c%3Ad.toml");
    }
}
