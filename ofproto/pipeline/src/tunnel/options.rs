//! The options of a tunnel's Interface row, read.
//!
//! How: each option in turn; what is not understood is complained about and left out, what makes no tunnel is an error. The
//! words are those that Open vSwitch's users find in their logs and in Interface:error.
//!
//! Invariant: pure; nothing here knows other ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use weft_packet::tunnel::Kind;

use super::config::{DEFAULT_TTL, End, FlowLabel, Inherited, Key, PacketTypes, TunnelConfig, has_port};

/// What became of a row's options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Read {
    /// What does not make sense, a line each; each begins with the port's name.
    pub complaints: Vec<String>,
    /// Words that are no addresses.
    pub bad_addresses: Vec<String>,
    /// The settings, unless they make no tunnel.
    pub config: Option<TunnelConfig>,
}

/// The kind that an Interface `type` names, if it is a tunnel.
pub fn kind_of(text: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == text)
}

/// Read the options of port `name`.
pub fn read(name: &str, kind: Kind, options: &BTreeMap<String, String>) -> Read {
    let mut reader = Reader { name, kind, config: TunnelConfig::new(kind), read: Read::default() };
    let fine = options.iter().try_for_each(|(option, value)| reader.option(option, value));
    reader.keys(options);
    if fine.is_ok() && reader.is_a_tunnel() {
        reader.read.config = Some(reader.config);
    }
    reader.read
}

struct Reader<'a> {
    name: &'a str,
    kind: Kind,
    config: TunnelConfig,
    read: Read,
}

/// It makes no tunnel.
struct Refused;

