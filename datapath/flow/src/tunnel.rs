//! What outer headers said, within a key, and back.
//!
//! What: [`write()`] puts a [`Tunnel`] into a key's words, [`read()`] takes it out. Geneve's options lie in a datapath's key as
//! they came ([`set_raw`], [`raw`]): which of them is which `tun_metadata` field depends on the bridge, and the datapath
//! knows no bridge. [`to_fields`] and [`from_fields`] go between the two forms, [`mask_to_raw`] says which of the raw bytes
//! a mask of fields rests on.
//!
//! ```text
//! word 36, upper 16 bits: OAM 1, DF 2, CSUM 4, KEY 8; RAW 0x8000: the options are raw
//! raw: words 39-70 hold up to 252 bytes in the order of the wire, word 71 their number
//! ```
//!
//! Invariant: a mask of raw options covers the headers of all options in front of what it rests on, so that an option of
//! another length cannot shift another's bytes under it.

use smallvec::SmallVec;
use weft_packet::tunnel::{Ends, Tunnel};

use crate::key::TUN_METADATA_WORD;
use crate::tun_metadata::{PRESENT_WORD, TlvTable, TunValue};
use crate::{FieldId, FlowKey, FlowMask};

/// The most bytes of options that a Geneve header can hold (RFC 8926 §3.4: six bits of words).
pub const MAX_OPTIONS: usize = 252;
/// The word with flags, type of service, time to live and ports.
pub const FLAGS_WORD: usize = 36;
/// In that word's upper 16 bits: the options lie there as they came.
pub const RAW: u16 = 0x8000;

/// Geneve options as they lie on the wire.
pub type RawOptions = SmallVec<[u8; 64]>;

/// Write what outer headers said, but for Geneve's options, into words that are zero.
#[inline]
pub fn write(tunnel: &Tunnel, key: &mut FlowKey) {
    match tunnel.ends {
        Ends::V4 { src, dst } => {
            key.set_word(30, u64::from(u32::from_be_bytes(src)) << 32 | u64::from(u32::from_be_bytes(dst)));
        }
        Ends::V6 { src, dst } => {
            key.set_bits(31, 0, 128, u128::from_be_bytes(src));
            key.set_bits(33, 0, 128, u128::from_be_bytes(dst));
        }
    }
    key.set_word(35, tunnel.id);
    let ports = u64::from(tunnel.tp_src) << 16 | u64::from(tunnel.tp_dst);
    let head = u64::from(tunnel.flags & !RAW) << 16 | u64::from(tunnel.tos) << 8 | u64::from(tunnel.ttl);
    key.set_word(FLAGS_WORD, head << 32 | ports);
    let gbp = u64::from(tunnel.gbp_id) << 48 | u64::from(tunnel.gbp_flags) << 40;
    let erspan = u64::from(tunnel.erspan_ver) << 32 | u64::from(tunnel.erspan_idx);
    if gbp | erspan != 0 {
        key.set_word(37, gbp | erspan);
    }
    let rest = [tunnel.erspan_dir, tunnel.erspan_hwid, tunnel.gtpu_flags, tunnel.gtpu_msgtype];
    if rest != [0; 4] {
        key.set_word(38, u64::from(u32::from_be_bytes(rest)) << 32 | key.word(38) & 0xffff_ffff);
    }
}

/// What a key says of outer headers, but for Geneve's options.
pub fn read(key: &FlowKey) -> Tunnel {
    let (ports, gbp, rest) = (key.word(FLAGS_WORD), key.word(37), (key.word(38) >> 32) as u32);
    let [erspan_dir, erspan_hwid, gtpu_flags, gtpu_msgtype] = rest.to_be_bytes();
    let v6 = FieldId::TunIpv6Dst.get(key) != 0 || FieldId::TunIpv6Src.get(key) != 0;
    let ends = match v6 {
        true => Ends::V6 {
            src: FieldId::TunIpv6Src.get(key).to_be_bytes(),
            dst: FieldId::TunIpv6Dst.get(key).to_be_bytes(),
        },
        false => {
            Ends::V4 { src: ((key.word(30) >> 32) as u32).to_be_bytes(), dst: (key.word(30) as u32).to_be_bytes() }
        }
    };
    Tunnel {
        ends,
        id: key.word(35),
        flags: (ports >> 48) as u16 & !RAW,
        tos: (ports >> 40) as u8,
        ttl: (ports >> 32) as u8,
        tp_src: (ports >> 16) as u16,
        tp_dst: ports as u16,
        gbp_id: (gbp >> 48) as u16,
        gbp_flags: (gbp >> 40) as u8,
        erspan_ver: (gbp >> 32) as u8,
        erspan_idx: gbp as u32,
        erspan_dir,
        erspan_hwid,
        gtpu_flags,
        gtpu_msgtype,
    }
}

/// Whether a key's packet came out of a tunnel, or is to go into one.
#[inline]
pub fn is_there(key: &FlowKey) -> bool {
    key.word(30) as u32 != 0 || key.word(33) | key.word(34) != 0
}

