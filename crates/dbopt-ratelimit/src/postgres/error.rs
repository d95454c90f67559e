//! Why PostgreSQL did not do what it was asked to.

use crate::StoreError;

/// A failure in words that hold no key and no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("PostgreSQL did not answer in time")]
    Late,
    #[error("PostgreSQL could not be reached a moment ago")]
    Away,
    /// What dbopt-pg says names a server and a user at most.
    #[error("{0}")]
    Connect(String),
    #[error("the connection failed")]
    Connection,
    /// A code as in <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    #[error("PostgreSQL is not ready (SQLSTATE {0})")]
    NotReady(String),
    /// The server's words would name a row's key in some cases, so that only those are kept that cannot.
    #[error("PostgreSQL refuses (SQLSTATE {code}){}", message.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Answer { code: String, message: Option<String> },
    /// The same for the tables of `dbopt migrate up`.
    #[error("the tables of limits are missing; run `dbopt migrate up`")]
    NoTables,
}

impl Failure {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self::Connection };
        Self::of_code(db.code().code(), db.message())
    }

    pub(super) fn of_connecting(error: &dbopt_pg::Error) -> Self {
        use dbopt_pg::Error;
        match error {
            Error::Authentication { .. } | Error::PasswordRequired { .. } | Error::Settings(_) => {
                Self::Answer { code: "28000".to_owned(), message: Some(error.to_string()) }
            }
            _ => match error.sqlstate() {
                Some(code) => Self::of_code(code, &error.to_string()),
                None => Self::Connect(error.to_string()),
            },
        }
    }

    fn of_code(code: &str, message: &str) -> Self {
        match code {
            // Cancelled by the statement's timeout.
            "57014" => Self::Late,
            "42P01" | "3F000" => Self::NoTables,
            // Connection, insufficient resources, an administrator's doing, and what may pass by itself.
            "40001" | "40P01" | "55P03" => Self::NotReady(code.to_owned()),
            _ if ["08", "57"].iter().any(|class| code.starts_with(class)) || code == "53300" => {
                Self::NotReady(code.to_owned())
            }
            _ => {
                // Access, resources, and a read-only server speak of tables and files only.
                let harmless = ["42", "53", "25", "3D"].iter().any(|class| code.starts_with(class));
                Self::Answer { code: code.to_owned(), message: harmless.then(|| message.to_owned()) }
            }
        }
    }

    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Answer { .. } | Self::NoTables => StoreError::Refused(Box::new(self)),
            _ => StoreError::Unreachable(Box::new(self)),
        }
    }
}
