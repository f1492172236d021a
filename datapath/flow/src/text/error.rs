//! What can be wrong with a text.

use std::fmt;

/// The input's fault, in the words that users of ovs-ofctl know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the variants' fields are the parts of the message")]
pub enum TextError {
    BadValue { text: String, field: &'static str },
    BadMask { text: String, field: &'static str },
    TooLarge { text: String, bytes: usize, field: &'static str },
    MaskTooLarge { text: String, bytes: usize, field: &'static str },
    PortRange { text: String, field: &'static str },
    MaskNotAllowed { text: String, field: &'static str },
    Ethernet { text: String },
    Ipv4 { text: String },
    Ipv4Prefix { text: String },
    Ipv6 { text: String },
    Ipv6Prefix { text: String },
    Port { text: String, field: &'static str },
    Fragment { text: String },
    Flag { text: String, what: FlagKind },
    FlagTwice { text: String, what: FlagKind },
    PacketType { text: String, missing: &'static str },
}

/// Whose flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the fields' names")]
pub enum FlagKind {
    Tcp,
    CtState,
    Tunnel,
}

impl FlagKind {
    const fn name(self) -> &'static str {
        match self {
            FlagKind::Tcp => "TCP",
            FlagKind::CtState => "ct_state",
            FlagKind::Tunnel => "tunnel",
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use TextError::*;
        match self {
            BadValue { text, field } => write!(f, "{text}: bad syntax for {field} value"),
            BadMask { text, field } => write!(f, "{text}: bad syntax for {field} mask"),
            TooLarge { text, bytes, field } => write!(f, "{text}: value too large for {bytes}-byte field {field}"),
            MaskTooLarge { text, bytes, field } => write!(f, "{text}: mask too large for {bytes}-byte field {field}"),
            PortRange { text, field } => write!(f, "{text}: port value out of range for {field}"),
            MaskNotAllowed { text, field } => write!(f, "{text}: invalid mask for field {field}"),
            Ethernet { text } => write!(f, "{text}: invalid Ethernet address"),
            Ipv4 { text } => write!(f, "{text}: invalid IP address"),
            Ipv4Prefix { text } => {
                write!(f, "{text}: IPv4 network prefix bits not between 0 and 32, inclusive")
            }
            Ipv6 { text } => write!(f, "{text}: invalid IPv6 address"),
            Ipv6Prefix { text } => {
                write!(f, "{text}: IPv6 network prefix bits not between 0 and 128, inclusive")
            }
            Port { text, field } => write!(f, "{text}: invalid or unknown port for {field}"),
            Fragment { text } => {
                let valid = "\"no\", \"yes\", \"first\", \"later\", \"not_later\"";
                write!(f, "{text}: unknown fragment type (valid types are {valid}")
            }
            Flag { text, what } => write!(f, "{text}: unknown {} flag(s)", what.name()),
            FlagTwice { text, what } => write!(f, "{text}: Each {} flag can be specified only once", what.name()),
            PacketType { text, missing } => write!(f, "{text}: bad syntax for packet type {missing}"),
        }
    }
}

impl std::error::Error for TextError {}
