//! What: is a peer's certificate signed by the configured CA?
//!
//! Why: rustls's own verifier for servers also compares the host's name, which certificates of `ovs-pki` do not carry;
//! and OpenSSL, which users' set-ups were tested with, accepts a self-signed certificate that is itself in the CA file.
//!
//! Invariants: a signature over the handshake is always verified, whatever else is trusted: whoever shows a certificate
//! holds its key.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

/// Whom to believe.
#[derive(Debug)]
pub enum Trust {
    /// Everybody: `--ca-cert=none`, or a CA that is yet to be learned.
    All,
    /// Whoever these certificates signed.
    Signed(Arc<RootCertStore>, Vec<CertificateDer<'static>>),
}

/// Verifies both servers and clients.
#[derive(Debug)]
pub struct Verifier {
    trust: Trust,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// A verifier that believes `trust`.
    pub fn new(trust: Trust, provider: &Arc<CryptoProvider>) -> Result<Verifier, String> {
        let clients = match &trust {
            Trust::All => None,
            Trust::Signed(roots, _) => {
                let builder = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
                Some(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Verifier { trust, clients, algorithms: provider.signature_verification_algorithms })
    }

    fn is_listed(&self, certificate: &CertificateDer<'_>) -> bool {
        match &self.trust {
            Trust::All => true,
            Trust::Signed(_, listed) => listed.iter().any(|one| one.as_ref() == certificate.as_ref()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            _ if self.is_listed(end_entity) => {}
            Trust::All => {}
            Trust::Signed(roots, _) => {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                let all = self.algorithms.all;
                verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, all)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.as_ref().map_or(&[], |clients| clients.root_hint_subjects())
    }

    fn client_auth_mandatory(&self) -> bool {
        // Whoever asks for nobody's certificate to be checked still wants to bootstrap from one.
        matches!(self.trust, Trust::Signed(..))
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.clients {
            Some(clients) if !self.is_listed(end_entity) => clients.verify_client_cert(end_entity, intermediates, now),
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
