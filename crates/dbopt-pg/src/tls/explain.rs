//! TLS failures in words that say what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use crate::error::{chain, sources};

/// What went wrong, and a hint.
pub(crate) fn explain(error: &tokio_postgres::Error) -> (String, Option<String>) {
    let Some(tls) = find(error) else {
        let text = sources(error);
        let hint = text.contains("does not support TLS").then(|| {
            "set `ssl = on` on the server, or choose a weaker sslmode if the network in between is trusted".to_owned()
        });
        return (text, hint);
    };
    let (message, hint) = match tls {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            "the server's certificate was not signed by a trusted authority",
            "name the certificate of its authority by sslrootcert",
        ),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            "the server's certificate is for another host name",
            "connect by the name in the certificate, or use sslmode=verify-ca if any server of this authority will do",
        ),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            ("the server's certificate has expired", "renew it, and check this machine's clock")
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            ("the server's certificate is not valid yet", "check this machine's clock")
        }
        Error::InvalidCertificate(CertificateError::Revoked) => {
            ("the server's certificate has been revoked", "do not connect before the server has a new one")
        }
        Error::InvalidCertificate(_) if tls.to_string().contains("UnsupportedCertVersion") => (
            "the server's certificate is of X.509 version 1",
            "issue it again with a subjectAltName, which makes it version 3, or use sslmode=require without verification",
        ),
        Error::AlertReceived(AlertDescription::UnknownCA) => (
            "the server does not trust the authority of the client's certificate",
            "see sslcert, and ssl_ca_file on the server",
        ),
        other => return (other.to_string(), None),
    };
    (message.to_owned(), Some(hint.to_owned()))
}

/// The rustls error among the sources; an I/O error does not name the error it wraps as its source.
fn find(error: &tokio_postgres::Error) -> Option<&Error> {
    chain(error).find_map(|source| {
        let wrapped = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.and_then(|wrapped| wrapped.downcast_ref()).or_else(|| source.downcast_ref())
    })
}