impl Reader<'_> {
    fn option(&mut self, option: &str, value: &str) -> Result<(), Refused> {
        let kind = self.kind;
        let erspan = matches!(kind, Kind::Erspan | Kind::Ip6Erspan);
        match option {
            "remote_ip" => return self.remote(value),
            "local_ip" => match end(value) {
                Some(end) => self.config.local = end,
                None => self.bad_address("local_ip", value),
            },
            "tos" => match value {
                "inherit" => self.config.tos = Inherited::Inherit,
                text => match number(text, 0).filter(|tos| tos & !0xfc == 0) {
                    Some(tos) => self.config.tos = Inherited::Value(tos as u8),
                    None => self.complain(format!("invalid TOS {text}")),
                },
            },
            "ttl" => match value {
                "inherit" => self.config.ttl = Inherited::Inherit,
                text => {
                    let ttl = leading(text, 10) as u8;
                    self.config.ttl = Inherited::Value(if ttl == 0 { DEFAULT_TTL } else { ttl });
                }
            },
            "dst_port" if has_port(kind) => self.config.dst_port = leading(value, 10) as u16,
            "csum" if has_checksum(kind) => self.config.csum = value == "true",
            "seq" if matches!(kind, Kind::Gre | Kind::Ip6Gre) => self.config.seq = value == "true",
            "df_default" => self.config.df = value != "false",
            "key" | "in_key" | "out_key" => {}
            "egress_pkt_mark" => self.config.egress_mark = Some(leading(value, 10) as u32),
            "exts" if kind == Kind::Vxlan => {
                for ext in value.split(',').map(str::trim).filter(|ext| !ext.is_empty()) {
                    match ext {
                        "gbp" => self.config.gbp = true,
                        "gpe" => self.config.gpe = true,
                        _ => self.complain(format!("unknown extension '{ext}'")),
                    }
                }
            }
            "packet_type" => return self.packet_type(value),
            "erspan_idx" if erspan => {
                let idx = self.in_hex(value, 0xf_ffff, "index")?;
                self.config.erspan.idx = idx;
            }
            "erspan_ver" if erspan => {
                self.config.erspan.ver = match value {
                    "flow" => None,
                    text => match leading(text, 0) {
                        ver @ (1 | 2) => Some(ver as u8),
                        _ => return self.refuse(format!("invalid erspan version: {text}")),
                    },
                }
            }
            "erspan_dir" if erspan => {
                self.config.erspan.dir = match value {
                    "flow" => None,
                    text => match leading(text, 0) {
                        dir @ (0 | 1) => Some(dir as u8),
                        _ => return self.refuse(format!("invalid erspan direction: {text}")),
                    },
                }
            }
            "erspan_hwid" if erspan => {
                let hwid = self.in_hex(value, 0x3f, "hardware ID")?;
                self.config.erspan.hwid = hwid.map(|hwid| hwid as u8);
            }
            "payload_type" if kind == Kind::BareUdp => {
                self.config.payload = match value {
                    "ip" => 0x0800,
                    "mpls" => 0x8847,
                    text => number(text, 0).and_then(|n| u16::try_from(n).ok()).ok_or(Refused)?,
                }
            }
            "srv6_segs" if kind == Kind::Srv6 => match segments(value) {
                Some(segments) => self.config.segments = segments,
                None => return self.refuse("bad srv6 'srv6_segs'".to_owned()),
            },
            "srv6_flowlabel" if kind == Kind::Srv6 => {
                self.config.flow_label = match value {
                    "copy" => FlowLabel::Copy,
                    "zero" => FlowLabel::Zero,
                    "compute" => FlowLabel::Compute,
                    text => return self.refuse(format!("bad srv6_flowlabel '{text}'")),
                }
            }
            "psk" | "remote_cert" | "remote_name" if has_ipsec(kind) => {}
            other => self.complain(format!("unknown {} argument '{other}'", kind.name())),
        }
        Ok(())
    }

    fn remote(&mut self, value: &str) -> Result<(), Refused> {
        match end(value) {
            Some(End::Addr(addr)) if addr.is_multicast() => {
                return self.refuse(format!("multicast remote_ip={value} not allowed"));
            }
            Some(end) => self.config.remote = end,
            None => self.bad_address("remote_ip", value),
        }
        Ok(())
    }

    fn packet_type(&mut self, value: &str) -> Result<(), Refused> {
        let kind = self.kind;
        let (l2, l3) = match kind {
            Kind::Lisp | Kind::Gtpu | Kind::BareUdp | Kind::Srv6 => (false, true),
            Kind::Gre | Kind::Ip6Gre | Kind::Vxlan => (true, true),
            _ => (true, false),
        };
        let refuse = |reader: &mut Self, what: &str| {
            let types = if what == "L2" { "legacy_l2" } else { "legacy_l3" };
            reader.refuse(format!("{types} configured on {} tunnel that cannot carry {what} traffic", kind.name()))
        };
        self.config.packet_types = match value {
            "legacy_l2" if !l2 => return refuse(self, "L2"),
            "legacy_l3" if !l3 => return refuse(self, "L3"),
            "legacy_l2" => PacketTypes::LegacyL2,
            "legacy_l3" => PacketTypes::LegacyL3,
            "ptap" => PacketTypes::Aware,
            text => return self.refuse(format!("unknown packet_type '{text}'")),
        };
        Ok(())
    }

    /// `in_key` and `out_key` are more particular than `key`.
    fn keys(&mut self, options: &BTreeMap<String, String>) {
        let key = |name: &str| {
            let text = options.get(name).or_else(|| options.get("key"));
            text.map_or(Key::Absent, |text| if text == "flow" { Key::Flow } else { Key::Value(leading(text, 0)) })
        };
        if self.kind != Kind::BareUdp {
            (self.config.in_key, self.config.out_key) = (key("in_key"), key("out_key"));
        }
    }

    fn is_a_tunnel(&mut self) -> bool {
        let (config, kind) = (&self.config, self.kind);
        let mut why = None;
        if config.kind == Kind::Vxlan && config.packet_types == PacketTypes::LegacyL3 && !config.gpe {
            why = Some("legacy_l3 configured on VXLAN (without GPE) tunnel that cannot carry L3 traffic".to_owned());
        } else if let (Some(remote), Some(local)) = (config.remote.addr(), config.local.addr())
            && remote.is_ipv4() != local.is_ipv4()
        {
            why = Some("'remote_ip' and 'local_ip' has to be of the same address family".to_owned());
        } else if config.remote == End::Any {
            why = Some(format!("{} type requires valid 'remote_ip' argument", kind.name()));
        } else if config.local == End::Flow && config.remote != End::Flow {
            why = Some(format!("{} type requires 'remote_ip=flow' with 'local_ip=flow'", kind.name()));
        }
        match why {
            Some(why) => {
                self.complain(why);
                false
            }
            None => true,
        }
    }

    fn in_hex(&mut self, value: &str, most: u64, what: &str) -> Result<Option<u32>, Refused> {
        match value {
            "flow" => Ok(None),
            text => match leading(text, 16) {
                n if n <= most => Ok(Some(n as u32)),
                _ => {
                    self.complain(format!("invalid erspan {what}: {text}"));
                    Err(Refused)
                }
            },
        }
    }

    fn bad_address(&mut self, option: &str, value: &str) {
        self.read.bad_addresses.push(value.to_owned());
        self.complain(format!("bad {} '{option}'", self.kind.name()));
    }

    fn complain(&mut self, what: String) {
        self.read.complaints.push(format!("{}: {what}", self.name));
    }

    fn refuse(&mut self, what: String) -> Result<(), Refused> {
        self.complain(what);
        Err(Refused)
    }
}

