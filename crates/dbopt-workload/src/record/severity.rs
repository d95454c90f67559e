//! The word after the prefix of a text log: a severity, or the name of a part of the record before.

/// What a line of a text log begins with after its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Debug,
    Log,
    Info,
    Notice,
    Warning,
    Error,
    Fatal,
    Panic,
    Detail,
    Hint,
    Query,
    Context,
    Location,
    Statement,
    Backtrace,
}

impl Severity {
    /// Whether it names a part of the record before, not a record of its own.
    pub(crate) fn is_part(self) -> bool {
        matches!(
            self,
            Self::Detail
                | Self::Hint
                | Self::Query
                | Self::Context
                | Self::Location
                | Self::Statement
                | Self::Backtrace
        )
    }

    /// The severity's name for errors.
    pub(crate) fn error_name(self) -> Option<&'static str> {
        match self {
            Self::Error => Some("ERROR"),
            Self::Fatal => Some("FATAL"),
            Self::Panic => Some("PANIC"),
            _ => None,
        }
    }

    /// Reads a severity word as csvlog and jsonlog write it, `DEBUG1` included.
    pub(crate) fn from_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"LOG" => Self::Log,
            b"ERROR" => Self::Error,
            b"FATAL" => Self::Fatal,
            b"PANIC" => Self::Panic,
            b"WARNING" => Self::Warning,
            b"NOTICE" => Self::Notice,
            b"INFO" => Self::Info,
            b"DEBUG" | b"DEBUG1" | b"DEBUG2" | b"DEBUG3" | b"DEBUG4" | b"DEBUG5" => Self::Debug,
            _ => return None,
        })
    }

    /// Reads `WORD:` and two spaces at the start of `bytes`; yields the severity and the length read. A collector may
    /// have stripped the spaces of an empty message, so the colon may also end the line.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (severity, length) = match bytes {
            [b'L', b'O', b'G', b':', ..] => (Self::Log, 4),
            [b'D', b'E', b'T', b'A', b'I', b'L', b':', ..] => (Self::Detail, 7),
            _ => Self::parse_rare(bytes)?,
        };
        match &bytes[length..] {
            [b' ', b' ', ..] => Some((severity, length + 2)),
            [] => Some((severity, length)),
            [b' ' | b'\r'] => Some((severity, length + 1)),
            _ => None,
        }
    }

    fn parse_rare(bytes: &[u8]) -> Option<(Self, usize)> {
        if !bytes.first()?.is_ascii_uppercase() {
            return None;
        }
        let window = &bytes[..bytes.len().min(11)];
        let colon = memchr::memchr(b':', window)?;
        let severity = match &bytes[..colon] {
            b"HINT" => Self::Hint,
            b"QUERY" => Self::Query,
            b"CONTEXT" => Self::Context,
            b"LOCATION" => Self::Location,
            b"STATEMENT" => Self::Statement,
            b"BACKTRACE" => Self::Backtrace,
            word => Self::from_word(word)?,
        };
        Some((severity, colon + 1))
    }
}

/// Words that stand for `ERROR`, `FATAL`, `STATEMENT` and the like when `lc_messages` is not English, by language;
/// from the server's own message catalogues.
const FOREIGN: [(&str, &[&str]); 10] = [
    ("German", &["FEHLER:  ", "ANWEISUNG:  ", "TIPP:  ", "WARNUNG:  ", "LOG:  Dauer: "]),
    ("French", &["ERREUR:  ", "INSTRUCTION :  ", "DÉTAIL:  ", "ASTUCE :  ", "LOG:  durée : "]),
    ("Spanish", &["SENTENCIA:  ", "DETALLE:  ", "SUGERENCIA:  ", "LOG:  duración: "]),
    ("Portuguese", &["ERRO:  ", "COMANDO:  ", "DETALHE:  ", "LOG:  duração: "]),
    ("Italian", &["ERRORE:  ", "ISTRUZIONE: ", "DETTAGLI:  ", "LOG:  durata: "]),
    ("Russian", &["ОШИБКА:  ", "ОПЕРАТОР:  ", "ПОДРОБНОСТИ:  ", "СООБЩЕНИЕ:  ", "ВАЖНО:  "]),
    ("Polish", &["BŁĄD:  ", "WYRAŻENIE:  ", "DZIENNIK:  "]),
    ("Japanese", &["エラー:  ", "文:  ", "ステートメント:  ", "ヒント:  "]),
    ("Chinese", &["错误:  ", "语句:  ", "日志:  ", "致命错误:  "]),
    ("Swedish", &["FEL:  ", "SATS:  ", "LOGG:  "]),
];

/// The language in which a line seems to be written, when it is one of those above.
pub(crate) fn foreign_language(line: &[u8]) -> Option<&'static str> {
    FOREIGN
        .iter()
        .find(|(_, words)| words.iter().any(|word| memchr::memmem::find(line, word.as_bytes()).is_some()))
        .map(|(language, _)| *language)
}

/// What stands for `duration: ` in the message of a `LOG` record, which keeps its name in many languages.
const DURATION: [(&str, &str); 8] = [
    ("German", "Dauer: "),
    ("French", "durée : "),
    ("Spanish", "duración: "),
    ("Portuguese", "duração: "),
    ("Italian", "durata: "),
    ("Russian", "продолжительность: "),
    ("Polish", "czas trwania: "),
    ("Swedish", "varaktighet: "),
];

/// The language of a message that tells a duration in another language.
pub(crate) fn foreign_duration(message: &[u8]) -> Option<&'static str> {
    DURATION.iter().find(|(_, word)| message.starts_with(word.as_bytes())).map(|(language, _)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_need_their_colon_and_spaces() {
        assert_eq!(Severity::parse(b"LOG:  duration"), Some((Severity::Log, 6)));
        assert_eq!(Severity::parse(b"STATEMENT:  x"), Some((Severity::Statement, 12)));
        assert_eq!(Severity::parse(b"DEBUG1:  x"), Some((Severity::Debug, 9)));
        assert_eq!(Severity::parse(b"LOG: one space"), None);
        assert_eq!(Severity::parse(b"LOGS:  x"), None);
        assert_eq!(Severity::parse(b"LOG:"), Some((Severity::Log, 4)));
    }

    #[test]
    fn other_languages_are_noticed() {
        assert_eq!(foreign_language("2024 FEHLER:  Relation fehlt".as_bytes()), Some("German"));
        assert_eq!(foreign_language("2024 LOG:  durée : 1 ms".as_bytes()), Some("French"));
        assert_eq!(foreign_language(b"2024 ERROR:  x"), None);
        assert_eq!(foreign_duration("duración: 1.000 ms".as_bytes()), Some("Spanish"));
        assert_eq!(foreign_duration(b"duration: 1.000 ms"), None);
    }
}
