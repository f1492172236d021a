//! Headers around the whole packet: encap and decap of Ethernet, network service headers and MPLS; what a packet type is.
//!
//! How: an encap or decap is told to the datapath with the next commit, so that what is written into a new header goes out
//! in the push. Before it the commit says all that was done to the old outer header. What lies beneath a service header or a
//! label is looked up again.

use weft_flow::action::{PushNsh, SetFields, SetHeader};
use weft_flow::{DpAction, FieldId, FlowKey};
use weft_openflow::PacketInReason;
use weft_openflow::action::{Controller, Encap};
use weft_packet::{DropReason, Mac};

use super::actions::Flow;
use super::fields::{ETH_IPV4, ETH_IPV6, ETH_NSH, eth_type, outer_tag};
use super::mpls::{self, forget_network, is_mpls};
use super::recirc::GoOn;
use super::trace::NodeKind;
use super::{Context, Failure};

/// A change of the outer header that the datapath does not know of yet.
#[derive(Clone)]
pub(super) enum Pending {
    /// It is gone.
    Decap,
    /// There is a new one; the options of a service header of metadata type 2.
    Encap(Vec<u8>),
}

pub(super) const ETHERNET: u32 = 0;
const NS_ETHERTYPE: u32 = 1 << 16;
/// Transparent Ethernet bridging: what an MPLS label says of a frame beneath it.
const ETH_FRAME: u16 = 0x6558;

pub(crate) fn packet_type(key: &FlowKey) -> u32 {
    (key.word(1) >> 32) as u32
}

pub(super) fn set_packet_type(key: &mut FlowKey, kind: u32) {
    let mut low = key.word(1) & 0xffff_ffff;
    if kind != ETHERNET {
        low = low & !0xffff_0000 | u64::from(kind as u16) << 16;
    }
    key.set_word(1, u64::from(kind) << 32 | low);
}

/// Forget the Ethernet header.
pub(super) fn forget_link(key: &mut FlowKey) {
    for word in [2, 3] {
        if key.word(word) != 0 {
            key.set_word(word, 0);
        }
    }
    if key.word(4) >> 32 != 0 {
        key.set_word(4, key.word(4) & 0xffff_ffff);
    }
}

impl Context<'_, '_> {
    pub(super) fn encap(&mut self, what: &Encap) {
        let kind = packet_type(&self.key);
        match what {
            Encap::Ethernet if kind == ETHERNET => {
                self.unsupported("encap(ethernet) is not supported for packet type ethernet.".into());
            }
            Encap::Ethernet => {
                self.commit();
                forget_link(&mut self.key);
                set_packet_type(&mut self.key, ETHERNET);
                self.pending = Some(Pending::Encap(Vec::new()));
            }
            Encap::Nsh { md_type, tlvs } => {
                let next = match (kind, kind as u16) {
                    (ETHERNET, _) => 3,
                    (_, ETH_IPV4) => 1,
                    (_, ETH_IPV6) => 2,
                    (_, ETH_NSH) => 4,
                    _ => {
                        let text = format!(
                            "encap(nsh) is not supported for packet type ({},{:#x})",
                            kind >> 16,
                            kind & 0xffff
                        );
                        return self.unsupported(text);
                    }
                };
                self.commit();
                self.new_outer_header(ETH_NSH);
                for field in NSH_WRITABLE {
                    field.set(&mut self.key, 0);
                }
                FieldId::NshTtl.set(&mut self.key, 63);
                FieldId::NshMdtype.set(&mut self.key, md_type.unwrap_or(1).into());
                FieldId::NshNp.set(&mut self.key, next);
                FieldId::NshSi.set(&mut self.key, 255);
                self.pending = Some(Pending::Encap(options(tlvs)));
            }
            Encap::Mpls { ethertype } => {
                let stack = if is_mpls(eth_type(&self.key)) { mpls::entries(&self.key) } else { [0; 3] };
                self.commit();
                self.new_outer_header(*ethertype);
                let bottom = if stack == [0; 3] { mpls::BOTTOM } else { 0 };
                mpls::set_entries(&mut self.key, [bottom | 64, stack[0], stack[1]]);
                self.pending = Some(Pending::Encap(Vec::new()));
            }
        }
        self.pristine = false;
    }

    fn new_outer_header(&mut self, kind: u16) {
        forget_link(&mut self.key);
        forget_network(&mut self.key);
        set_packet_type(&mut self.key, NS_ETHERTYPE | u32::from(kind));
    }

    pub(super) fn decap(&mut self, inner: Option<u32>) {
        let kind = packet_type(&self.key);
        match (kind, kind as u16) {
            (ETHERNET, _) => {
                self.unwildcard_tags();
                if outer_tag(&self.key).tci != 0 {
                    let why = "Dropping packet, cannot decap Ethernet if VLAN is present.";
                    self.note(NodeKind::Action, || why.into());
                    return self.fail(Failure::UnsupportedPacketType);
                }
                self.commit();
                forget_link(&mut self.key);
                let kind = eth_type(&self.key);
                set_packet_type(&mut self.key, NS_ETHERTYPE | u32::from(kind));
                self.pending = Some(Pending::Decap);
                self.pristine = false;
            }
            (_, ETH_NSH) => {
                self.unwildcard(FieldId::NshNp);
                let next = FieldId::NshNp.get(&self.key);
                let beneath = match next {
                    1 => NS_ETHERTYPE | u32::from(ETH_IPV4),
                    2 => NS_ETHERTYPE | u32::from(ETH_IPV6),
                    3 => ETHERNET,
                    4 => NS_ETHERTYPE | u32::from(ETH_NSH),
                    _ => {
                        let text = format!("NSH next protocol {next} is not supported");
                        return self.unsupported(text);
                    }
                };
                self.take_off(beneath);
            }
            (_, labels) if is_mpls(labels) => {
                self.count_labels();
                let beneath = match inner {
                    Some(kind) => kind,
                    None if !self.at_bottom() => kind,
                    None => return self.unsupported("what lies beneath the label is not said".into()),
                };
                self.take_off(beneath);
            }
            _ => {
                self.commit();
                let text = format!("the decap() does not support packet type ({},{:#x})", kind >> 16, kind & 0xffff);
                self.unsupported(text);
            }
        }
    }