fn end(text: &str) -> Option<End> {
    match text {
        "flow" => Some(End::Flow),
        text => text.parse::<IpAddr>().ok().map(End::Addr),
    }
}

fn segments(text: &str) -> Option<Vec<std::net::Ipv6Addr>> {
    let found: Option<Vec<_>> = text.split(',').map(|word| word.trim().parse().ok()).collect();
    found.filter(|segments| segments.len() <= MAX_SEGMENTS)
}

/// How many segments an SRv6 header may list here.
const MAX_SEGMENTS: usize = 6;

const fn has_checksum(kind: Kind) -> bool {
    matches!(kind, Kind::Gre | Kind::Ip6Gre | Kind::Geneve | Kind::Vxlan | Kind::BareUdp)
}

const fn has_ipsec(kind: Kind) -> bool {
    matches!(kind, Kind::Gre | Kind::Geneve | Kind::Vxlan | Kind::Stt)
}

/// All of a number; base 0: decimal, or `0x` hexadecimal, or octal from a zero on.
fn number(text: &str, base: u32) -> Option<u64> {
    let (digits, base) = split_base(text, base);
    u64::from_str_radix(digits, base).ok()
}

/// The number that a text begins with, 0 if it begins with none, as C's conversions have it.
fn leading(text: &str, base: u32) -> u64 {
    let (digits, base) = split_base(text.trim_start(), base);
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    match &digits[..end] {
        "" => 0,
        digits => u64::from_str_radix(digits, base).unwrap_or(u64::MAX),
    }
}