/// Forget what outer headers said.
pub fn clear(key: &mut FlowKey) {
    let priority = key.word(38) & 0xffff_ffff;
    key.clear_words(((1u128 << (PRESENT_WORD + 1)) - 1) & !((1 << 30) - 1));
    if priority != 0 {
        key.set_word(38, priority);
    }
}

/// Put options, as they lie on the wire, into a key whose option words are zero. What is beyond [`MAX_OPTIONS`] is left out.
#[inline]
pub fn set_raw(options: &[u8], key: &mut FlowKey) {
    let options = &options[..options.len().min(MAX_OPTIONS)];
    if options.is_empty() {
        return;
    }
    let (words, rest) = options.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        key.set_word(TUN_METADATA_WORD + i, u64::from_be_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        key.set_word(TUN_METADATA_WORD + words.len(), u64::from_be_bytes(last));
    }
    key.set_word(PRESENT_WORD, options.len() as u64);
    key.or_word(FLAGS_WORD, u64::from(RAW) << 48);
}

/// Whether a key's options lie there as they came.
#[inline]
pub fn is_raw(key: &FlowKey) -> bool {
    key.word(FLAGS_WORD) >> 63 != 0
}

/// The options as they lie on the wire; none if the key has a bridge's fields.
pub fn raw(key: &FlowKey) -> RawOptions {
    if !is_raw(key) {
        return RawOptions::new();
    }
    raw_bytes(key.words(), key.word(PRESENT_WORD) as usize)
}

/// The bits of raw options that a mask rests on, for a key with so many bytes of them.
pub fn raw_mask(mask: &FlowMask, len: usize) -> RawOptions {
    raw_bytes(mask.words(), len)
}

fn raw_bytes(words: &[u64], len: usize) -> RawOptions {
    let len = len.min(MAX_OPTIONS);
    let mut bytes: RawOptions = words[TUN_METADATA_WORD..PRESENT_WORD]
        .iter()
        .take(len.div_ceil(8))
        .flat_map(|word| word.to_be_bytes())
        .collect();
    bytes.truncate(len);
    bytes
}

/// One option among raw ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawOption<'a> {
    /// Where its header stands.
    pub at: usize,
    /// Its class.
    pub class: u16,
    /// Its type, with the critical bit.
    pub kind: u8,
    /// What it says.
    pub data: &'a [u8],
}

/// The options, in order (RFC 8926 §3.5). Ends at one that is longer than what is there.
pub fn options(raw: &[u8]) -> impl Iterator<Item = RawOption<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let head: &[u8; 4] = raw.get(at..)?.first_chunk()?;
        let len = usize::from(head[3] & 0x1f) * 4;
        let data = raw.get(at + 4..at + 4 + len)?;
        let option = RawOption { at, class: u16::from_be_bytes([head[0], head[1]]), kind: head[2], data };
        at += 4 + len;
        Some(option)
    })
}

/// Append an option. Data beyond 124 bytes is cut off; shorter is filled up with zeros to whole words.
pub fn push_option(raw: &mut impl Extend<u8>, class: u16, kind: u8, data: &[u8]) {
    let data = &data[..data.len().min(124)];
    let words = data.len().div_ceil(4);
    let [a, b] = class.to_be_bytes();
    raw.extend([a, b, kind, words as u8]);
    raw.extend(data.iter().copied().chain(std::iter::repeat_n(0, words * 4 - data.len())));
}

/// Give raw options the places of a bridge's fields. An option that no field is mapped to, or of another length than its
/// field, is not seen by the bridge.
pub fn to_fields(key: &mut FlowKey, table: &TlvTable) {
    if !is_raw(key) {
        return;
    }
    let bytes = raw(key);
    clear_options(key);
    for option in options(&bytes) {
        if let Some(map) = table.maps().iter().find(|map| (map.class, map.kind) == (option.class, option.kind))
            && usize::from(map.len) == option.data.len()
        {
            // a mapped field has its place
            let _ = table.layout().set(key, map.index, &TunValue::exact(option.data));
        }
    }
}

/// The options that a key's fields are, in the order of the fields, as they lie on the wire.
pub fn from_fields(key: &FlowKey, table: &TlvTable) -> Vec<u8> {
    let mut bytes = Vec::new();
    for map in table.maps().iter().filter(|map| key.word(PRESENT_WORD) >> map.index & 1 == 1) {
        let data = table.layout().bytes(map.index, key.words());
        if bytes.len() + 4 + data.len() <= MAX_OPTIONS {
            push_option(&mut bytes, map.class, map.kind, &data);
        }
    }
    bytes
}

