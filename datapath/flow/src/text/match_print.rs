//! A match as `ovs-ofctl dump-flows` prints it: shorthands for protocols, then the fields in the tools' order.

use std::fmt::Write;

use crate::text::number::{CT_STATE, TCP_FLAGS, TUN_FLAGS, format_flags, format_masked_flags, hex};
use crate::text::value::{format_frag, format_ipv4, format_ipv6, format_mac};
use crate::text::{PortNames, format_value};
use crate::{FieldId, Match, OfPort};

/// The match, without its priority. Empty for a match of everything.
pub fn format_match(pattern: &Match, ports: &PortNames) -> String {
    let mut p = Printer { pattern, ports, text: String::new() };
    p.metadata();
    let shorthand = p.protocol();
    p.registers();
    p.tunnel();
    p.number("metadata", FieldId::Metadata);
    p.port("in_port", FieldId::InPortOxm);
    p.vlan();
    p.ethernet(&shorthand);
    p.network(&shorthand);
    p.transport(&shorthand);
    p.text
}

struct Printer<'a> {
    pattern: &'a Match,
    ports: &'a PortNames,
    text: String,
}

/// What the protocol's shorthand already says.
#[derive(Default)]
struct Shorthand {
    eth_type: Option<u16>,
    nw_proto: Option<u8>,
    says_type: bool,
    says_proto: bool,
}

