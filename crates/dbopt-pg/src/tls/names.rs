//! Host names in certificates, by libpq's rules where they are wider than rustls'.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Whether the certificate's common name is the server's, which counts only when there are no alternative names that
/// could (PostgreSQL docs, "libpq-ssl", 34.19.1; RFC 6125, 6.4.4).
pub(crate) fn common_name_matches(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let has_alternative_names = match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(None) => false,
        Ok(Some((_, names))) => {
            names.0.iter().any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_)))
        }
        // Unreadable names might be any names.
        Err(_) => true,
    };
    !has_alternative_names && common_name(&certificate).is_some_and(|pattern| matches(&pattern, &server_name.to_str()))
}

/// Checks the name of a certificate whose chain needs no check.
pub(crate) fn check_name(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>) -> Result<(), Error> {
    let by_alternative_names = ParsedCertificate::try_from(certificate)
        .and_then(|parsed| rustls::client::verify_server_name(&parsed, server_name));
    if by_alternative_names.is_ok() || common_name_matches(certificate, server_name) {
        return Ok(());
    }
    Err(CertificateError::NotValidForName.into())
}

/// Checks that a certificate is in force.
pub(crate) fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.tbs_certificate.validity;
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// The last common name of the subject, which is the most specific one.
fn common_name(certificate: &Certificate) -> Option<String> {
    /// 2.5.4.3, `id-at-commonName` (RFC 5280, appendix A.1).
    const COMMON_NAME: x509_cert::der::asn1::ObjectIdentifier =
        x509_cert::der::asn1::ObjectIdentifier::new_unwrap("2.5.4.3");
    let mut attributes = certificate.tbs_certificate.subject.0.iter().flat_map(|names| names.0.iter());
    let value = &attributes.rfind(|attribute| attribute.oid == COMMON_NAME)?.value;
    let text = None
        .or_else(|| Utf8StringRef::try_from(value).ok().map(|text| text.as_str().to_owned()))
        .or_else(|| PrintableStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()))
        .or_else(|| TeletexStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()))?;
    // A NUL would cut the name short for whoever reads it as C does (CVE-2009-4034).
    (!text.contains('\0')).then_some(text)
}

/// Whether a name of a certificate is this host's; a star stands for one whole first label.
fn matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(suffix), Some((label, parent))) = (pattern.strip_prefix("*."), host.split_once('.')) else {
        return false;
    };
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    !is_address && !label.is_empty() && !suffix.is_empty() && suffix.eq_ignore_ascii_case(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_one_label() {
        for (pattern, host, expected) in [
            ("db.example", "DB.example", true),
            ("*.example", "db.example", true),
            ("*.example", "a.db.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("*", "db", false),
            ("d*.example", "db.example", false),
        ] {
            assert_eq!(matches(pattern, host), expected, "{pattern} {host}");
        }
    }
}
