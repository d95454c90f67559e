//! What can go wrong with a session.

use std::error::Error as StdError;
use std::io;

use tokio_postgres::error::{DbError, SqlState};

use crate::settings_error::SettingsError;

/// Why a session could not be opened or used.
///
/// The texts name servers, users and databases, never a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nothing could be reached at the address.
    #[error("cannot connect to {target}: {source}")]
    Unreachable {
        /// The server.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// The server did not answer within `connect_timeout`.
    #[error("no answer from {target} within {seconds} s")]
    ConnectTimeout {
        /// The server.
        target: String,
        /// The limit.
        seconds: u64,
    },
    /// The server wants a password and none is known.
    #[error("{target} wants a password for user `{user}`, and none was given")]
    PasswordRequired {
        /// The server.
        target: String,
        /// The user.
        user: String,
    },
    /// The server did not accept the user, or the user's side did not accept the way.
    #[error("{target} did not let user `{user}` in: {message}")]
    Authentication {
        /// The server.
        target: String,
        /// The user.
        user: String,
        /// What was said.
        message: String,
    },
    /// TLS could not be set up as the settings ask.
    #[error("TLS with {target} failed: {message}")]
    Tls {
        /// The server.
        target: String,
        /// What was wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The server turned the connection down for another reason, such as an unknown database or too many sessions.
    #[error("{target} refused the session: {message}")]
    Refused {
        /// The server.
        target: String,
        /// The error's code.
        sqlstate: String,
        /// What the server said.
        message: String,
    },
    /// The server is up but not of the kind that `target_session_attrs` asks for.
    #[error("{target} is not what target_session_attrs={wanted} asks for")]
    NotSuitable {
        /// The server.
        target: String,
        /// The kind asked for.
        wanted: &'static str,
    },
    /// Several servers were tried and each failed.
    #[error("no server could be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoServer(
        /// One error for each attempt, in order.
        Vec<Error>,
    ),
    /// The session ended from the other side.
    #[error("the connection was lost: {reason}")]
    ConnectionLost {
        /// What is known about it.
        reason: String,
    },
    /// The statement was cancelled, by its time limit or on request.
    #[error("{message}")]
    Cancelled {
        /// What the server said.
        message: String,
    },
    /// A lock was not had within `lock_timeout`.
    #[error("{message}")]
    LockTimeout {
        /// What the server said.
        message: String,
    },
    /// The user may not do this.
    #[error("{message}")]
    PermissionDenied {
        /// What the server said.
        message: String,
    },
    /// The server could not do what a statement says.
    #[error("{message}")]
    Statement {
        /// The error's code (PostgreSQL docs, appendix A).
        sqlstate: String,
        /// What the server said.
        message: String,
    },
    /// The exchange with the server went wrong on this side, as when a value has another type than expected.
    #[error("{}", with_sources(.0))]
    Client(
        /// The error.
        tokio_postgres::Error,
    ),
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint_text().map(str::to_owned),
            Self::Unreachable { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    Some("is the server running there and accepting connections?".to_owned())
                }
                _ => None,
            },
            Self::PasswordRequired { .. } => {
                Some("put it into the file ~/.pgpass or the environment variable PGPASSWORD".to_owned())
            }
            Self::Tls { hint, .. } => hint.clone(),
            Self::Refused { sqlstate, .. } if sqlstate == SqlState::INVALID_CATALOG_NAME.code() => Some(
                "`psql -l` lists the databases of a server; when none is named, it is the one named like the user"
                    .to_owned(),
            ),
            Self::NoServer(errors) => errors.iter().find_map(Self::hint),
            Self::Cancelled { .. } => Some("the statement timeout may be too short for this server".to_owned()),
            _ => None,
        }
    }

    /// The server's code for the error, when it is the server's.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Refused { sqlstate, .. } | Self::Statement { sqlstate, .. } => Some(sqlstate),
            _ => None,
        }
    }

    /// Sorts an error of opening a session.
    pub(crate) fn opening(target: &str, user: &str, error: tokio_postgres::Error) -> Self {
        let (target, user) = (target.to_owned(), user.to_owned());
        if let Some(db) = error.as_db_error() {
            let message = db.message().to_owned();
            return if is_class(db.code(), "28") {
                Self::Authentication { target, user, message }
            } else {
                Self::Refused { target, sqlstate: db.code().code().to_owned(), message }
            };
        }
        match Stage::of(&error) {
            Stage::Connect => {
                let source = error.into_source().and_then(|source| source.downcast::<io::Error>().ok());
                let source = source.map_or_else(|| io::Error::other("unknown reason"), |source| *source);
                Self::Unreachable { target, source }
            }
            Stage::Tls => {
                let (message, hint) = crate::tls::explain(&error);
                Self::Tls { target, message, hint }
            }
            // The only fault that a configuration made here can have at this point.
            Stage::Config => Self::PasswordRequired { target, user },
            Stage::Authentication => Self::Authentication { target, user, message: sources(&error) },
            Stage::Other => Self::ConnectionLost { reason: format!("{target}: {}", with_sources(&error)) },
        }
    }

    /// Sorts an error of using a session; `end` is what the connection ended with, when it has ended.
    pub(crate) fn using(error: tokio_postgres::Error, end: Option<&str>) -> Self {
        let lost = |reason: String| Self::ConnectionLost { reason };
        if let Some(db) = error.as_db_error() {
            let message = describe(db);
            return match db.code() {
                &SqlState::ADMIN_SHUTDOWN
                | &SqlState::CRASH_SHUTDOWN
                | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => lost(message),
                code if is_class(code, "08") => lost(message),
                &SqlState::QUERY_CANCELED => Self::Cancelled { message },
                &SqlState::LOCK_NOT_AVAILABLE => Self::LockTimeout { message },
                &SqlState::INSUFFICIENT_PRIVILEGE => Self::PermissionDenied { message },
                code => Self::Statement { sqlstate: code.code().to_owned(), message },
            };
        }
        let broken = error.source().is_some_and(|source| source.is::<io::Error>()) && Stage::of(&error) == Stage::Other;
        if error.is_closed() || broken {
            return lost(end.map_or_else(|| with_sources(&error), str::to_owned));
        }
        Self::Client(error)
    }

    /// Whether libpq would go on to the next server after this one.
    pub(crate) fn is_worth_another_server(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::ConnectTimeout { .. }
            | Self::NotSuitable { .. }
            | Self::ConnectionLost { .. } => true,
            Self::Refused { sqlstate, .. } => sqlstate == SqlState::CANNOT_CONNECT_NOW.code(),
            _ => false,
        }
    }
}

