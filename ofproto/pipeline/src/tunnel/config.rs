//! What a tunnel port is told: the options of its Interface row (ovs-vswitchd.conf.db(5), "Tunnel Options").
//!
//! [`options`](super::options) reads them; [`TunnelConfig`]'s text is what `dpif/show` prints.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use weft_packet::tunnel::{Dialect, Kind};

/// One end of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum End {
    /// Not said: any address is taken, and the route says which one is sent from.
    #[default]
    Any,
    /// This one.
    Addr(IpAddr),
    /// Flows match and set it.
    Flow,
}

impl End {
    /// The address, if there is one.
    pub fn addr(self) -> Option<IpAddr> {
        match self {
            End::Addr(addr) => Some(addr),
            End::Any | End::Flow => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Any => f.write_str("::"),
            End::Addr(addr) => write!(f, "{addr}"),
            End::Flow => f.write_str("flow"),
        }
    }
}

/// A key, in or out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Key {
    /// Not said: what comes in has none or 0, what goes out has none.
    #[default]
    Absent,
    /// This one.
    Value(u64),
    /// Flows match and set it.
    Flow,
}

impl Key {
    /// What must match, and is sent; `None`: flows say it.
    pub fn value(self) -> Option<u64> {
        match self {
            Key::Absent => Some(0),
            Key::Value(value) => Some(value),
            Key::Flow => None,
        }
    }

    fn decimal(self) -> String {
        self.value().map_or_else(|| "flow".to_owned(), |value| value.to_string())
    }

    /// In hexadecimal, as listings have it; `0` for zero.
    pub(super) fn hex(self) -> String {
        match self.value() {
            None => "flow".to_owned(),
            Some(0) => "0".to_owned(),
            Some(value) => format!("{value:#x}"),
        }
    }
}

/// What kinds of packets a tunnel carries, and how bridges see them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum PacketTypes {
    /// Ethernet frames.
    LegacyL2,
    /// Packets without an Ethernet header, which bridges see with one.
    LegacyL3,
    /// Any, seen as they are.
    Aware,
}

impl PacketTypes {
    /// The option's word.
    pub const fn name(self) -> &'static str {
        match self {
            PacketTypes::LegacyL2 => "legacy_l2",
            PacketTypes::LegacyL3 => "legacy_l3",
            PacketTypes::Aware => "ptap",
        }
    }

    /// What a tunnel of this kind has if nothing is said.
    pub const fn of(kind: Kind) -> PacketTypes {
        match kind {
            Kind::Lisp | Kind::Gtpu | Kind::BareUdp | Kind::Srv6 => PacketTypes::LegacyL3,
            _ => PacketTypes::LegacyL2,
        }
    }
}

/// A byte of the outer header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Inherited {
    /// The inner packet's.
    Inherit,
    /// This.
    Value(u8),
}

/// What ERSPAN says besides; `None`: flows set it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the options' names")]
pub struct Erspan {
    pub ver: Option<u8>,
    pub idx: Option<u32>,
    pub dir: Option<u8>,
    pub hwid: Option<u8>,
}

impl Default for Erspan {
    fn default() -> Erspan {
        Erspan { ver: Some(0), idx: Some(0), dir: Some(0), hwid: Some(0) }
    }
}

/// A tunnel port's settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunnelConfig {
    /// Interface `type`.
    pub kind: Kind,
    /// options:remote_ip.
    pub remote: End,
    /// options:local_ip.
    pub local: End,
    /// options:in_key.
    pub in_key: Key,
    /// options:out_key.
    pub out_key: Key,
    /// options:dst_port; 0 for what has no ports.
    pub dst_port: u16,
    /// options:tos, without ECN.
    pub tos: Inherited,
    /// options:ttl.
    pub ttl: Inherited,
    /// options:df_default.
    pub df: bool,
    /// options:csum.
    pub csum: bool,
    /// options:seq.
    pub seq: bool,
    /// options:packet_type.
    pub packet_types: PacketTypes,
    /// options:exts has gbp.
    pub gbp: bool,
    /// options:exts has gpe.
    pub gpe: bool,
    /// options:egress_pkt_mark.
    pub egress_mark: Option<u32>,
    /// options:erspan_*.
    pub erspan: Erspan,
    /// options:payload_type, as an EtherType; 0: not said.
    pub payload: u16,
    /// options:srv6_segs, first segment first.
    pub segments: Vec<std::net::Ipv6Addr>,
    /// options:srv6_flowlabel.
    pub flow_label: FlowLabel,
}

/// How an SRv6 tunnel fills the flow label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "the option's words")]
pub enum FlowLabel {
    #[default]
    Copy,
    Zero,
    Compute,
}

/// The time to live of outer headers if nothing is said.
pub const DEFAULT_TTL: u8 = 64;

/// The UDP (or TCP) port that a kind is known by; 0: it has no ports, or none of its own.
pub const fn default_port(kind: Kind) -> u16 {
    match kind {
        Kind::Vxlan => 4789,
        Kind::Geneve => 6081,
        Kind::Lisp => 4341,
        Kind::Stt => 7471,
        Kind::Gtpu => 2152,
        _ => 0,
    }
}

