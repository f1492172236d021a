//! Edits that change which headers a frame has: MPLS labels, Ethernet, network service headers; and what conntrack said.
//!
//! How: a frame that has lost its Ethernet header is told by its key (`packet_type`), which the later steps and a
//! recirculation read.

use weft_flow::action::{PushNsh, SetFields};
use weft_flow::{FieldId, FlowKey};
use weft_packet::wire::nsh::NshEdit;
use weft_packet::wire::{Missing, ethernet, ethertype, mpls, nsh};
use weft_packet::{Frame, Mac};

/// One of them.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Push an entry of the label stack.
    PushMpls {
        /// Type of the stack.
        ethertype: u16,
        /// The entry.
        entry: u32,
    },
    /// Put one in front of everything.
    AddMpls {
        /// Type of the stack.
        ethertype: u16,
        /// The entry.
        entry: u32,
    },
    /// Pop one.
    PopMpls {
        /// Type of what lies beneath.
        ethertype: u16,
    },
    /// Push an Ethernet header.
    PushEth {
        /// Its source.
        src: Mac,
        /// Its destination.
        dst: Mac,
    },
    /// Pop it.
    PopEth,
    /// Push these bytes as a network service header.
    PushNsh(Vec<u8>),
    /// Pop one.
    PopNsh,
    /// Write fields of one.
    Nsh(NshEdit),
    /// Forget what conntrack said.
    CtClear,
}

/// Namespace 1 of packet types: EtherTypes.
const NS_ETHERTYPE: u32 = 1 << 16;
/// Transparent Ethernet bridging: a frame comes up.
const ETH_FRAME: u16 = 0x6558;

impl Shape {
    /// Compile `push_nsh`.
    pub fn push_nsh(nsh: &PushNsh) -> Shape {
        Shape::PushNsh(nsh.bytes())
    }

    /// Compile `set(nsh(...))`.
    pub fn nsh(set: &SetFields) -> Shape {
        let mut edit = NshEdit::default();
        for &(field, value, bits) in &set.fields {
            let (value, bits) = (value as u32, bits as u32);
            let path = |shift: u32| Some((value << shift, bits << shift));
            let united = |old: Option<(u32, u32)>, new: Option<(u32, u32)>| match (old, new) {
                (Some((v, b)), Some((w, c))) => Some((v | w, b | c)),
                (old, new) => old.or(new),
            };
            match field {
                FieldId::NshFlags => edit.flags = Some(value as u8),
                FieldId::NshTtl => edit.ttl = Some(value as u8),
                FieldId::NshSpi => edit.path = united(edit.path, path(8)),
                FieldId::NshSi => edit.path = united(edit.path, path(0)),
                FieldId::NshC1 => edit.context[0] = Some((value, bits)),
                FieldId::NshC2 => edit.context[1] = Some((value, bits)),
                FieldId::NshC3 => edit.context[2] = Some((value, bits)),
                FieldId::NshC4 => edit.context[3] = Some((value, bits)),
                _ => {}
            }
        }
        Shape::Nsh(edit)
    }

