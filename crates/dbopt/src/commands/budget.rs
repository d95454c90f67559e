//! `--budget`: bytes with a unit, or percent.

use dbopt_advisor::Budget;

/// Reads `500MB`, `2 GB`, `1048576` or `20%`.
pub(crate) fn parse(text: &str) -> Result<Budget, String> {
    let help = "give bytes with a unit, such as `500MB` or `2GB`, or percent of the tables' size, such as `20%`";
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| help.to_owned())?;
    let unit: f64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "%" => return Ok(Budget::TableShare(number / 100.0)),
        "" | "b" | "bytes" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(help.to_owned()),
    };
    Ok(Budget::Bytes(number * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_read() {
        assert_eq!(parse("20%"), Ok(Budget::TableShare(0.2)));
        assert_eq!(parse("500MB"), Ok(Budget::Bytes(500.0 * 1024.0 * 1024.0)));
        assert_eq!(parse("1.5 GiB"), Ok(Budget::Bytes(1.5 * 1024.0 * 1024.0 * 1024.0)));
        assert_eq!(parse("4096"), Ok(Budget::Bytes(4096.0)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "%", "-5MB", "1.2.3MB", "5 apples", "MB", "1e9"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
