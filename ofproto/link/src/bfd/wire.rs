//! The BFD control packet (RFC 5880 §4.1) in UDP over IPv4 (RFC 5881 §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                    Desired Min TX Interval, us                |
//! |                   Required Min RX Interval, us                |
//! |                 Required Min Echo RX Interval, us             |
//! ```

use std::time::Duration;

use weft_packet::builder::Builder;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, big_endian::U32};

use super::{Config, Diagnostic, State};
use weft_packet::Mac;

/// The UDP port that control packets go to (RFC 5881 §4).
pub const PORT: u16 = 3784;
/// And the one they come from: any of the dynamic ports.
const SOURCE_PORT: u16 = 49152;
/// Network control.
const TOS: u8 = 0xc0;
const LEN: u8 = 24;
const VERSION: u8 = 1;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ControlWire {
    vers_diag: u8,
    state_flags: u8,
    detect_mult: u8,
    length: u8,
    my_disc: U32,
    your_disc: U32,
    desired_min_tx: U32,
    required_min_rx: U32,
    required_min_echo_rx: U32,
}

/// What a control packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the RFC's own words")]
pub struct Control {
    pub diagnostic: Diagnostic,
    pub state: State,
    pub flags: Flags,
    pub detect_mult: u8,
    pub my_discriminator: u32,
    pub your_discriminator: u32,
    pub desired_min_tx: Duration,
    pub required_min_rx: Duration,
}

/// The flags of a control packet, bits as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flags(pub u8);

#[allow(missing_docs, reason = "the RFC's own words")]
impl Flags {
    pub const MULTIPOINT: Flags = Flags(0x01);
    pub const DEMAND: Flags = Flags(0x02);
    pub const AUTHENTICATION: Flags = Flags(0x04);
    pub const CONTROL_PLANE_INDEPENDENT: Flags = Flags(0x08);
    pub const FINAL: Flags = Flags(0x10);
    pub const POLL: Flags = Flags(0x20);

    /// Whether all of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their names as `bfd/show` prints them.
    pub fn text(self) -> String {
        let names = ["multipoint", "demand", "auth", "ctl", "final", "poll"];
        let set: Vec<&str> = (0..6).filter(|bit| self.0 >> bit & 1 != 0).map(|bit| names[bit]).collect();
        if set.is_empty() { "none".into() } else { set.join(" ") }
    }
}

/// Why a packet is not to be listened to (RFC 5880 §6.8.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum Unheard {
    #[error("a control packet has 24 bytes, this one {have}")]
    Short { have: usize },
    #[error("Incorrect version.")]
    Version,
    #[error("Unexpected length.")]
    Length,
    #[error("Zero multiplier.")]
    ZeroMultiplier,
    #[error("Unsupported multipoint flag.")]
    Multipoint,
    #[error("NULL my_disc.")]
    NoSender,
    #[error("Incorrect your_disc.")]
    OtherReceiver,
    #[error("Null your_disc.")]
    NoReceiver,
    #[error("Authenticated control message with authentication disabled.")]
    Authenticated,
}

impl Control {
    /// Read the payload of a UDP datagram.
    ///
    /// # Errors
    /// What makes it no control packet of this version, in the order of RFC 5880 §6.8.6. Bytes behind it are no fault.
    pub fn parse(payload: &[u8]) -> Result<Control, Unheard> {
        let short = Unheard::Short { have: payload.len() };
        let (wire, _) = ControlWire::ref_from_prefix(payload).map_err(|_| short)?;
        let flags = Flags(wire.state_flags & 0x3f);
        if wire.vers_diag >> 5 != VERSION {
            return Err(Unheard::Version);
        } else if flags.has(Flags::AUTHENTICATION) {
            return Err(Unheard::Authenticated);
        } else if wire.length != LEN {
            return Err(Unheard::Length);
        } else if wire.detect_mult == 0 {
            return Err(Unheard::ZeroMultiplier);
        } else if flags.has(Flags::MULTIPOINT) {
            return Err(Unheard::Multipoint);
        } else if wire.my_disc.get() == 0 {
            return Err(Unheard::NoSender);
        }
        Ok(Control {
            diagnostic: Diagnostic::from_wire(wire.vers_diag & 0x1f),
            state: State::from_wire(wire.state_flags >> 6),
            flags,
            detect_mult: wire.detect_mult,
            my_discriminator: wire.my_disc.get(),
            your_discriminator: wire.your_disc.get(),
            desired_min_tx: micros(wire.desired_min_tx),
            required_min_rx: micros(wire.required_min_rx),
        })
    }

    /// As a payload.
    pub fn emit(&self) -> [u8; LEN as usize] {
        let wire = ControlWire {
            vers_diag: VERSION << 5 | self.diagnostic.0 & 0x1f,
            state_flags: (self.state as u8) << 6 | self.flags.0,
            detect_mult: self.detect_mult,
            length: LEN,
            my_disc: self.my_discriminator.into(),
            your_disc: self.your_discriminator.into(),
            desired_min_tx: as_micros(self.desired_min_tx),
            required_min_rx: as_micros(self.required_min_rx),
            required_min_echo_rx: 0.into(),
        };
        zerocopy::transmute!(wire)
    }

    /// As a frame from a port with this address.
    pub fn frame(&self, config: &Config, port: Mac) -> Vec<u8> {
        Builder::ethernet(config.local_dst, config.local_src.unwrap_or(port))
            .ipv4(config.src_ip.octets(), config.dst_ip.octets())
            .ttl(255)
            .tos(TOS)
            .udp(SOURCE_PORT, PORT)
            .payload(&self.emit())
            .build()
    }
}

fn micros(wire: U32) -> Duration {
    Duration::from_micros(wire.get().into())
}

fn as_micros(interval: Duration) -> U32 {
    u32::try_from(interval.as_micros()).unwrap_or(u32::MAX).into()
}
