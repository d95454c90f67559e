//! One line for each finding, as GCC prints them and editors read them:
//! <https://gcc.gnu.org/onlinedocs/gcc/Diagnostic-Message-Formatting-Options.html>.

use std::fmt::Write;

use dbopt_finding::Finding;

use crate::safe::line;

/// The findings as `file:line:column: severity: message [code]`.
#[must_use]
pub fn print(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        if let Some(place) = &finding.place {
            let _ = write!(out, "{}:", line(&place.file));
            if let Some(position) = place.position {
                let _ = write!(out, "{}:{}:", position.line, position.column);
            }
            out.push(' ');
        }
        let _ = writeln!(out, "{}: {} [{}]", finding.severity, line(&finding.message), finding.code);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_lines() {
        insta::assert_snapshot!(print(&crate::sample::findings()), @r"
        ./a,b/run.toml:3:7: error: `zone` is 1\n::error::100% [wrong-type]
        /etc/run.toml: warning: a\u{1b}[31mb [old-key]
        note: nothing to do [no-place]
        ");
    }
}