    fn at_bottom(&mut self) -> bool {
        self.unwildcard(FieldId::MplsBos);
        FieldId::MplsBos.get(&self.key) != 0
    }

    /// The outer header goes; the datapath looks at what it hid.
    fn take_off(&mut self, beneath: u32) {
        self.commit();
        self.pending = Some(Pending::Decap);
        if is_mpls(eth_type(&self.key)) {
            let [_, second, third] = mpls::entries(&self.key);
            mpls::set_entries(&mut self.key, [second, third, 0]);
        }
        set_packet_type(&mut self.key, beneath);
        if beneath == ETHERNET && is_mpls(eth_type(&self.key)) {
            mpls::set_eth_type(&mut self.key, ETH_FRAME);
        }
        self.pristine = false;
        self.freeze_and_recirculate(GoOn::After, None);
    }

    fn unsupported(&mut self, what: String) {
        self.note(NodeKind::Action, || format!("Dropping packet as {what}"));
        self.fail(Failure::UnsupportedPacketType);
    }

    pub(super) fn dec_nsh_ttl(&mut self) -> Flow {
        if eth_type(&self.key) != ETH_NSH {
            return Flow::Continue;
        }
        self.unwildcard(FieldId::NshTtl);
        let ttl = FieldId::NshTtl.get(&self.key);
        if ttl > 1 {
            FieldId::NshTtl.set(&mut self.key, ttl - 1);
            self.pristine = false;
            return Flow::Continue;
        }
        self.packet_in(&Controller::default(), PacketInReason::INVALID_TTL.0);
        self.note(NodeKind::Warn, || "NSH decrement TTL exception".into());
        self.no_output(DropReason::TtlExpired);
        Flow::Stop
    }

    /// Tell the datapath of an outer header that came or went.
    pub(super) fn commit_shape(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        let (now, was) = (packet_type(&self.key), packet_type(&self.base));
        match pending {
            Pending::Decap => {
                let kind = eth_type(&self.key);
                self.out.push(match (was, was as u16) {
                    (ETHERNET, _) => DpAction::PopEth,
                    (_, ETH_NSH) => DpAction::PopNsh,
                    _ => DpAction::PopMpls { ethertype: kind },
                });
                forget_link(&mut self.base);
                mpls::set_entries(&mut self.base, mpls::entries(&self.key));
            }
            Pending::Encap(options) => {
                let action = match now {
                    ETHERNET => {
                        let mac = |field: FieldId| Mac::from_u64(field.get(&self.key) as u64);
                        for word in [2, 3] {
                            self.base.set_word(word, self.key.word(word) & !0xffff);
                        }
                        DpAction::PushEth { src: mac(FieldId::EthSrc), dst: mac(FieldId::EthDst) }
                    }
                    kind if is_mpls(kind as u16) => {
                        self.hide_old_headers();
                        let stack = mpls::entries(&self.key);
                        mpls::set_entries(&mut self.base, stack);
                        DpAction::AddMpls { ethertype: kind as u16, entry: stack[0] }
                    }
                    _ => {
                        self.hide_old_headers();
                        for field in NSH_WRITABLE.into_iter().chain([FieldId::NshMdtype, FieldId::NshNp]) {
                            let value = field.get(&self.key);
                            field.set(&mut self.base, value);
                        }
                        DpAction::PushNsh(Box::new(PushNsh::of_key(&self.key, options)))
                    }
                };
                self.out.push(action);
            }
        }
        set_packet_type(&mut self.base, now);
        let kind = eth_type(&self.key);
        mpls::set_eth_type(&mut self.base, kind);
    }

    fn hide_old_headers(&mut self) {
        forget_link(&mut self.base);
        forget_network(&mut self.base);
    }

    /// Write the fields of a service header that changed; all that matter are shown.
    pub(super) fn commit_nsh(&mut self) {
        if eth_type(&self.key) != ETH_NSH || eth_type(&self.base) != ETH_NSH {
            return;
        }
        let changed = NSH_WRITABLE.iter().any(|field| field.get(&self.key) != field.get(&self.base));
        if !changed {
            return;
        }
        let mut fields = smallvec::SmallVec::new();
        for field in NSH_WRITABLE {
            let (new, old) = (field.get(&self.key), field.get(&self.base));
            field.add_mask(&mut self.mask, new ^ old);
            let bits = field.get_mask(&self.mask);
            if bits != 0 {
                fields.push((field, new & bits, bits));
                field.set(&mut self.base, new);
            }
        }
        self.out.push(DpAction::Set(SetFields { header: SetHeader::Nsh, fields }));
    }
}

const NSH_WRITABLE: [FieldId; 8] = {
    use FieldId::{NshC1, NshC2, NshC3, NshC4, NshFlags, NshSi, NshSpi, NshTtl};
    [NshFlags, NshTtl, NshSpi, NshSi, NshC1, NshC2, NshC3, NshC4]
};

/// Class, type, length and value of each option, padded to words (RFC 8300 §2.5.1).
fn options(tlvs: &[(u16, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (class, kind, value) in tlvs {
        bytes.extend(class.to_be_bytes());
        bytes.extend([*kind, value.len() as u8]);
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
