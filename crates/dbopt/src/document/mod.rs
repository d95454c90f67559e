//! Results as documents to read.

pub(crate) mod advise;
pub(crate) mod apply;
pub(crate) mod audit;
mod coverage;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod gdpr;
pub(crate) mod gdpr_erase;
pub(crate) mod gdpr_export;
pub(crate) mod gdpr_init;
pub(crate) mod gdpr_record;
pub(crate) mod gdpr_request;
pub(crate) mod gdpr_verify;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod logs;
pub(crate) mod maintain;
pub(crate) mod migrate;
pub(crate) mod password;
pub(crate) mod re_encrypt;
pub(crate) mod simulation;
pub(crate) mod token;

/// A statement cut to a length that fits a line, on one line.
fn one_line(sql: &str, most: usize) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn long_statements_are_cut() {
        assert_eq!(one_line("select  a\n from b", 40), "select a from b");
        assert_eq!(one_line("select a from b", 9), "select a…");
    }
}
