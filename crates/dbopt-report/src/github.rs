//! Workflow commands, which GitHub Actions shows beside the lines of a change:
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::fmt::Write;

use dbopt_finding::{Finding, Severity};

use crate::safe::controls;

/// The findings as `::error file=…,line=…,col=…,title=…::message`. The help is the message's second line.
#[must_use]
pub fn print(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let _ = write!(out, "::{command} ");
        if let Some(place) = &finding.place {
            let _ = write!(out, "file={},", property(place.file.strip_prefix("./").unwrap_or(&place.file)));
            if let Some(position) = place.position {
                let _ = write!(out, "line={},col={},", position.line, position.column);
            }
        }
        let _ = write!(out, "title={}::{}", property(finding.code.0), data(&finding.message));
        if let Some(help) = &finding.help {
            let _ = write!(out, "%0A{}", data(help));
        }
        out.push('\n');
    }
    out
}

/// Without this, a line end in a message could begin a command of its own.
fn data(text: &str) -> String {
    // A carriage return is a control character, and written out with the others.
    controls(text).replace('%', "%25").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_commands_and_nothing_in_them_is() {
        insta::assert_snapshot!(print(&crate::sample::findings()), @r"
        ::error file=a%2Cb/run.toml,line=3,col=7,title=wrong-type::`zone` is 1%0A::error::100%25%0AWrite a string.
        ::warning file=/etc/run.toml,title=old-key::a\u{1b}[31mb
        ::notice title=no-place::nothing to do
        ");
    }
}
