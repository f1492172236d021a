//! A match as `ovs-ofctl dump-flows` prints it: shorthands for protocols, then the fields in the tools' order.

use crate::field::{FieldId, Masking};
use crate::matching::Match;
use crate::text::flags::{CT_STATE, TUN_FLAGS, format_flags_under};
use crate::text::number::hex;
use crate::text::value;
use crate::text::{PortNames, format_value};

/// The fields of a match in the order and form of the tools, without priority, cookie and the like; empty if it
/// matches everything.
pub fn format_match(pattern: &Match, ports: &PortNames) -> String {
    let mut out = Writer { pattern, ports, out: String::new() };
    out.pipeline();
    let kind = out.kind();
    out.metadata();
    out.link(&kind);
    out.network(&kind);
    out.transport(&kind);
    out.out
}

pub(super) struct Writer<'a> {
    pattern: &'a Match,
    ports: &'a PortNames,
    out: String,
}

/// What the shorthand said already.
pub(super) struct Kind {
    eth_type: u16,
    nw_proto: Option<u8>,
    skip_type: bool,
    skip_proto: bool,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push(',');
        }
        self.out.push_str(text);
    }

    fn named(&mut self, name: &str, value: &str) {
        self.put(name);
        self.out.push('=');
        self.out.push_str(value);
    }

    /// The field as its form says, if it is matched at all.
    fn field(&mut self, name: &str, field: FieldId) {
        let (value, mask) = self.pattern.get(field);
        if mask != 0 {
            self.named(name, &format_value(field, value, mask, self.ports));
        }
    }

    /// A field written in hexadecimal with `digits` digits, its mask too unless it is exact.
    fn padded(&mut self, name: &str, field: FieldId, digits: usize) {
        let (value, mask) = self.pattern.get(field);
        if mask == 0 {
            return;
        }
        let mut text = format!("{value:#0width$x}", width = digits + 2);
        if mask != field.field().all_ones() {
            text += &format!("/{mask:#0width$x}", width = digits + 2);
        }
        self.named(name, &text);
    }

    /// A field that is written in decimal without its mask.
    fn bare(&mut self, name: &str, field: FieldId) {
        let (value, mask) = self.pattern.get(field);
        if mask != 0 {
            self.named(name, &value.to_string());
        }
    }

    /// A field that is written in hexadecimal without its mask.
    fn bare_hex(&mut self, name: &str, field: FieldId) {
        let (value, mask) = self.pattern.get(field);
        if mask != 0 {
            self.named(name, &hex(value));
        }
    }

    /// Exact in decimal, masked in hexadecimal that writes zero as 0x0.
    fn port(&mut self, name: &str, field: FieldId) {
        let (value, mask) = self.pattern.get(field);
        match mask {
            0 => {}
            0xffff => self.named(name, &value.to_string()),
            _ => self.named(name, &format!("{value:#x}/{mask:#x}")),
        }
    }

    fn pipeline(&mut self) {
        self.field("pkt_mark", FieldId::PktMark);
        self.bare_hex("recirc_id", FieldId::RecircId);
        self.field("dp_hash", FieldId::DpHash);
        self.field("conj_id", FieldId::ConjId);
        self.field("skb_priority", FieldId::SkbPriority);
        self.field("actset_output", FieldId::ActsetOutput);
        let (state, mask) = self.pattern.get(FieldId::CtState);
        if mask != 0 {
            self.named("ct_state", &format_flags_under(state, mask, 0xff, CT_STATE));
        }
        let (zone, mask) = self.pattern.get(FieldId::CtZone);
        if mask != 0 {
            self.named("ct_zone", &zone.to_string());
        }
        self.field("ct_mark", FieldId::CtMark);
        self.field("ct_label", FieldId::CtLabel);
        self.field("ct_nw_src", FieldId::CtNwSrc);
        self.field("ct_ipv6_src", FieldId::CtIpv6Src);
        self.field("ct_nw_dst", FieldId::CtNwDst);
        self.field("ct_ipv6_dst", FieldId::CtIpv6Dst);
        self.field("ct_nw_proto", FieldId::CtNwProto);
        self.port("ct_tp_src", FieldId::CtTpSrc);
        self.port("ct_tp_dst", FieldId::CtTpDst);
    }

    /// Packet type and shorthand.
    fn kind(&mut self) -> Kind {
        let (packet_type, mask) = self.pattern.get(FieldId::PacketType);
        let ethernet = packet_type == 0;
        if mask != 0 && !ethernet {
            self.named("packet_type", &value::format_packet_type(packet_type as u32));
        } else if self.pattern.get(FieldId::RecircId).1 != 0 && mask | self.pattern.get(FieldId::EthType).1 != 0 {
            // Only megaflows match this; they say even what goes without saying.
            self.put("eth");
        }
        let eth_type = self.pattern.get(FieldId::EthType);
        let nw_proto = self.pattern.is_exact(FieldId::NwProto).then(|| self.pattern.get(FieldId::NwProto).0 as u8);
        let mut kind = Kind {
            eth_type: if ethernet { eth_type.0 as u16 } else { packet_type as u16 },
            nw_proto,
            skip_type: eth_type.1 == 0,
            skip_proto: nw_proto.is_none(),
        };
        if eth_type.1 == 0 {
            if ethernet {
                kind.eth_type = 0;
            }
            return kind;
        }
        let with_proto = match (eth_type.0, nw_proto) {
            (0x0800, Some(1)) => Some("icmp"),
            (0x0800, Some(6)) => Some("tcp"),
            (0x0800, Some(17)) => Some("udp"),
            (0x0800, Some(132)) => Some("sctp"),
            (0x86dd, Some(58)) => Some("icmp6"),
            (0x86dd, Some(6)) => Some("tcp6"),
            (0x86dd, Some(17)) => Some("udp6"),
            (0x86dd, Some(132)) => Some("sctp6"),
            _ => None,
        };
        let short = with_proto.or(match eth_type.0 {
            0x0800 => Some("ip"),
            0x86dd => Some("ipv6"),
            0x0806 => Some("arp"),
            0x8035 => Some("rarp"),
            0x8847 => Some("mpls"),
            0x8848 => Some("mplsm"),
            _ => None,
        });
        if let Some(short) = short {
            self.put(short);
            kind.skip_type = true;
            kind.skip_proto |= with_proto.is_some();
        }
        kind
    }

    fn metadata(&mut self) {
        for nth in 0..16 {
            let field = FieldId::ALL[FieldId::Reg0 as usize + nth];
            self.field(field.field().name, field);
        }
        self.tunnel();
        self.field("metadata", FieldId::Metadata);
        self.field("in_port", FieldId::InPortOxm);
    }

    fn tunnel(&mut self) {
        for field in [FieldId::TunId, FieldId::TunSrc, FieldId::TunDst, FieldId::TunIpv6Src, FieldId::TunIpv6Dst] {
            self.field(field.field().name, field);
        }
        self.port("tun_gbp_id", FieldId::TunGbpId);
        self.bare_hex("tun_gbp_flags", FieldId::TunGbpFlags);
        let (tos, bits) = (FieldId::TunTos.get(self.pattern.key()), FieldId::TunTos.get_mask(self.pattern.mask()));
        if bits != 0 {
            self.named("tun_tos", &format!("{tos:x}")); // as Open vSwitch has it: hexadecimal, and does not say so
        }
        self.field("tun_ttl", FieldId::TunTtl);
        self.bare("tun_erspan_ver", FieldId::TunErspanVer);
        match self.pattern.get(FieldId::TunErspanVer).0 {
            1 => self.bare_hex("tun_erspan_idx", FieldId::TunErspanIdx),
            2 => {
                self.bare("tun_erspan_dir", FieldId::TunErspanDir);
                self.bare_hex("tun_erspan_hwid", FieldId::TunErspanHwid);
            }
            _ => {}
        }
        self.bare_hex("gtpu_flags", FieldId::TunGtpuFlags);
        self.bare("gtpu_msgtype", FieldId::TunGtpuMsgtype);
        // OpenFlow can match one of the flags; keys and megaflows have more
        let flags_of = |word: u64| u128::from(word >> 48);
        let flags = flags_of(self.pattern.key().word(TUN_FLAGS_WORD));
        let mask = flags_of(self.pattern.mask().word(TUN_FLAGS_WORD));
        if mask != 0 {
            self.named("tun_flags", &format_flags_under(flags, mask, 0xffff, TUN_FLAGS));
        }
        for (index, value) in self.pattern.tun_options() {
            let bridge = self.pattern.layout().filter(|layout| layout.is_bridge());
            let text = match (value, bridge.and_then(|layout| layout.len_of(index))) {
                (None, _) => "NP".to_owned(),
                (Some(value), Some(len)) => value.show_in(len),
                (Some(value), None) => value.show(),
            };
            match text.as_str() {
                "" => self.put(&format!("tun_metadata{index}")),
                text => self.named(&format!("tun_metadata{index}"), text),
            }
        }
    }

    fn link(&mut self, kind: &Kind) {
        let outer = self.pattern.get(FieldId::VlanTci);
        // A megaflow of untagged frames does not mention tags: its Ethertype says that there is none.
        let (recirc_id, mask) = self.pattern.get(FieldId::RecircId);
        if mask == 0 || recirc_id != 0 || outer.0 & 0x1000 != 0 {
            self.vlan("", outer.1 as u16, outer.0 as u16);
        }
        let inner = |words: u64| (words >> 48) as u16;
        self.vlan("1", inner(self.pattern.mask().word(4)), inner(self.pattern.key().word(4)));
        self.field("dl_src", FieldId::EthSrc);
        self.field("dl_dst", FieldId::EthDst);
        if !kind.skip_type {
            self.padded("dl_type", FieldId::EthType, 4);
        }
    }

    /// A tag: VID and PCP by name if they and the presence of a tag are all that is matched.
    fn vlan(&mut self, suffix: &str, mask: u16, tci: u16) {
        let (vid, pcp) = (mask & 0xfff, mask & 0xe000);
        if mask & tci & 0x1000 != 0 && matches!(vid, 0 | 0xfff) && matches!(pcp, 0 | 0xe000) && vid | pcp != 0 {
            if vid != 0 {
                self.named(&format!("dl_vlan{suffix}"), &(tci & 0xfff).to_string());
            }
            if pcp != 0 {
                self.named(&format!("dl_vlan_pcp{suffix}"), &(tci >> 13).to_string());
            }
        } else if mask == 0xffff {
            self.named(&format!("vlan_tci{suffix}"), &format!("{tci:#06x}"));
        } else if mask != 0 {
            self.named(&format!("vlan_tci{suffix}"), &format!("{tci:#06x}/{mask:#06x}"));
        }
    }

    fn network(&mut self, kind: &Kind) {
        let is_arp = matches!(kind.eth_type, 0x0806 | 0x8035);
        match kind.eth_type {
            0x86dd => {
                self.field("ipv6_src", FieldId::Ipv6Src);
                self.field("ipv6_dst", FieldId::Ipv6Dst);
                self.padded("ipv6_label", FieldId::Ipv6Label, 5);
            }
            0x0806 | 0x8035 => {
                self.field("arp_spa", FieldId::ArpSpa);
                self.field("arp_tpa", FieldId::ArpTpa);
            }
            0x894f => self.nsh(),
            _ => {
                self.field("nw_src", FieldId::IpSrc);
                self.field("nw_dst", FieldId::IpDst);
            }
        }
        if !kind.skip_proto {
            self.field(if is_arp { "arp_op" } else { "nw_proto" }, FieldId::NwProto);
        }
        if is_arp {
            self.field("arp_sha", FieldId::ArpSha);
            self.field("arp_tha", FieldId::ArpTha);
        }
        let (tos, mask) = self.pattern.get(FieldId::NwTos);
        if mask & 0xfc != 0 {
            self.named("nw_tos", &(tos & 0xfc).to_string());
        }
        if mask & 3 != 0 {
            self.named("nw_ecn", &(tos & 3).to_string());
        }
        // the mask goes unsaid, as OVS has it
        let (ttl, mask) = self.pattern.get(FieldId::NwTtl);
        if mask != 0 {
            self.named("nw_ttl", &ttl.to_string());
        }
        self.field("mpls_label", FieldId::MplsLabel);
        self.field("mpls_tc", FieldId::MplsTc);
        self.field("mpls_ttl", FieldId::MplsTtl);
        self.field("mpls_bos", FieldId::MplsBos);
        let lse = |word: u64, high: bool| if high { word >> 32 } else { word & 0xffff_ffff };
        for (name, word, high) in [("mpls_lse1", 25, false), ("mpls_lse2", 26, true)] {
            let mask = lse(self.pattern.mask().word(word), high);
            let value = lse(self.pattern.key().word(word), high);
            match mask {
                0 => {}
                0xffff_ffff => self.named(name, &value.to_string()),
                _ => self.named(name, &format!("{value:#010x}/{mask:#010x}")),
            }
        }
        self.field("nw_frag", FieldId::IpFrag);
    }

    fn nsh(&mut self) {
        let (flags, mask) = self.pattern.get(FieldId::NshFlags);
        match mask {
            0 => {}
            0xff => self.named("nsh_flags", &flags.to_string()),
            _ => self.named("nsh_flags", &format!("{flags:#04x}/{mask:#04x}")),
        }
        for field in [FieldId::NshTtl, FieldId::NshMdtype, FieldId::NshNp] {
            self.field(field.field().name, field);
        }
        let (spi, mask) = self.pattern.get(FieldId::NshSpi);
        if mask != 0 {
            self.named("nsh_spi", &format!("{spi:#x}"));
        }
        self.field("nsh_si", FieldId::NshSi);
        // contexts of a fixed length come with that kind of metadata only
        if self.pattern.get(FieldId::NshMdtype).0 != 1 {
            return;
        }
        for field in [FieldId::NshC1, FieldId::NshC2, FieldId::NshC3, FieldId::NshC4] {
            let (value, mask) = self.pattern.get(field);
            debug_assert!(field.field().masking == Masking::Arbitrary);
            match mask {
                0 => {}
                0xffff_ffff => self.named(field.field().name, &format!("{value:#x}")),
                _ => self.named(field.field().name, &format!("{value:#x}/{mask:#x}")),
            }
        }
    }

    fn transport(&mut self, kind: &Kind) {
        match (kind.eth_type, kind.nw_proto) {
            (0x0800, Some(1)) => {
                self.port("icmp_type", FieldId::TcpSrc);
                self.port("icmp_code", FieldId::TcpDst);
            }
            (0x86dd, Some(58)) => {
                self.port("icmp_type", FieldId::TcpSrc);
                self.port("icmp_code", FieldId::TcpDst);
                self.field("nd_target", FieldId::NdTarget);
                self.field("nd_sll", FieldId::NdSll);
                self.field("nd_tll", FieldId::NdTll);
                self.field("nd_reserved", FieldId::NdReserved);
                // shares its place with TCP's flags
                self.field("nd_options_type", FieldId::NdOptionsType);
            }
            _ => {
                self.port("tp_src", FieldId::TcpSrc);
                self.port("tp_dst", FieldId::TcpDst);
                if kind.nw_proto == Some(6) {
                    self.field("tcp_flags", FieldId::TcpFlags);
                }
            }
        }
    }
}

/// The word whose high 16 bits are the tunnel flags.
const TUN_FLAGS_WORD: usize = 36;