/// At what tokio-postgres was when it failed. Its errors do not tell by a public type, only by their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connect,
    Tls,
    Config,
    Authentication,
    Other,
}

impl Stage {
    fn of(error: &tokio_postgres::Error) -> Self {
        match error.to_string().as_str() {
            "error connecting to server" => Self::Connect,
            "error performing TLS handshake" => Self::Tls,
            "invalid configuration" => Self::Config,
            "authentication error" => Self::Authentication,
            _ => Self::Other,
        }
    }
}

/// What the connection itself ended with, in words.
pub(crate) fn end_of_connection(result: Result<(), tokio_postgres::Error>) -> String {
    match result {
        Ok(()) => "the session was closed".to_owned(),
        Err(error) => match error.as_db_error() {
            Some(db) => describe(db),
            None if error.is_closed() => "the server closed the connection unexpectedly".to_owned(),
            None => with_sources(&error),
        },
    }
}

/// An error and what it stems from, joined by colons.
fn with_sources(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return describe(db);
    }
    match sources(error) {
        sources if sources.is_empty() => error.to_string(),
        sources => format!("{error}: {sources}"),
    }
}

/// What an error stems from, the nearest first.
pub(crate) fn chain(error: &tokio_postgres::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |error| (**error).source())
}

/// What an error stems from, joined by colons.
pub(crate) fn sources(error: &tokio_postgres::Error) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The server's message. Its detail is left out, since it likes to repeat values of rows and parameters; so do the
/// messages of data exceptions (class 22), in quotes.
///
/// What a function raises is in the words of whoever wrote it, mostly about the row that it was called for: of that the code and
/// the place are kept.
fn describe(error: &DbError) -> String {
    let (code, place) = (error.code(), error.where_().and_then(|context| context.lines().next()));
    match place.and_then(|place| place.strip_prefix("PL/")) {
        // dbopt's own functions name no values.
        Some(place) if place.starts_with("pgSQL function dbopt.") => error.message().to_owned(),
        Some(place) if is_class(code, "P0") || !is_known_class(code) || place.ends_with(" at RAISE") => {
            let place = place.strip_suffix(" at RAISE").unwrap_or(place);
            format!("an error of its own with code {} was raised by PL/{place}", code.code())
        }
        None if is_class(code, "P0") || !is_known_class(code) => {
            format!("an error of its own with code {} was raised by a function", code.code())
        }
        _ if is_class(code, "22") => without_values(error.message()),
        _ => error.message().to_owned(),
    }
}

/// Whether a code is of a class that the server has
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn is_known_class(code: &SqlState) -> bool {
    const CLASSES: &str = "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 44 \
                           53 54 55 57 58 72 F0 HV P0 XX";
    code.code().get(..2).is_some_and(|class| CLASSES.split(' ').any(|known| known == class))
}

/// A message with `…` for what stands from its first quotation mark to its last.
fn without_values(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}…{}", &message[..=first], &message[last..]),
        _ => message.to_owned(),
    }
}

fn is_class(code: &SqlState, class: &str) -> bool {
    code.code().starts_with(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_codes_are_the_servers_or_somebodys_own() {
        let known = |code: &str| is_known_class(&SqlState::from_code(code));
        assert!(known("22012") && known("P0001") && known("HV000") && known("57014"));
        assert!(!known("ZZ001") && !known("45000") && !known("U0001"));
    }

    #[test]
    fn values_of_rows_are_left_out_of_messages() {
        let shown = without_values("invalid input syntax for type integer: \"4 \"x\" secret\"");
        assert_eq!(shown, "invalid input syntax for type integer: \"…\"");
        assert_eq!(
            without_values("\"300\" is out of range for type smallint"),
            "\"…\" is out of range for type smallint"
        );
        assert_eq!(without_values("division by zero"), "division by zero");
    }
}