/// Turn a mask of a bridge's fields into one of the raw options that `key`, the datapath's, has.
pub fn mask_to_raw(mask: &mut FlowMask, key: &FlowKey, table: &TlvTable) {
    let fields = mask.clone();
    for word in TUN_METADATA_WORD..=PRESENT_WORD {
        mask.set_word(word, 0);
    }
    let asked = fields.word(PRESENT_WORD);
    if asked == 0 {
        return;
    }
    // which options there are, and how many bytes: nothing may come or go
    mask.set_word(PRESENT_WORD, u64::MAX);
    mask.or_word(FLAGS_WORD, u64::from(RAW) << 48);
    let bytes = raw(key);
    let mut bits: RawOptions = SmallVec::from_elem(0, bytes.len());
    for option in options(&bytes) {
        bits[option.at..option.at + 4].fill(0xff);
        let map = table.maps().iter().find(|map| (map.class, map.kind) == (option.class, option.kind));
        if let Some(map) = map.filter(|map| asked >> map.index & 1 == 1 && usize::from(map.len) == option.data.len()) {
            let of_field = table.layout().bytes(map.index, fields.words());
            bits[option.at + 4..][..of_field.len()].copy_from_slice(&of_field);
        }
    }
    set_raw_mask(&bits, mask);
}

/// Make bits of raw options matter.
pub fn set_raw_mask(bits: &[u8], mask: &mut FlowMask) {
    for (i, chunk) in bits.chunks(8).take(SPACE_WORDS).enumerate() {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mask.or_word(TUN_METADATA_WORD + i, u64::from_be_bytes(word));
    }
}

fn clear_options(key: &mut FlowKey) {
    key.clear_words(((1u128 << (PRESENT_WORD + 1)) - 1) & !((1 << TUN_METADATA_WORD) - 1));
    key.set_word(FLAGS_WORD, key.word(FLAGS_WORD) & !(u64::from(RAW) << 48));
}

const SPACE_WORDS: usize = PRESENT_WORD - TUN_METADATA_WORD;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tun_metadata::TlvMap;

    fn table() -> TlvTable {
        let mut table = TlvTable::default();
        let map = |class, kind, len, index| TlvMap { class, kind, len, index };
        table.add(&[map(0xffff, 0x80, 4, 5), map(0x102, 1, 8, 0), map(0x102, 2, 124, 63)]).unwrap();
        table
    }

    #[test]
    fn options_become_a_bridges_fields_and_options_again() {
        let table = table();
        let mut bytes = Vec::new();
        push_option(&mut bytes, 0x102, 1, &[1, 2, 3, 4, 5, 6, 7, 8]);
        push_option(&mut bytes, 0xffff, 0x80, &[9, 9, 9, 9]);
        let mut key = FlowKey::new();
        set_raw(&bytes, &mut key);
        assert_eq!(raw(&key)[..], bytes[..]);
        let datapath = key.clone();
        to_fields(&mut key, &table);
        assert!(!is_raw(&key));
        assert_eq!(table.layout().get(&key, 0), Some(TunValue::exact(&[1, 2, 3, 4, 5, 6, 7, 8])));
        assert_eq!(from_fields(&key, &table), bytes);
        let mut mask = FlowMask::new();
        table.layout().unwildcard(&mut mask, 5, &TunValue::masked(&[0xff], &[0xff]));
        mask_to_raw(&mut mask, &datapath, &table);
        let bits = raw_mask(&mask, bytes.len());
        assert_eq!(bits[..], [[0xff; 4], [0; 4], [0; 4], [0xff; 4], [0, 0, 0, 0xff]].concat());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(v6: bool, a: [u8; 16], id: u64, flags in 0u16..16, b: [u8; 8], idx in 0u32..1 << 20) {
            let four: [u8; 4] = *a.first_chunk().unwrap();
            let ends = match v6 {
                true => Ends::V6 { src: a, dst: [b[0] | 1; 16] },
                false => Ends::V4 { src: four, dst: [b[0] | 1; 4] },
            };
            let tunnel = Tunnel {
                ends, id, flags, tos: b[1], ttl: b[2], tp_src: idx as u16, tp_dst: u16::from(b[3]), gbp_id: u16::from(b[4]),
                gbp_flags: b[5], erspan_ver: b[6], erspan_idx: idx, erspan_dir: b[7] & 1, erspan_hwid: b[3] & 0x3f,
                gtpu_flags: b[1], gtpu_msgtype: b[2],
            };
            let mut key = FlowKey::new();
            FieldId::SkbPriority.set(&mut key, 7);
            write(&tunnel, &mut key);
            prop_assert!(is_there(&key));
            prop_assert_eq!(read(&key), tunnel);
            clear(&mut key);
            prop_assert!(!is_there(&key));
            prop_assert_eq!(FieldId::SkbPriority.get(&key), 7);
        }
    }

    #[test]
    fn no_bytes_of_options_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let mut key = FlowKey::new();
            set_raw(bytes, &mut key);
            let end = options(bytes).last().map_or(0, |last| last.at + 4 + last.data.len());
            assert!(end <= bytes.len());
            let mut mask = FlowMask::new();
            table().layout().unwildcard(&mut mask, 5, &TunValue::exact(&[0xff]));
            mask_to_raw(&mut mask, &key, &table());
            to_fields(&mut key, &table());
        });
    }
}
