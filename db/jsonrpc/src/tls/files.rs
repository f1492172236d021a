//! What: key, certificates and CA from their files, as configuration for rustls.
//!
//! How: a [`Stamp`] of all files tells whether they must be read again; it is taken before they are read, so a file that
//! changes meanwhile is read once more with the next connection.
//!
//! Invariants: what cannot be used is named with its file; nothing half configured is ever used.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::Settings;
use super::der::Names;
use super::verify::{Trust, Verifier};
use super::words;
use crate::session::bare;

/// Which state of the files this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<Option<(i64, i64, u64, u64)>>);

impl Stamp {
    /// As they are now.
    pub fn of(settings: &Settings) -> Stamp {
        let files = [&settings.private_key, &settings.certificate, &settings.ca_cert, &settings.peer_ca_cert];
        let stamp = |file: &Option<PathBuf>| {
            let meta = fs::metadata(file.as_ref()?).ok()?;
            Some((meta.mtime(), meta.mtime_nsec(), meta.size(), meta.ino()))
        };
        Stamp(files.map(stamp).to_vec())
    }
}

/// Ready to connect and to accept.
pub struct Loaded {
    pub client: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
    /// The CA is to be learned from the first peer and kept here.
    pub bootstrap: Option<PathBuf>,
}

impl Loaded {
    /// Reads the files; the error says all that is wrong with them.
    pub fn read(settings: &Settings) -> Result<Loaded, Vec<String>> {
        let mut wrong = Vec::new();
        let key = want(&settings.private_key, "Private key", private_key, &mut wrong);
        let chain = want(&settings.certificate, "Certificate", certificates, &mut wrong);
        let is_none = settings.ca_cert.as_ref().is_some_and(|file| file.as_os_str() == "none");
        let bootstrap = settings.ca_cert.clone().filter(|file| settings.bootstrap && !is_none && !file.exists());
        let ca = match (is_none, &bootstrap) {
            (true, _) => {
                let text = "Peer certificate validation disabled (this is a security risk)";
                tracing::warn!(target: "stream_ssl", "{text}");
                Some(Vec::new())
            }
            (false, Some(_)) => Some(Vec::new()),
            (false, None) => want(&settings.ca_cert, "CA certificate", certificates, &mut wrong),
        };
        let shown = settings.peer_ca_cert.as_deref().map(certificates).transpose();
        let shown = shown.unwrap_or_else(|reason| {
            wrong.push(reason);
            None
        });
        let (Some(key), Some(mut chain), Some(ca), true) = (key, chain, ca, wrong.is_empty()) else {
            return Err(wrong);
        };
        // The CA goes along for peers that want to learn it: the one to show, else the one that issued our own.
        match shown {
            Some(shown) => chain.extend(shown),
            None => chain.extend(issuer_of(&chain, &ca)),
        }
        let trust = if ca.is_empty() { Trust::All } else { Trust::Signed(Arc::new(roots(&ca)?), ca) };
        configure(settings, key, chain, trust, bootstrap).map_err(|reason| vec![reason])
    }
}

/// Keeps what a peer showed as the CA that we trust from now on. The text says why not.
pub fn learn_ca(file: &Path, chain: &[CertificateDer<'_>]) -> Result<(), String> {
    let ca = chain.last().ok_or("failed to obtain CA certificate: peer did not present any certificate")?;
    if !Names::of(ca).is_some_and(|names| names.is_self_issued()) {
        let text =
            "failed to obtain CA certificate: peer did not present a self-signed certificate as last of its chain";
        return Err(text.to_owned());
    }
    let text = pem("CERTIFICATE", ca);
    let created = fs::File::options().write(true).create_new(true).mode(0o444).open(file);
    let written = created.and_then(|mut out| out.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(()),
        // Another connection of ours was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(format!("could not bootstrap CA cert: creating {} failed: {}", file.display(), bare(&error))),
    }
}

fn configure(
    settings: &Settings,
    key: PrivateKeyDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    trust: Trust,
    bootstrap: Option<PathBuf>,
) -> Result<Loaded, String> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites = words::ciphers(settings.ciphers.as_deref(), &provider.cipher_suites);
    let provider = Arc::new(provider);
    let versions = words::protocols(settings.protocols.as_deref());
    if versions.is_empty() {
        return Err("no SSL protocol is enabled".to_owned());
    }
    let text = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => "Private key does not match certificate public key".to_owned(),
        error => format!("Certificate or private key cannot be used: {error}"),
    };
    let verifier = Arc::new(Verifier::new(trust, &provider)?);
    let client = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions);
    let client = client.map_err(text)?.dangerous().with_custom_certificate_verifier(verifier.clone());
    let client = client.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(text)?;
    let server = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
    let server = server.map_err(text)?.with_client_cert_verifier(verifier);
    let mut server = server.with_single_cert(chain, key).map_err(text)?;
    // Nobody connects often enough to gain by it, and a resumed session would outlive a change of the CA.
    server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = client;
    client.resumption = rustls::client::Resumption::disabled();
    Ok(Loaded { client: Arc::new(client), server: Arc::new(server), bootstrap })
}

/// Reads a file that must be configured.
fn want<T>(
    file: &Option<PathBuf>,
    what: &str,
    read: impl FnOnce(&Path) -> Result<T, String>,
    wrong: &mut Vec<String>,
) -> Option<T> {
    let Some(file) = file.as_ref().filter(|file| !file.as_os_str().is_empty()) else {
        wrong.push(format!("{what} must be configured to use SSL"));
        return None;
    };
    read(file).map_err(|reason| wrong.push(reason)).ok()
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(file, "private key", error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(all) if all.is_empty() => Err(format!("{}: contains no certificate", file.display())),
        Ok(all) => Ok(all),
        Err(error) => Err(unusable(file, "certificate", error)),
    }
}

fn unusable(file: &Path, what: &str, error: rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => format!("{}: reading the {what} failed: {}", file.display(), bare(&error)),
        Error::NoItemsFound => format!("{}: contains no {what}", file.display()),
        error => format!("{}: bad PEM: {error}", file.display()),
    }
}

fn roots(ca: &[CertificateDer<'static>]) -> Result<RootCertStore, Vec<String>> {
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots.add(certificate.clone()).map_err(|error| vec![format!("CA certificate cannot be used: {error}")])?;
    }
    Ok(roots)
}

/// The certificate among `ca` that issued the last of `chain`, if it is not the same one.
fn issuer_of(chain: &[CertificateDer<'static>], ca: &[CertificateDer<'static>]) -> Option<CertificateDer<'static>> {
    let names = Names::of(chain.last()?)?;
    if names.is_self_issued() {
        return None;
    }
    ca.iter().find(|ca| Names::of(ca).is_some_and(|ca| ca.subject == names.issuer)).cloned()
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut line = 0;
    for three in der.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let letter = BASE64[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { letter.into() } else { '=' });
        }
        line += 1;
        if line % 16 == 0 {
            text.push('\n');
        }
    }
    if line % 16 != 0 {
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pem_reads_back(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            let text = pem("CERTIFICATE", &der);
            let back = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
            prop_assert_eq!(back.as_ref(), &der[..]);
            prop_assert!(text.lines().all(|line| line.len() <= 64));
        }
    }
}