fn split_base(text: &str, base: u32) -> (&str, u32) {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match (base, hex) {
        (0 | 16, Some(digits)) => (digits, 16),
        (0, None) if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        (0, None) => (text, 10),
        (base, _) => (text, base),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(kind: &str, words: &str) -> Read {
        let options = words.split_whitespace().filter_map(|word| word.split_once('='));
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        read("q", kind_of(kind).unwrap(), &options)
    }

    /// Captured from Open vSwitch 3.1's `dpif/show`.
    #[test]
    fn what_is_said_is_shown() {
        for (kind, words, shown) in [
            ("gre", "remote_ip=1.1.1.1", "remote_ip=1.1.1.1"),
            ("vxlan", "remote_ip=1.2.3.4 exts=gpe packet_type=ptap", "packet_type=ptap, remote_ip=1.2.3.4"),
            (
                "gre",
                "remote_ip=1.1.1.1 packet_type=legacy_l3 key=7 seq=true",
                "key=7, packet_type=legacy_l3, remote_ip=1.1.1.1, seq=true",
            ),
            (
                "ip6erspan",
                "remote_ip=fe80::7 key=1 erspan_ver=1 erspan_idx=0x3",
                "erspan_idx=0x3, erspan_ver=1, key=1, remote_ip=fe80::7",
            ),
            (
                "erspan",
                "remote_ip=1.1.1.1 key=1 erspan_ver=2 erspan_dir=1 erspan_hwid=7",
                "erspan_dir=1, erspan_hwid=0x7, erspan_ver=2, key=1, remote_ip=1.1.1.1",
            ),
            ("erspan", "remote_ip=1.1.1.1", "erspan_ver=0, remote_ip=1.1.1.1"),
            ("vxlan", "remote_ip=2.2.2.2 key=5 dst_port=4790 exts=gbp", "dst_port=4790, key=5, remote_ip=2.2.2.2"),
            ("vxlan", "remote_ip=1.1.1.1 key=9 out_key=2", "in_key=9, out_key=2, remote_ip=1.1.1.1"),
            ("vxlan", "remote_ip=1.1.1.1 ttl=500", "remote_ip=1.1.1.1, ttl=244"),
            ("vxlan", "remote_ip=1.1.1.1 key=0x1234567890", "key=78187493520, remote_ip=1.1.1.1"),
            ("vxlan", "remote_ip=1.1.1.1 key=foo", "key=0, remote_ip=1.1.1.1"),
            ("gre", "remote_ip=1.1.1.1 egress_pkt_mark=foo", "egress_pkt_mark=0, remote_ip=1.1.1.1"),
            (
                "erspan",
                "remote_ip=1.1.1.1 key=flow erspan_ver=flow erspan_idx=flow erspan_dir=flow erspan_hwid=flow",
                "erspan_dir=flow, erspan_hwid=flow, erspan_idx=flow, erspan_ver=flow, key=flow, remote_ip=1.1.1.1",
            ),
            (
                "vxlan",
                "remote_ip=1.1.1.1 local_ip=2.2.2.2 key=flow csum=true tos=inherit ttl=inherit df_default=false in_key=7 \
                 egress_pkt_mark=1234",
                "csum=true, df_default=false, egress_pkt_mark=1234, in_key=7, local_ip=2.2.2.2, out_key=flow, \
                 remote_ip=1.1.1.1, tos=inherit, ttl=inherit",
            ),
        ] {
            let read = read_words(kind, words);
            assert_eq!(read.config.map(|config| config.to_string()).as_deref(), Some(shown), "{kind} {words}");
            assert_eq!(read.complaints, Vec::<String>::new(), "{kind} {words}");
        }
    }

    /// Captured from Open vSwitch 3.1's log.
    #[test]
    fn what_makes_no_tunnel_is_said() {
        for (kind, words, complaint) in [
            ("vxlan", "", "q: vxlan type requires valid 'remote_ip' argument"),
            ("vxlan", "remote_ip=foo", "q: bad vxlan 'remote_ip'\nq: vxlan type requires valid 'remote_ip' argument"),
            ("vxlan", "remote_ip=224.0.0.1", "q: multicast remote_ip=224.0.0.1 not allowed"),
            (
                "vxlan",
                "remote_ip=1.1.1.1 local_ip=flow",
                "q: vxlan type requires 'remote_ip=flow' with 'local_ip=flow'",
            ),
            (
                "vxlan",
                "remote_ip=1.1.1.1 local_ip=fe80::1",
                "q: 'remote_ip' and 'local_ip' has to be of the same address family",
            ),
            (
                "vxlan",
                "remote_ip=1.1.1.1 packet_type=legacy_l3",
                "q: legacy_l3 configured on VXLAN (without GPE) tunnel that cannot carry L3 traffic",
            ),
            ("vxlan", "remote_ip=1.1.1.1 packet_type=foo", "q: unknown packet_type 'foo'"),
            (
                "geneve",
                "remote_ip=1.1.1.1 packet_type=legacy_l3",
                "q: legacy_l3 configured on geneve tunnel that cannot carry L3 traffic",
            ),
            ("erspan", "remote_ip=1.1.1.1 key=1 erspan_ver=3", "q: invalid erspan version: 3"),
            ("erspan", "remote_ip=1.1.1.1 erspan_ver=1 erspan_idx=0xfffff1", "q: invalid erspan index: 0xfffff1"),
            ("erspan", "remote_ip=1.1.1.1 erspan_ver=2 erspan_hwid=0xff", "q: invalid erspan hardware ID: 0xff"),
            (
                "gtpu",
                "remote_ip=1.1.1.1 packet_type=legacy_l2",
                "q: legacy_l2 configured on gtpu tunnel that cannot carry L2 traffic",
            ),
            ("bareudp", "remote_ip=1.1.1.1 payload_type=foo", ""),
        ] {
            let read = read_words(kind, words);
            assert_eq!((read.config, read.complaints.join("\n").as_str()), (None, complaint), "{kind} {words}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        for (kind, words, complaint) in [
            ("vxlan", "remote_ip=1.1.1.1 local_ip=foo", "q: bad vxlan 'local_ip'"),
            ("vxlan", "remote_ip=1.1.1.1 tos=300", "q: invalid TOS 300"),
            ("vxlan", "remote_ip=1.1.1.1 tos=0x23", "q: invalid TOS 0x23"),
            ("vxlan", "remote_ip=1.1.1.1 exts=foo,gbp", "q: unknown extension 'foo'"),
            ("geneve", "remote_ip=1.1.1.1 exts=gbp", "q: unknown geneve argument 'exts'"),
            ("gre", "remote_ip=1.1.1.1 dst_port=3", "q: unknown gre argument 'dst_port'"),
        ] {
            let read = read_words(kind, words);
            assert!(read.config.is_some());
            assert_eq!(read.complaints, [complaint], "{kind} {words}");
        }
    }
}
