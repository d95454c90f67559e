//! Verifying a server's certificate as far as `sslmode` asks, and no further.
//!
//! rustls' own verifier always checks the chain and the name, and both by stricter rules than OpenSSL, on which
//! libpq relies. Two differences matter in practice, since PostgreSQL's documentation shows how to make such
//! certificates: a self-signed server certificate that is its own root, and one that has its host name only in the
//! common name. Both are accepted here as libpq accepts them.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::names;

/// A verifier for one `sslmode`.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// None when any certificate will do.
    trust: Option<Trust>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Trust {
    chain: Arc<WebPkiServerVerifier>,
    /// The root certificates themselves; a server may show one of them.
    roots: Vec<CertificateDer<'static>>,
    check_name: bool,
}

impl Verifier {
    /// For modes without verification: an encrypted connection with whomever.
    pub(crate) fn accepting_all(provider: &CryptoProvider) -> Self {
        Self { trust: None, algorithms: provider.signature_verification_algorithms }
    }

    /// For modes that verify the chain, and the name if `check_name`.
    pub(crate) fn trusting(
        roots: RootCertStore,
        certificates: Vec<CertificateDer<'static>>,
        revocation_lists: Vec<CertificateRevocationListDer<'static>>,
        check_name: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .with_crls(revocation_lists)
            .build()?;
        let trust = Trust { chain, roots: certificates, check_name };
        Ok(Self { trust: Some(trust), algorithms: provider.signature_verification_algorithms })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trust) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        match trust.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(verified) => Ok(verified),
            // rustls looks at the name last, so everything else is in order.
            Err(Error::InvalidCertificate(
                error @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
            )) => {
                if !trust.check_name || names::common_name_matches(end_entity, server_name) {
                    Ok(ServerCertVerified::assertion())
                } else {
                    Err(Error::InvalidCertificate(error))
                }
            }
            // A certificate that is trusted by itself needs no chain, only to be in force.
            Err(Error::InvalidCertificate(error))
                if error != CertificateError::Revoked && trust.roots.iter().any(|root| root == end_entity) =>
            {
                names::check_validity(end_entity, now)?;
                if trust.check_name {
                    names::check_name(end_entity, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            Err(error) => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.trust.is_none() {
            return Ok(UNVERIFIED());
        }
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.trust.is_none() {
            return Ok(UNVERIFIED());
        }
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Proof that somebody holds the key of a certificate says nothing when anybody's certificate will do. To ask for it
/// all the same would only shut out servers with certificates of X.509 version 1, which rustls does not read.
const UNVERIFIED: fn() -> HandshakeSignatureValid = HandshakeSignatureValid::assertion;