impl Printer<'_> {
    fn word(&mut self, word: &str) {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(word);
    }

    fn named(&mut self, name: &str, value: &str) {
        self.word(name);
        let _ = write!(self.text, "={value}");
    }

    /// `name=0x..[/0x..]`, `0` for zero.
    fn number(&mut self, name: &str, id: FieldId) {
        let (value, mask) = self.pattern.get(id);
        if mask == id.field().all_ones() {
            self.named(name, &hex(value));
        } else if mask != 0 {
            self.named(name, &format!("{}/{}", hex(value), hex(mask)));
        }
    }

    /// `name=decimal`, or `name=0x../0x..` when masked.
    fn decimal(&mut self, name: &str, id: FieldId) {
        let (value, mask) = self.pattern.get(id);
        if mask == id.field().all_ones() {
            self.named(name, &value.to_string());
        } else if mask != 0 {
            self.named(name, &format!("{}/{}", hex(value), hex(mask)));
        }
    }

    fn value(&mut self, name: &str, id: FieldId) {
        let (value, mask) = self.pattern.get(id);
        if mask != 0 {
            self.named(name, &format_value(id, value, mask, self.ports));
        }
    }

    fn port(&mut self, name: &str, id: FieldId) {
        let (value, mask) = self.pattern.get(id);
        if mask != 0 {
            self.named(name, &self.ports.show(OfPort(value as u32)).to_string());
        }
    }

    fn metadata(&mut self) {
        self.number("pkt_mark", FieldId::PktMark);
        self.number("recirc_id", FieldId::RecircId);
        self.number("dp_hash", FieldId::DpHash);
        self.decimal("conj_id", FieldId::ConjId);
        self.number("skb_priority", FieldId::SkbPriority);
        self.port("actset_output", FieldId::ActsetOutput);
        let (state, mask) = self.pattern.get(FieldId::CtState);
        if mask == FieldId::CtState.field().all_ones() {
            self.named("ct_state", &format_flags(state, CT_STATE));
        } else if mask != 0 {
            self.named("ct_state", &format_masked_flags(state, mask, CT_STATE));
        }
        self.decimal("ct_zone", FieldId::CtZone);
        self.number("ct_mark", FieldId::CtMark);
        self.number("ct_label", FieldId::CtLabel);
        self.value("ct_nw_src", FieldId::CtNwSrc);
        self.value("ct_ipv6_src", FieldId::CtIpv6Src);
        self.value("ct_nw_dst", FieldId::CtNwDst);
        self.value("ct_ipv6_dst", FieldId::CtIpv6Dst);
        self.decimal("ct_nw_proto", FieldId::CtNwProto);
        self.decimal("ct_tp_src", FieldId::CtTpSrc);
        self.decimal("ct_tp_dst", FieldId::CtTpDst);
        let (kind, mask) = self.pattern.get(FieldId::PacketType);
        if mask != 0 && kind == 0 {
            self.word("eth");
        } else {
            self.value("packet_type", FieldId::PacketType);
        }
    }

    fn protocol(&mut self) -> Shorthand {
        let mut said = Shorthand::default();
        if !self.pattern.is_exact(FieldId::EthType) {
            return said;
        }
        let eth_type = self.pattern.get(FieldId::EthType).0 as u16;
        said.eth_type = Some(eth_type);
        if self.pattern.is_exact(FieldId::NwProto) {
            said.nw_proto = Some(self.pattern.get(FieldId::NwProto).0 as u8);
        }
        said.says_type = true;
        said.says_proto = true;
        let word = match (eth_type, said.nw_proto) {
            (0x0800, Some(1)) => "icmp",
            (0x0800, Some(6)) => "tcp",
            (0x0800, Some(17)) => "udp",
            (0x0800, Some(132)) => "sctp",
            (0x86dd, Some(58)) => "icmp6",
            (0x86dd, Some(6)) => "tcp6",
            (0x86dd, Some(17)) => "udp6",
            (0x86dd, Some(132)) => "sctp6",
            (other, _) => {
                said.says_proto = false;
                match other {
                    0x0800 => "ip",
                    0x86dd => "ipv6",
                    0x0806 => "arp",
                    0x8035 => "rarp",
                    0x8847 => "mpls",
                    0x8848 => "mplsm",
                    _ => {
                        said.says_type = false;
                        return said;
                    }
                }
            }
        };
        self.word(word);
        said
    }

    fn registers(&mut self) {
        for i in 0..16 {
            let id = FieldId::ALL[FieldId::Reg0 as usize + i];
            self.number(id.field().name, id);
        }
    }

    fn tunnel(&mut self) {
        self.number("tun_id", FieldId::TunId);
        for id in [FieldId::TunSrc, FieldId::TunDst, FieldId::TunIpv6Src, FieldId::TunIpv6Dst] {
            self.value(id.field().name, id);
        }
        self.decimal("tun_gbp_id", FieldId::TunGbpId);
        self.number("tun_gbp_flags", FieldId::TunGbpFlags);
        self.decimal("tun_tos", FieldId::TunTos);
        self.decimal("tun_ttl", FieldId::TunTtl);
        self.decimal("tun_erspan_ver", FieldId::TunErspanVer);
        self.number("tun_erspan_idx", FieldId::TunErspanIdx);
        self.decimal("tun_erspan_dir", FieldId::TunErspanDir);
        self.number("tun_erspan_hwid", FieldId::TunErspanHwid);
        self.number("gtpu_flags", FieldId::TunGtpuFlags);
        self.decimal("gtpu_msgtype", FieldId::TunGtpuMsgtype);
        let (value, mask) = self.pattern.get(FieldId::TunFlags);
        if mask != 0 {
            self.named("tun_flags", &format_masked_flags(value, mask, TUN_FLAGS));
        }
    }

    /// `dl_vlan` and `dl_vlan_pcp` where they say it all, else the TCI with its mask.
    fn vlan(&mut self) {
        const VID: u128 = 0x0fff;
        const CFI: u128 = 0x1000;
        const PCP: u128 = 0xe000;
        let (tci, mask) = self.pattern.get(FieldId::VlanTci);
        if mask == 0 {
            return;
        }
        let whole = |bits: u128| mask & bits == 0 || mask & bits == bits;
        if mask & tci & CFI != 0 && whole(VID) && whole(PCP) && mask & (VID | PCP) != 0 {
            if mask & VID != 0 {
                self.named("dl_vlan", &(tci & VID).to_string());
            }
            if mask & PCP != 0 {
                self.named("dl_vlan_pcp", &(tci >> 13).to_string());
            }
        } else if mask == 0xffff {
            self.named("vlan_tci", &format!("{tci:#06x}"));
        } else {
            self.named("vlan_tci", &format!("{tci:#06x}/{mask:#06x}"));
        }
    }

    fn ethernet(&mut self, said: &Shorthand) {
        for (name, id) in [("dl_src", FieldId::EthSrc), ("dl_dst", FieldId::EthDst)] {
            let (value, mask) = self.pattern.get(id);
            if mask != 0 {
                self.named(name, &format_mac(value as u64, mask as u64));
            }
        }
        let (eth_type, mask) = self.pattern.get(FieldId::EthType);
        if mask != 0 && !said.says_type {
            self.named("dl_type", &format!("{eth_type:#06x}"));
        }
    }

    fn network(&mut self, said: &Shorthand) {
        let arp = matches!(said.eth_type, Some(0x0806 | 0x8035));
        let (source, target) = if arp { ("arp_spa", "arp_tpa") } else { ("nw_src", "nw_dst") };
        if said.eth_type == Some(0x86dd) {
            for (name, id) in [("ipv6_src", FieldId::Ipv6Src), ("ipv6_dst", FieldId::Ipv6Dst)] {
                let (value, mask) = self.pattern.get(id);
                if mask != 0 {
                    self.named(name, &format_ipv6(value, mask));
                }
            }
            let (label, mask) = self.pattern.get(FieldId::Ipv6Label);
            if mask == FieldId::Ipv6Label.field().all_ones() {
                self.named("ipv6_label", &format!("{label:#07x}"));
            } else if mask != 0 {
                self.named("ipv6_label", &format!("{label:#07x}/{mask:#07x}"));
            }
        } else {
            for (name, id) in [(source, FieldId::IpSrc), (target, FieldId::IpDst)] {
                let (value, mask) = self.pattern.get(id);
                if mask != 0 {
                    self.named(name, &format_ipv4(value as u32, mask as u32));
                }
            }
        }
        if let Some(proto) = said.nw_proto.filter(|_| !said.says_proto) {
            self.named(if arp { "arp_op" } else { "nw_proto" }, &proto.to_string());
        } else if said.eth_type.is_none() {
            self.decimal("nw_proto", FieldId::NwProto);
        }
        if arp {
            self.value("arp_sha", FieldId::ArpSha);
            self.value("arp_tha", FieldId::ArpTha);
        }
        if said.eth_type == Some(0x894f) {
            self.nsh();
        }
        self.ip_bits();
    }

    fn nsh(&mut self) {
        for id in [FieldId::NshFlags, FieldId::NshTtl, FieldId::NshMdtype, FieldId::NshNp] {
            self.decimal(id.field().name, id);
        }
        self.number("nsh_spi", FieldId::NshSpi);
        self.decimal("nsh_si", FieldId::NshSi);
        for id in [FieldId::NshC1, FieldId::NshC2, FieldId::NshC3, FieldId::NshC4] {
            self.number(id.field().name, id);
        }
    }

    fn ip_bits(&mut self) {
        let (dscp, mask) = self.pattern.get(FieldId::IpDscp);
        if mask != 0 {
            self.named("nw_tos", &(dscp << 2).to_string());
        }
        self.decimal("nw_ecn", FieldId::NwEcn);
        self.decimal("nw_ttl", FieldId::NwTtl);
        self.decimal("mpls_label", FieldId::MplsLabel);
        self.decimal("mpls_tc", FieldId::MplsTc);
        self.decimal("mpls_ttl", FieldId::MplsTtl);
        self.decimal("mpls_bos", FieldId::MplsBos);
        let (frag, mask) = self.pattern.get(FieldId::IpFrag);
        if mask != 0 {
            self.named("nw_frag", &format_frag(frag, mask));
        }
    }

    fn transport(&mut self, said: &Shorthand) {
        let icmp = matches!((said.eth_type, said.nw_proto), (Some(0x0800), Some(1)));
        let icmp6 = matches!((said.eth_type, said.nw_proto), (Some(0x86dd), Some(58)));
        if icmp || icmp6 {
            self.decimal("icmp_type", FieldId::IcmpType);
            self.decimal("icmp_code", FieldId::IcmpCode);
        } else {
            self.decimal("tp_src", FieldId::TcpSrc);
            self.decimal("tp_dst", FieldId::TcpDst);
        }
        if icmp6 {
            self.value("nd_target", FieldId::NdTarget);
            self.value("nd_sll", FieldId::NdSll);
            self.value("nd_tll", FieldId::NdTll);
            self.decimal("nd_reserved", FieldId::NdReserved);
            self.decimal("nd_options_type", FieldId::NdOptionsType);
            return;
        }
        let (flags, mask) = self.pattern.get(FieldId::TcpFlags);
        if mask == FieldId::TcpFlags.field().all_ones() {
            self.named("tcp_flags", &format_flags(flags, TCP_FLAGS));
        } else if mask != 0 {
            self.named("tcp_flags", &format_masked_flags(flags, mask, TCP_FLAGS));
        }
    }
}
