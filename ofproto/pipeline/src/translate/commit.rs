//! Header changes as datapath actions, emitted right before whatever makes them visible.
//!
//! How: the words in which `key` and `base` differ say which headers changed; for each, one `set` with the changed fields
//! only, in OVS's order: Ethernet, network, transport, MPLS labels, VLAN tags, queue, mark. The bits that differ matter, because a
//! frame that had them already would need no `set`.

use smallvec::SmallVec;
use weft_flow::action::{SetFields, SetHeader, SlowPathReason};
use weft_flow::{DpAction, FieldId};

use super::Context;
use super::fields::{ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_RARP, TAG_PRESENT, eth_type, inner_tag, nw_proto, outer_tag};

/// Words that hold something which `set`, `push_vlan` or `pop_vlan` can change.
const COMMITTED: u128 = {
    let mut bits = 1 << 25 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 29 | 1 << 38;
    let mut word = 1;
    while word <= 16 {
        bits |= 1 << word;
        word += 1;
    }
    bits
};

impl Context<'_, '_> {
    /// Bring the datapath's frame to where ours is.
    pub(super) fn commit(&mut self) {
        if self.pending.is_some() {
            self.commit_shape();
        }
        if self.pristine_words() {
            return;
        }
        if super::encap::packet_type(&self.key) == 0 {
            self.commit_set(SetHeader::Ethernet, &[FieldId::EthSrc, FieldId::EthDst]);
        }
        self.commit_nsh();
        let uncovered = !super::mpls::is_mpls(eth_type(&self.key));
        if uncovered {
            self.commit_mpls();
        }
        if !self.network_unknown {
            self.commit_network();
        }
        if !uncovered {
            self.commit_mpls();
        }
        self.commit_tags();
        self.commit_set(SetHeader::SkbPriority, &[FieldId::SkbPriority]);
        self.commit_set(SetHeader::SkbMark, &[FieldId::PktMark]);
        // what cannot be expressed (a network header without a protocol) stays as it was
    }

    fn pristine_words(&self) -> bool {
        let used = (self.key.used() | self.base.used()) & COMMITTED;
        weft_flow::key::UsedWords(used).all(|i| self.key.word(i) == self.base.word(i))
    }

    fn commit_network(&mut self) {
        let proto = nw_proto(&self.base);
        match eth_type(&self.key) {
            kind @ (ETH_IPV4 | ETH_IPV6) => {
                let v4 = kind == ETH_IPV4;
                let differs = if v4 {
                    self.differs(5, u64::MAX) || self.differs(4, 0xffff_0000)
                } else {
                    (7..=10).any(|i| self.differs(i, u64::MAX))
                        || self.differs(4, 0xffff_0000)
                        || self.differs(6, 0xffff_ffff)
                };
                if proto == 0 {
                    if differs {
                        self.unwildcard(FieldId::NwProto);
                    }
                    return; // as OVS: no protocol, no header to write
                }
                use FieldId::{IpDst, IpSrc, Ipv6Dst, Ipv6Label, Ipv6Src, NwTos, NwTtl};
                if v4 {
                    self.commit_set(SetHeader::Ipv4, &[IpSrc, IpDst, NwTos, NwTtl]);
                } else {
                    self.commit_set(SetHeader::Ipv6, &[Ipv6Src, Ipv6Dst, Ipv6Label, NwTos, NwTtl]);
                }
                self.commit_transport(proto, v4);
            }
            ETH_ARP | ETH_RARP => {
                use FieldId::{ArpOp, ArpSha, ArpSpa, ArpTha, ArpTpa};
                if ArpOp.get(&self.key) == 0 {
                    if [5, 11, 12].into_iter().any(|i| self.differs(i, u64::MAX)) {
                        self.unwildcard(ArpOp);
                    }
                    return; // as OVS: no operation, no header to write
                }
                self.commit_set(SetHeader::Arp, &[ArpSpa, ArpTpa, ArpOp, ArpSha, ArpTha]);
            }
            _ => {}
        }
    }

