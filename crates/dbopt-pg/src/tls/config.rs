//! From settings to a rustls configuration: which files are read, and what `sslmode` makes of them.
//!
//! Source: PostgreSQL docs, "libpq-ssl"; initialize_SSL in fe-secure-openssl.c. Where libpq goes on without a file
//! that the user named but that is not there (`sslcert`, `sslcrl`), this reports it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::verify::Verifier;
use crate::choice::{SslMode, SslNegotiation, TlsVersion};
use crate::settings::{RootCertificates, TlsSettings};
use crate::target::{Endpoint, Target};

/// Why TLS cannot even be tried.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The rustls configuration for a target.
pub(crate) fn client_config(settings: &TlsSettings, target: &Target) -> Result<ClientConfig, Fault> {
    // Named here rather than installed for the process, which belongs to whoever embeds this crate.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(settings, target, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(settings))
        .map_err(|error| Fault::new(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_certificate(settings)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| Fault::new(format!("the client certificate cannot be used: {error}")))?,
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = settings.send_host_name;
    if settings.negotiation == SslNegotiation::Direct {
        // The server insists on the protocol's name when TLS begins at once (PostgreSQL docs, "protocol-flow").
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(config)
}

fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    use rustls::version::{TLS12, TLS13};
    match (settings.min_version, settings.max_version) {
        (TlsVersion::V1_2, TlsVersion::V1_2) => vec![&TLS12],
        (TlsVersion::V1_2, TlsVersion::V1_3) => vec![&TLS13, &TLS12],
        (TlsVersion::V1_3, _) => vec![&TLS13],
    }
}

/// What is verified: the chain whenever there are root certificates, and the name under `verify-full`.
fn verifier(settings: &TlsSettings, target: &Target, provider: &Arc<CryptoProvider>) -> Result<Verifier, Fault> {
    if settings.mode == SslMode::VerifyFull && matches!(target.endpoint, Endpoint::Tcp { name: None, .. }) {
        return Err(Fault::new("sslmode=verify-full needs a host name to verify").hint("give `host` beside `hostaddr`"));
    }
    let Some(trusted) = root_certificates(settings)? else { return Ok(Verifier::accepting_all(provider)) };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(trusted.iter().cloned());
    if added == 0 {
        return Err(Fault::new("no usable root certificate was found"));
    }
    let check_name = settings.mode == SslMode::VerifyFull;
    Verifier::trusting(roots, trusted, revocation_lists(settings)?, check_name, provider)
        .map_err(|error| Fault::new(format!("the revocation list cannot be used: {error}")))
}

fn root_certificates(settings: &TlsSettings) -> Result<Option<Vec<CertificateDer<'static>>>, Fault> {
    match &settings.root {
        RootCertificates::System => {
            let certificates = rustls_native_certs::load_native_certs().certs;
            if certificates.is_empty() {
                return Err(Fault::new("the operating system has no root certificates")
                    .hint("install its package of certificates, such as ca-certificates"));
            }
            Ok(Some(certificates))
        }
        RootCertificates::File(Some(path)) if path.exists() => {
            let text = read(path, "root certificate file")?;
            let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
            match certificates {
                Ok(certificates) if !certificates.is_empty() => Ok(Some(certificates)),
                _ => {
                    Err(Fault::new(format!("the root certificate file `{}` holds no PEM certificates", path.display())))
                }
            }
        }
        RootCertificates::File(path) if settings.mode >= SslMode::VerifyCa => {
            let message = match path {
                Some(path) => format!("the root certificate file `{}` does not exist", path.display()),
                None => "there is no home folder to look for a root certificate in".to_owned(),
            };
            let hint = "name the file by sslrootcert, or use sslrootcert=system for certificates of public authorities";
            Err(Fault::new(message).hint(hint))
        }
        RootCertificates::File(_) => Ok(None),
    }
}

fn revocation_lists(settings: &TlsSettings) -> Result<Vec<CertificateRevocationListDer<'static>>, Fault> {
    let Some(file) = settings.crl.as_ref().filter(|file| file.named || file.path.exists()) else {
        return Ok(Vec::new());
    };
    let text = read(&file.path, "revocation list")?;
    match CertificateRevocationListDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>() {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        _ => Err(Fault::new(format!("the file `{}` holds no PEM revocation list", file.path.display()))),
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The client's certificate and key, when the certificate's file is named or in its default place.
fn client_certificate(settings: &TlsSettings) -> Result<Option<Identity>, Fault> {
    let Some(file) = settings.certificate.as_ref().filter(|file| file.named || file.path.exists()) else {
        return Ok(None);
    };
    let text = read(&file.path, "client certificate")?;
    let chain = match CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => chain,
        _ => return Err(Fault::new(format!("the file `{}` holds no PEM certificate", file.path.display()))),
    };
    let Some(path) = &settings.key else {
        return Err(Fault::new("there is a client certificate but no key for it").hint("name the key's file by sslkey"));
    };
    check_key_permissions(path)?;
    let text = read(path, "private key file")?;
    if text.windows(b"ENCRYPTED".len()).any(|window| window == b"ENCRYPTED") {
        return Err(Fault::new(format!("the private key file `{}` is protected by a password", path.display()))
            .hint("this is not supported; make an unprotected copy with `openssl pkey`"));
    }
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| Fault::new(format!("the private key file `{}` holds no PEM private key", path.display())))?;
    Ok(Some((chain, key)))
}

/// A key that others can read is refused, as libpq does; root's may be readable by the group.
fn check_key_permissions(path: &Path) -> Result<(), Fault> {
    let metadata = fs::metadata(path)
        .map_err(|error| Fault::new(format!("cannot read the private key file `{}`: {error}", path.display())))?;
    let open_to_others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if !metadata.is_file() || metadata.permissions().mode() & open_to_others != 0 {
        return Err(Fault::new(format!("group or others have access to the private key file `{}`", path.display()))
            .hint(format!("chmod 0600 {}", path.display())));
    }
    Ok(())
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| Fault::new(format!("cannot read the {what} `{}`: {error}", path.display())))
}
