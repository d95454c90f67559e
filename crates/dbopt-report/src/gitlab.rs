//! GitLab's code quality report: <https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>.

use std::collections::BTreeMap;

use dbopt_finding::{Finding, Severity};
use serde_json::{Value, json};

/// The findings as the report's JSON. A finding without a place stands at the first line of a file named `-`, because
/// each must have one.
#[must_use]
pub fn print(findings: &[Finding]) -> String {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let issues: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let file = finding.place.as_ref().map_or("-", |place| place.file.as_str());
            let path = file.strip_prefix("./").unwrap_or(file);
            let line = finding.place.as_ref().and_then(|place| place.position).map_or(1, |position| position.line);
            // Lines move, so they are no part of what makes an issue the same as in the report before; how often the
            // same was found above is.
            let same = format!("{}\0{path}\0{}", finding.code, finding.message);
            let nth = seen.entry(same.clone()).and_modify(|nth| *nth += 1).or_insert(0);
            json!({
                "description": finding.message,
                "check_name": finding.code,
                "fingerprint": format!("{:016x}", fnv(&format!("{same}\0{nth}"))),
                "severity": match finding.severity {
                    Severity::Error => "major",
                    Severity::Warning => "minor",
                    Severity::Note => "info",
                },
                "location": { "path": path, "lines": { "begin": line } },
            })
        })
        .collect();
    format!("{:#}\n", Value::Array(issues))
}

/// FNV-1a, a hash that stays the same for ever: <https://datatracker.ietf.org/doc/html/rfc9923>.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv("a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn findings_are_issues() {
        insta::assert_snapshot!(print(&crate::sample::findings()), @r#"
        [
          {
            "check_name": "wrong-type",
            "description": "`zone` is 1\n::error::100%",
            "fingerprint": "868d86c8c86b352f",
            "location": {
              "lines": {
                "begin": 3
              },
              "path": "a,b/run.toml"
            },
            "severity": "major"
          },
          {
            "check_name": "old-key",
            "description": "a\u001b[31mb",
            "fingerprint": "98de344ee0d824f1",
            "location": {
              "lines": {
                "begin": 1
              },
              "path": "/etc/run.toml"
            },
            "severity": "minor"
          },
          {
            "check_name": "no-place",
            "description": "nothing to do",
            "fingerprint": "53e405a84e53e3e4",
            "location": {
              "lines": {
                "begin": 1
              },
              "path": "-"
            },
            "severity": "info"
          }
        ]
        "#);
    }

    #[test]
    fn the_same_twice_are_two_issues() {
        let finding = crate::sample::findings().swap_remove(0);
        let text = print(&[finding.clone(), finding]);
        let issues: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        assert_ne!(issues[0]["fingerprint"], issues[1]["fingerprint"]);
    }
}