    /// Edit a frame and what its key says of its kind.
    ///
    /// # Errors
    /// If the frame does not have what is to be taken off: nothing sensible can follow.
    pub fn apply(&self, frame: &mut Frame, key: &mut FlowKey) -> Result<(), Missing> {
        let kind = (key.word(1) >> 32) as u32;
        let at = if kind == 0 { usize::from(frame.l3) } else { 0 };
        match self {
            _ if at == 0 && kind == 0 && !matches!(self, Shape::CtClear) => return Err(Missing),
            Shape::PushMpls { ethertype, entry } => {
                mpls::push(frame, at, *ethertype, *entry)?;
                retype(key, kind, *ethertype);
            }
            Shape::AddMpls { ethertype, entry } => {
                mpls::push(frame, 0, *ethertype, *entry)?;
                set_kind(key, NS_ETHERTYPE | u32::from(*ethertype));
            }
            Shape::PopMpls { ethertype } => {
                mpls::pop(frame, at, *ethertype)?;
                match *ethertype {
                    ETH_FRAME if kind != 0 => set_kind(key, 0),
                    other => retype(key, kind, other),
                }
            }
            // a frame that has an Ethernet header takes no second one, one that has none loses none
            Shape::PushEth { .. } if kind == 0 => return Err(Missing),
            Shape::PopEth if kind != 0 => return Err(Missing),
            Shape::PopNsh if kind != NS_ETHERTYPE | u32::from(ethertype::NSH) => return Err(Missing),
            Shape::PushEth { src, dst } => {
                frame.insert(0, ethernet::LEN);
                frame.bytes_mut()[..6].copy_from_slice(&dst.0);
                frame.bytes_mut()[6..12].copy_from_slice(&src.0);
                frame.bytes_mut()[12..14].copy_from_slice(&(kind as u16).to_be_bytes());
                frame.l3 = ethernet::LEN as u16;
                set_kind(key, 0);
            }
            Shape::PopEth => {
                let kind = *frame.bytes().get(12..).and_then(|b| b.first_chunk::<2>()).ok_or(Missing)?;
                frame.remove(0, ethernet::LEN);
                frame.l3 = 0;
                set_kind(key, NS_ETHERTYPE | u32::from(u16::from_be_bytes(kind)));
            }
            Shape::PushNsh(header) => {
                frame.insert(0, header.len());
                frame.bytes_mut()[..header.len()].copy_from_slice(header);
                frame.l3 = 0;
                set_kind(key, NS_ETHERTYPE | u32::from(ethertype::NSH));
            }
            Shape::PopNsh => {
                let (len, next) = nsh::length_and_next(frame.bytes()).ok_or(Missing)?;
                let kind = match next {
                    1 => NS_ETHERTYPE | u32::from(ethertype::IPV4),
                    2 => NS_ETHERTYPE | u32::from(ethertype::IPV6),
                    3 => 0,
                    4 => NS_ETHERTYPE | u32::from(ethertype::NSH),
                    _ => return Err(Missing),
                };
                frame.remove(0, len);
                (frame.l3, frame.l4) = (0, 0);
                set_kind(key, kind);
            }
            Shape::Nsh(edit) => nsh::edit(frame, at, edit)?,
            Shape::CtClear => {
                key.clear_words(CONNTRACK_WORDS);
                for word in CONNTRACK_HALVES {
                    key.set_word(word, key.word(word) & 0xffff_ffff);
                }
            }
        }
        Ok(())
    }
}

/// Words that hold what conntrack said.
const CONNTRACK_WORDS: u128 = 1 << 15 | 0b111_1111 << 17;
/// Words whose upper half does.
const CONNTRACK_HALVES: [usize; 2] = [16, 24];

/// A frame without an Ethernet header is of the type that stands at its front.
fn retype(key: &mut FlowKey, kind: u32, ethertype: u16) {
    if kind != 0 {
        set_kind(key, NS_ETHERTYPE | u32::from(ethertype));
    }
}

fn set_kind(key: &mut FlowKey, kind: u32) {
    key.set_word(1, u64::from(kind) << 32 | key.word(1) & 0xffff_ffff);
}

/// Put an Ethernet header in front for as long as `edit` runs: headers at the very front cannot be told from missing ones.
pub fn behind_ethernet(frame: &mut Frame, edit: impl FnOnce(&mut Frame) -> Result<(), Missing>) -> Result<(), Missing> {
    frame.insert(0, ethernet::LEN);
    frame.l3 = ethernet::LEN as u16;
    let done = edit(frame);
    frame.remove(0, ethernet::LEN);
    frame.l3 = 0;
    done
}

#[cfg(test)]
mod tests {
    use weft_flow::action::SetHeader;
    use weft_flow::dpctl::{DpNames, parse_actions};
    use weft_flow::extract::{Limits, extract_again};
    use weft_packet::builder::Builder;

    use super::super::Edit;
    use super::*;
    use crate::program::{Program, Step};

    fn tcp(vlan: bool) -> Frame {
        let ethernet = Builder::ethernet(Mac([2, 0, 0, 0, 0, 2]), Mac([2, 0, 0, 0, 0, 1]));
        let ethernet = if vlan { ethernet.vlan(0x8100, 0x2005) } else { ethernet };
        Frame::copy_of(&ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(1, 2, 0x10).payload(&[0x5a; 33]).build())
    }

    /// Run edits in dpctl's syntax on a frame; returns the key that it has then.
    fn run(frame: &mut Frame, actions: &str) -> Result<FlowKey, Missing> {
        let mut key = FlowKey::new();
        key.begin(0, 1);
        extract_again(frame, &mut key, Limits { vlans: 2 }).unwrap();
        // an output keeps the program from being optimised away
        let actions = parse_actions(&format!("{actions},9"), &DpNames::new()).unwrap();
        let Program::Steps(steps) = Program::compile(&actions) else { panic!("steps") };
        for step in &steps {
            if let Step::Edit(edit) = step {
                edit.apply(frame, &mut key)?;
            }
        }
        extract_again(frame, &mut key, Limits { vlans: 2 }).unwrap();
        Ok(key)
    }