/// Whether a kind has a destination port at all.
pub const fn has_port(kind: Kind) -> bool {
    matches!(kind, Kind::Vxlan | Kind::Geneve | Kind::Lisp | Kind::Stt | Kind::Gtpu | Kind::BareUdp)
}

impl TunnelConfig {
    /// A tunnel of which nothing is said.
    pub fn new(kind: Kind) -> TunnelConfig {
        TunnelConfig {
            kind,
            remote: End::Any,
            local: End::Any,
            in_key: Key::Absent,
            out_key: Key::Absent,
            dst_port: default_port(kind),
            tos: Inherited::Value(0),
            ttl: Inherited::Value(DEFAULT_TTL),
            df: true,
            csum: false,
            seq: false,
            packet_types: PacketTypes::of(kind),
            gbp: false,
            gpe: false,
            egress_mark: None,
            erspan: Erspan::default(),
            payload: 0,
            segments: Vec::new(),
            flow_label: FlowLabel::Copy,
        }
    }

    /// The name of the datapath's port for tunnels like this one: they share it.
    pub fn dp_name(&self) -> String {
        let port = self.dst_port;
        match self.kind {
            Kind::Geneve => format!("genev_sys_{port}"),
            Kind::BareUdp => format!("udp_sys_{port}"),
            kind if has_port(kind) => format!("{}_sys_{port}", kind.name()),
            kind => format!("{}_sys", kind.name()),
        }
    }

    /// What the datapath must know of its port.
    pub fn dialect(&self) -> Dialect {
        Dialect { kind: self.kind, gbp: self.gbp, gpe: self.gpe, ethertype: self.payload }
    }

    /// What `dpctl/show` says of the datapath's port.
    pub fn dp_shown(&self) -> String {
        let mut words = Vec::new();
        if self.dst_port != default_port(self.kind) {
            words.push(format!("dst_port={}", self.dst_port));
        }
        if matches!(self.kind, Kind::Erspan | Kind::Ip6Erspan) {
            words.push("erspan_ver=0".to_owned());
        }
        words.push("packet_type=ptap".to_owned());
        format!("{}: {}", self.kind.name(), words.join(", "))
    }
}

/// `key=value, ...`, as `dpif/show` has it: what differs from what goes without saying.
impl fmt::Display for TunnelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        let mut say = |name: &str, value: String| words.push(format!("{name}={value}"));
        if self.csum {
            say("csum", "true".into());
        }
        if !self.df {
            say("df_default", "false".into());
        }
        if self.dst_port != default_port(self.kind) && self.dst_port != 0 {
            say("dst_port", self.dst_port.to_string());
        }
        if let Some(mark) = self.egress_mark {
            say("egress_pkt_mark", mark.to_string());
        }
        if matches!(self.kind, Kind::Erspan | Kind::Ip6Erspan) {
            let Erspan { ver, mut idx, mut dir, mut hwid } = self.erspan;
            if ver.is_none() {
                (idx, dir, hwid) = (None, None, None); // what else there is depends on the version
            }
            let third = ver == Some(2);
            match dir {
                None => say("erspan_dir", "flow".into()),
                Some(dir) if third => say("erspan_dir", dir.to_string()),
                Some(_) => {}
            }
            match hwid {
                None => say("erspan_hwid", "flow".into()),
                Some(hwid) if third => say("erspan_hwid", format!("{hwid:#x}")),
                Some(_) => {}
            }
            match idx {
                None => say("erspan_idx", "flow".into()),
                Some(idx) if ver == Some(1) => say("erspan_idx", format!("{idx:#x}")),
                Some(_) => {}
            }
            say("erspan_ver", ver.map_or_else(|| "flow".into(), |ver| ver.to_string()));
        }
        if self.in_key == self.out_key {
            if self.in_key != Key::Absent {
                say("key", self.in_key.decimal());
            }
        } else if self.in_key != Key::Absent {
            say("in_key", self.in_key.decimal());
        }
        if let End::Addr(_) | End::Flow = self.local {
            say("local_ip", self.local.to_string());
        }
        if self.in_key != self.out_key && self.out_key != Key::Absent {
            say("out_key", self.out_key.decimal());
        }
        if self.packet_types != PacketTypes::of(self.kind) {
            say("packet_type", self.packet_types.name().into());
        }
        if self.remote != End::Any {
            say("remote_ip", self.remote.to_string());
        }
        if self.seq {
            say("seq", "true".into());
        }
        match self.tos {
            Inherited::Inherit => say("tos", "inherit".into()),
            Inherited::Value(0) => {}
            Inherited::Value(tos) => say("tos", format!("{tos:#x}")),
        }
        match self.ttl {
            Inherited::Inherit => say("ttl", "inherit".into()),
            Inherited::Value(DEFAULT_TTL) => {}
            Inherited::Value(ttl) => say("ttl", ttl.to_string()),
        }
        let mut text = String::new();
        for (i, word) in words.iter().enumerate() {
            let _ = write!(text, "{}{word}", if i == 0 { "" } else { ", " });
        }
        f.write_str(&text)
    }
}
