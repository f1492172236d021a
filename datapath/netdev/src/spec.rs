//! Which device to open.
//!
//! What: [`Spec`] is the checked form of an interface's `type` and `options`; [`OpenError`] is what becomes of one
//! that cannot be opened, worded as users of OVS know it from the `error` column.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

pub use crate::host_tunnel::HostTunnel;

/// A device to open: its name, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    /// The interface's name; for kernel devices also the kernel's name for it.
    pub name: String,
    /// What kind of device it is.
    pub kind: Kind,
}

/// The kinds of devices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A kernel tap that belongs to the bridge: it exists as long as it is open.
    Internal,
    /// A kernel tap for another process or a guest; differs from `Internal` in name only.
    Tap,
    /// An existing kernel device (veth, NIC), through a packet socket.
    System,
    /// In memory, for tests.
    Dummy(DummyOptions),
    /// Plays a capture file, records what it is sent.
    Pcap(PcapOptions),
    /// Drops what it is sent, never receives.
    Null,
    /// Hands a tunnel's outer packets to the host's stack, and takes them from it.
    HostTunnel(HostTunnel),
}

/// Options of `type=dummy`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DummyOptions {
    /// `rxq_pcap` or `pcap`: what the switch receives is also written here.
    pub rx_pcap: Option<PathBuf>,
    /// `tx_pcap` or `pcap`: what the switch sends is also written here. The same file as `rx_pcap` under `pcap`.
    pub tx_pcap: Option<PathBuf>,
    /// `n_rxq`: number of receive queues (`dummy-pmd` only); at least 1.
    pub rx_queues: usize,
    /// `n_txq`: number of transmit queues; at least 1.
    pub tx_queues: usize,
    /// `pstream`: where others plug into (`punix:PATH`).
    pub pstream: Option<String>,
    /// `stream`: where it plugs into (`unix:PATH`).
    pub stream: Option<String>,
}

/// Options of `type=pcap`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PcapOptions {
    /// The file whose frames come in.
    pub rx_pcap: Option<PathBuf>,
    /// Where frames that are sent go; without it they are counted and dropped.
    pub tx_pcap: Option<PathBuf>,
    /// Whether `rx_pcap` is played again and again.
    pub infinite_rx: bool,
}

impl Spec {
    /// From an interface's name, `type` (empty means `system`) and `options`. Options that a kind does not know are
    /// ignored, as OVS does.
    ///
    /// # Errors
    /// [`OpenError::UnknownType`] for a type that is no device (`patch` and tunnels are none either).
    pub fn new(name: &str, interface_type: &str, options: &BTreeMap<String, String>) -> Result<Spec, OpenError> {
        let path = |key: &str| options.get(key).filter(|v| !v.is_empty()).map(PathBuf::from);
        let kind = match interface_type {
            "" | "system" => Kind::System,
            "internal" => Kind::Internal,
            "tap" => Kind::Tap,
            "null" => Kind::Null,
            "dummy" | "dummy-internal" | "dummy-pmd" => {
                let both = path("pcap");
                let queues = if interface_type == "dummy-pmd" { options.get("n_rxq") } else { None };
                Kind::Dummy(DummyOptions {
                    rx_pcap: both.clone().or_else(|| path("rxq_pcap")),
                    tx_pcap: both.or_else(|| path("tx_pcap")),
                    rx_queues: queues.and_then(|n| n.parse().ok()).unwrap_or(1).clamp(1, 1023),
                    tx_queues: options.get("n_txq").and_then(|n| n.parse().ok()).unwrap_or(1).clamp(1, 1023),
                    pstream: options.get("pstream").cloned(),
                    stream: options.get("stream").cloned(),
                })
            }
            "pcap" => Kind::Pcap(PcapOptions {
                rx_pcap: path("rx_pcap"),
                tx_pcap: path("tx_pcap"),
                infinite_rx: options.get("infinite_rx").is_some_and(|v| v.eq_ignore_ascii_case("true")),
            }),
            other => return Err(OpenError::UnknownType { name: name.to_owned(), interface_type: other.to_owned() }),
        };
        Ok(Spec { name: name.to_owned(), kind })
    }
}

/// Why a device could not be opened. The text is what goes into the interface's `error` column.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No such kind of device. Users of OVS see the errno of it (EAFNOSUPPORT) in the `error` column and the type in
    /// the log: [`OpenError::log_line`].
    #[error("could not open network device {name} (Address family not supported by protocol)")]
    UnknownType {
        /// The interface.
        name: String,
        /// Its type.
        interface_type: String,
    },
    /// The kernel refused.
    #[error("could not open network device {name} ({})", reason(.source))]
    Device {
        /// The interface.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of the options cannot be read or written.
    #[error("{name}: could not open {} ({})", .path.display(), reason(.source))]
    File {
        /// The interface.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `rx_pcap` is not a capture that can be played.
    #[error("{name}: {}: {source}", .path.display())]
    Capture {
        /// The interface.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::pcap::PcapError,
    },
}

impl OpenError {
    /// What the log should say besides the error itself.
    pub fn log_line(&self) -> Option<String> {
        match self {
            OpenError::UnknownType { name, interface_type } => {
                Some(format!("could not create netdev {name} of unknown type {interface_type}"))
            }
            _ => None,
        }
    }
}

/// An error's text as `strerror` has it, without Rust's "(os error N)".
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn an_empty_type_is_system_and_an_unknown_one_is_named() {
        assert_eq!(Spec::new("eth0", "", &options(&[])).unwrap().kind, Kind::System);
        let error = Spec::new("p1", "vxlan2", &options(&[])).unwrap_err();
        assert_eq!(error.log_line().unwrap(), "could not create netdev p1 of unknown type vxlan2");
    }

    #[test]
    fn pcap_option_of_dummy_serves_both_directions() {
        let spec = Spec::new("p1", "dummy", &options(&[("pcap", "p1.pcap"), ("n_rxq", "4")])).unwrap();
        let Kind::Dummy(dummy) = spec.kind else { panic!("not a dummy") };
        assert_eq!((dummy.rx_pcap.as_deref(), dummy.rx_queues), (Some("p1.pcap".as_ref()), 1));
        assert_eq!(dummy.rx_pcap, dummy.tx_pcap);
    }

    #[test]
    fn a_missing_device_reads_as_users_know_it() {
        let error = OpenError::Device { name: "p9".to_owned(), source: io::Error::from_raw_os_error(libc::ENODEV) };
        assert_eq!(error.to_string(), "could not open network device p9 (No such device)");
    }
}