    #[test]
    fn labels_are_pushed_behind_the_tags_and_popped_again() {
        for vlan in [false, true] {
            let mut frame = tcp(vlan);
            let before = frame.bytes().to_vec();
            let key = run(
                &mut frame,
                "push_mpls(label=5,tc=3,ttl=7,bos=1,eth_type=0x8847),push_mpls(label=6,tc=0,ttl=8,bos=0,eth_type=0x8848),\
                 set(mpls(label=7,tc=1,ttl=9,bos=0))",
            )
            .unwrap();
            assert_eq!(FieldId::EthType.get(&key), 0x8848);
            assert_eq!(key.word(25), (7 << 12 | 1 << 9 | 9) << 32 | (5 << 12 | 3 << 9 | 1 << 8 | 7));
            assert_eq!(frame.len(), before.len() + 8);
            let key = run(&mut frame, "pop_mpls(eth_type=0x8847),pop_mpls(eth_type=0x0800)").unwrap();
            assert_eq!((frame.bytes(), FieldId::TcpDst.get(&key)), (&before[..], 2));
        }
    }

    #[test]
    fn a_service_header_goes_around_a_frame_and_comes_off() {
        let mut frame = tcp(false);
        let before = frame.bytes().to_vec();
        let key = run(
            &mut frame,
            "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1234,si=5,c1=0x11223344,c2=0x0,c3=0x0,c4=0x9),\
             set(nsh(ttl=62,si=4)),push_eth(src=00:00:00:00:00:01,dst=11:22:33:44:55:66)",
        )
        .unwrap();
        assert_eq!(FieldId::EthType.get(&key), 0x894f);
        assert_eq!(FieldId::NshSpi.get(&key), 0x1234);
        assert_eq!((FieldId::NshSi.get(&key), FieldId::NshTtl.get(&key)), (4, 62));
        assert_eq!((FieldId::NshC1.get(&key), FieldId::NshC4.get(&key)), (0x1122_3344, 9));
        run(&mut frame, "set(nsh(flags=2,spi=0x77))").unwrap();
        let key = run(&mut frame, "pop_eth").unwrap();
        assert_eq!(FieldId::PacketType.get(&key), 0x0001_894f);
        assert_eq!((FieldId::NshFlags.get(&key), FieldId::NshSpi.get(&key)), (2, 0x77));
        // what the key says of the frame's kind stands for the next look at it
        let mut key = key;
        Shape::PopNsh.apply(&mut frame, &mut key).unwrap();
        assert_eq!((frame.bytes(), FieldId::PacketType.get(&key)), (&before[..], 0));
        assert!(run(&mut frame, "pop_eth,pop_nsh()").is_err());
    }

    #[test]
    fn what_a_frame_has_does_not_go_on_twice_nor_come_off_twice() {
        let mut frame = tcp(false);
        let before = frame.bytes().to_vec();
        for text in ["push_eth(src=00:00:00:00:00:01,dst=11:22:33:44:55:66)", "pop_nsh()"] {
            assert!(run(&mut frame, text).is_err(), "{text}");
            assert_eq!(frame.bytes(), before);
        }
        assert!(run(&mut frame, "pop_eth,pop_eth").is_err());
        assert_eq!(frame.bytes(), &before[14..]);
    }

    #[test]
    fn packets_without_ethernet_are_edited_like_others() {
        let mut frame = tcp(true);
        assert!(
            run(&mut frame.duplicate(), "push_nsh(flags=0,ttl=1,mdtype=2,np=3,spi=0x1,si=1,md2=0x00010203)").is_ok()
        );
        let whole = run(
            &mut frame,
            "pop_vlan,pop_eth,set(ipv4(ttl=9)),set(tcp(dst=99)),\
                                     push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)",
        )
        .unwrap();
        assert_eq!(FieldId::NwTtl.get(&whole), 9);
        assert_eq!(FieldId::TcpDst.get(&whole), 99);
        let found = weft_packet::wire::layers::find(frame.bytes()).unwrap();
        let sum = found.pseudo(frame.bytes()).with(&frame.bytes()[found.l4..found.end]).finish();
        assert_eq!(sum, 0);
    }

    #[test]
    fn clearing_conntrack_leaves_the_marks_of_others() {
        let mut key = FlowKey::new();
        for word in 15..25 {
            key.set_word(word, u64::MAX);
        }
        Shape::CtClear.apply(&mut tcp(false), &mut key).unwrap();
        assert_eq!(FieldId::PktMark.get(&key), 0xffff_ffff);
        assert_eq!(FieldId::DpHash.get(&key), 0xffff_ffff);
        assert_eq!(key.words()[15..25].iter().map(|w| w.count_ones()).sum::<u32>(), 64);
        assert!(matches!(Edit::set(&SetFields { header: SetHeader::Nsh, fields: Default::default() }), Edit::Shape(_)));
    }
}
