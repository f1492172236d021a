//! What: TLS around TCP streams, with the identity and the authority that a process is configured with.
//!
//! Why: `ssl:` and `pssl:` connections of OpenFlow, OVSDB and the tools all use one key, one certificate and one CA
//! per process, named on the command line or in the database's SSL table.
//!
//! ```text
//!   Settings ── files ──> Loaded (client and server configuration) ── connect ──> TlsStream
//!      │           ^                                               └─ accept ───> TlsStream, handshake on first use
//!      │           └ read again whenever one of them has changed
//!      └ bootstrap: no CA file yet? The peer's last certificate becomes it, and that connection ends.
//! ```
//!
//! How: both sides always show a certificate, and a certificate counts if the CA signed it: certificates that
//! `ovs-pki` makes name no host, so names are not compared (as Open vSwitch does it).
//!
//! Invariants: nobody gets a byte through before his certificate has been verified, except with `--ca-cert=none`, which
//! says so in the log. A failed handshake costs one line in the log and that connection, nobody else's.

mod der;
mod files;
mod stream;
mod verify;
mod words;

pub use stream::TlsStream;

use files::{Loaded, Stamp};
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use tokio::net::TcpStream;

/// What users configure; see `ssl-options` in the manual pages of Open vSwitch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// PEM file with the private key.
    pub private_key: Option<PathBuf>,
    /// PEM file with the certificate for it, and perhaps those between it and the CA.
    pub certificate: Option<PathBuf>,
    /// PEM file with the CA that signs peers' certificates; the word `none` trusts everybody.
    pub ca_cert: Option<PathBuf>,
    /// Take the CA from the first peer if the file does not exist.
    pub bootstrap: bool,
    /// PEM file with a CA certificate to show to peers, for those that bootstrap.
    pub peer_ca_cert: Option<PathBuf>,
    /// `--ssl-protocols`.
    pub protocols: Option<String>,
    /// `--ssl-ciphers`.
    pub ciphers: Option<String>,
}

impl Settings {
    /// Takes a command line's option, without its dashes. False: it is none of TLS.
    pub fn take(&mut self, option: &str, value: &str) -> bool {
        // A daemon leaves its directory before it reads the files. An empty value takes the setting back.
        let file = || match value {
            "" => None,
            "none" => Some(value.into()),
            value => Some(std::path::absolute(value).unwrap_or(value.into())),
        };
        let words = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match option {
            "private-key" => self.private_key = file(),
            "certificate" => self.certificate = file(),
            "ca-cert" | "bootstrap-ca-cert" => {
                self.ca_cert = file();
                self.bootstrap = option == "bootstrap-ca-cert";
            }
            "peer-ca-cert" => self.peer_ca_cert = file(),
            "ssl-protocols" => self.protocols = words(),
            "ssl-ciphers" => self.ciphers = words(),
            _ => return false,
        }
        true
    }
}

/// One configuration of TLS. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub struct Tls(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    settings: Settings,
    loaded: Option<(Stamp, Option<Arc<Loaded>>)>,
}

/// The process's own, which every `ssl:` stream uses.
pub fn process() -> &'static Tls {
    static PROCESS: LazyLock<Tls> = LazyLock::new(Tls::default);
    &PROCESS
}

impl Tls {
    /// With these settings.
    pub fn new(settings: Settings) -> Tls {
        let tls = Tls::default();
        tls.configure(settings);
        tls
    }

    /// Other settings, for connections from now on.
    pub fn configure(&self, settings: Settings) {
        let mut state = self.state();
        if state.settings != settings {
            *state = State { settings, loaded: None };
        }
    }

    /// Changes some settings, for connections from now on.
    pub fn change(&self, how: impl FnOnce(&mut Settings)) {
        let mut settings = self.state().settings.clone();
        how(&mut settings);
        self.configure(settings);
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.state().settings.clone()
    }

    /// Speaks TLS over a connection that we opened to `host`.
    ///
    /// # Errors
    /// `ENOPROTOOPT` if key, certificate or CA is not configured or not readable; `EPROTO` if the handshake failed, or
    /// if it served to learn the CA. The log says why.
    pub async fn connect(&self, socket: TcpStream, host: &str) -> io::Result<TlsStream> {
        let loaded = self.load()?;
        TlsStream::connect(socket, host, loaded).await
    }

    /// Speaks TLS over a connection that somebody opened to us; the handshake happens with the first byte.
    ///
    /// # Errors
    /// `ENOPROTOOPT` as above.
    pub fn accept(&self, socket: TcpStream) -> io::Result<TlsStream> {
        Ok(TlsStream::accept(socket, self.load()?))
    }

    /// What the files say, read again if they have changed.
    fn load(&self) -> io::Result<Arc<Loaded>> {
        let mut state = self.state();
        let stamp = Stamp::of(&state.settings);
        if state.loaded.as_ref().is_none_or(|(old, _)| *old != stamp) {
            let loaded = Loaded::read(&state.settings).map_err(|reasons| {
                reasons.iter().for_each(|reason| tracing::error!(target: "stream_ssl", "{reason}"));
            });
            state.loaded = Some((stamp, loaded.ok().map(Arc::new)));
        }
        let loaded = state.loaded.as_ref().and_then(|(_, loaded)| loaded.clone());
        loaded.ok_or_else(|| Errno::NOPROTOOPT.into())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({:?})", self.settings())
    }
}

#[cfg(test)]
mod tests;