    fn commit_transport(&mut self, proto: u8, v4: bool) {
        match proto {
            6 => self.commit_set(SetHeader::Tcp, &[FieldId::TcpSrc, FieldId::TcpDst]),
            17 => self.commit_set(SetHeader::Udp, &[FieldId::UdpSrc, FieldId::UdpDst]),
            132 => self.commit_set(SetHeader::Sctp, &[FieldId::SctpSrc, FieldId::SctpDst]),
            1 if v4 => self.commit_set(SetHeader::Icmpv4, &[FieldId::IcmpType, FieldId::IcmpCode]),
            58 if !v4 => {
                self.commit_set(SetHeader::Nd, &[FieldId::NdTarget, FieldId::NdSll, FieldId::NdTll]);
                self.commit_set(SetHeader::Icmpv6, &[FieldId::Icmpv6Type, FieldId::Icmpv6Code]);
            }
            _ => {}
        }
    }

    /// One `set` with those of the fields that changed.
    fn commit_set(&mut self, header: SetHeader, of: &[FieldId]) {
        let mut fields: SmallVec<[(FieldId, u128, u128); 3]> = SmallVec::new();
        let all = self.is_written_as_a_whole(header, of);
        for &field in of {
            let (new, old) = (field.get(&self.key), field.get(&self.base));
            if new == old && !all {
                continue;
            }
            field.add_mask(&mut self.mask, new ^ old);
            if header == SetHeader::SkbPriority {
                field.unwildcard(&mut self.mask);
            }
            let bits = field.get_mask(&self.mask);
            fields.push((field, new & bits, bits));
            field.set(&mut self.base, new);
        }
        if !fields.is_empty() {
            self.out.push(DpAction::Set(SetFields { header, fields }));
            self.slow_where_open_vswitch_is(header);
        }
    }

    /// Open vSwitch's datapaths write no ARP, ICMP and ND; ours does. A `dummy` datapath is there to be compared with that
    /// of Open vSwitch, and so it says what that one would say.
    fn slow_where_open_vswitch_is(&mut self, header: SetHeader) {
        let cannot = matches!(header, SetHeader::Arp | SetHeader::Icmpv4 | SetHeader::Icmpv6 | SetHeader::Nd);
        if cannot && self.bridge.settings.datapath_type == "dummy" {
            self.slow = Some(SlowPathReason::Action);
        }
    }

    /// ... and it writes ICMP's type and code together.
    fn is_written_as_a_whole(&mut self, header: SetHeader, of: &[FieldId]) -> bool {
        let whole = matches!(header, SetHeader::Icmpv4 | SetHeader::Icmpv6)
            && self.bridge.settings.datapath_type == "dummy"
            && of.iter().any(|field| field.get(&self.key) != field.get(&self.base));
        if whole {
            of.iter().for_each(|field| self.unwildcard(*field));
        }
        whole
    }

    /// Pop what is not wanted any more, push what is new; equal inner tags stay. A pop rests on all of
    /// the tags; what a push rests on has been said by whoever changed the key.
    fn commit_tags(&mut self) {
        let (want, have) = (tags(&self.key), tags(&self.base));
        if want == have {
            return;
        }
        let kept = want.iter().rev().zip(have.iter().rev()).take_while(|(a, b)| a == b).count();
        if kept < have.len() {
            self.unwildcard_tags();
        }
        for _ in kept..have.len() {
            self.out.push(DpAction::PopVlan);
        }
        for tag in want[..want.len() - kept].iter().rev() {
            self.out.push(DpAction::PushVlan { tpid: tag.tpid, tci: tag.tci });
        }
        let (outer, inner) = (outer_tag(&self.key), inner_tag(&self.key));
        super::fields::set_tags(&mut self.base, outer, inner);
    }

    fn differs(&self, word: usize, bits: u64) -> bool {
        (self.key.word(word) ^ self.base.word(word)) & bits != 0
    }
}

/// The tags that are there, outer first.
fn tags(key: &weft_flow::FlowKey) -> SmallVec<[super::fields::Tag; 2]> {
    [outer_tag(key), inner_tag(key)].into_iter().filter(|t| t.tci & TAG_PRESENT != 0).collect()
}
