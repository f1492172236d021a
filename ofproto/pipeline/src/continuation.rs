//! Continuations: a paused translation as bytes that a controller keeps, and the way back.
//!
//! What: [`encode`] writes down a [`FrozenState`] and the metadata of its packet; [`Pipeline::resume`] does what NXT_RESUME
//! says. The bytes mean nothing to the controller, and nothing is kept here while it thinks.
//! How: fixed numbers in network order, then lists with their lengths in front. Actions are written as a packet-out of
//! OpenFlow 1.5 holds them, so the codec reads and checks them.
//!
//! Invariant: bytes from outside: what does not read back exactly is refused, and actions are checked like a packet-out's.

use weft_base::Time;
use weft_flow::extract::extract_again;
use weft_flow::key::{UsedWords, WORDS};
use weft_flow::{FlowKey, Match, OfPort};
use weft_openflow::action::Action;
use weft_openflow::instruction::WriteMetadata;
use weft_openflow::{Cookie, Dialect, ErrorCode, Message, PacketIn, PacketOut, TableId, Version, Xid, codec};
use weft_packet::Frame;

use crate::check;
use crate::connection::Begin;
use crate::frozen::{FrozenState, Step};
use crate::pipeline::Pipeline;
use crate::tables::BridgeId;
use crate::translate::packet_type;
use crate::upcall::set_in_port;

/// What the bytes begin with: a name and a version.
const MAGIC: [u8; 4] = *b"WFC2";
/// Words of a key that its packet does not say: conntrack, tunnel, marks, metadata, registers.
const METADATA_WORDS: u128 = ((1 << WORDS) - 1) & !weft_flow::key::FRAME_WORDS & !1;
/// More steps or values than this nobody has.
const MAX_ITEMS: usize = 4096;
/// A property of a packet-in holds no more.
const MAX_LEN: usize = 48 * 1024;

/// A paused translation of a packet with this key; `None` if it cannot be said in so many bytes.
pub(crate) fn encode(state: &FrozenState, key: &FlowKey) -> Option<Vec<u8>> {
    let mut out = MAGIC.to_vec();
    out.extend(state.bridge.0.to_be_bytes());
    out.extend(state.in_port.to_be_bytes());
    out.extend(packet_type(key).to_be_bytes());
    out.extend([state.table.0, u8::from(state.conntracked), u8::from(state.steps.is_some())]);
    let words: Vec<usize> = UsedWords(key.used() & METADATA_WORDS).filter(|&i| key.word(i) != 0).collect();
    out.push(words.len() as u8);
    for i in words {
        out.push(i as u8);
        out.extend(key.word(i).to_be_bytes());
    }
    put_len(&mut out, state.stack.len());
    state.stack.iter().for_each(|value| out.extend(value.to_be_bytes()));
    put_actions(&mut out, &state.action_set)?;
    let steps = state.steps.as_deref().unwrap_or_default();
    put_len(&mut out, steps.len());
    for step in steps {
        match step {
            Step::Act(action) => {
                out.push(0);
                put_actions(&mut out, std::slice::from_ref(action))?;
            }
            Step::Clear => out.push(1),
            Step::Write(actions) => {
                out.push(2);
                put_actions(&mut out, actions)?;
            }
            Step::Metadata(write) => {
                out.push(3);
                out.extend(write.value.to_be_bytes());
                out.extend(write.mask.to_be_bytes());
            }
            Step::Goto(table) => out.extend([4, table.0]),
            Step::Unroll(table, cookie) => {
                out.extend([5, table.0]);
                out.extend(cookie.0.to_be_bytes());
            }
        }
    }
    (out.len() <= MAX_LEN).then_some(out)
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend((len as u32).to_be_bytes());
}

fn put_actions(out: &mut Vec<u8>, actions: &[Action]) -> Option<()> {
    if actions.is_empty() {
        put_len(out, 0);
        return Some(());
    }
    let mut metadata = Match::any();
    metadata.set(weft_flow::FieldId::InPortOxm, u128::from(OfPort::NONE.0));
    let message = PacketOut { buffer_id: None, metadata, actions: actions.to_vec(), packet: Vec::new() };
    let bytes = codec::encode(&Message::PacketOut(message), Xid(0), &Dialect::new(Version::V15)).ok()?;
    put_len(out, bytes.len());
    out.extend(bytes);
    Some(())
}

/// The way back: the state, and the metadata words of its key.
///
/// # Errors
/// `OFPBRC_BAD_LEN` for bytes that [`encode`] did not write; what the codec or the checks say of actions.
pub(crate) fn decode(bytes: &[u8]) -> Result<(FrozenState, FlowKey), ErrorCode> {
    let mut reader = Reader(bytes);
    if reader.array()? != MAGIC {
        return Err(ErrorCode::OFPBRC_BAD_LEN);
    }
    let bridge = BridgeId(reader.u32()?);
    let (in_port, packet_type) = (reader.u32()?, reader.u32()?);
    let [table, conntracked, has_steps, words] = reader.array()?;
    let mut key = FlowKey::new();
    set_in_port(&mut key, OfPort(in_port));
    key.set_word(1, u64::from(packet_type) << 32);
    for _ in 0..words {
        let [i] = reader.array()?;
        if METADATA_WORDS.checked_shr(i.into()).unwrap_or(0) & 1 == 0 {
            return Err(ErrorCode::OFPBRC_BAD_LEN);
        }
        key.set_word(i.into(), u64::from_be_bytes(reader.array()?));
    }
    let stack = reader.items(16, |reader| Ok(u128::from_be_bytes(reader.array()?)))?;
    let action_set = reader.actions()?;
    let steps = reader.items(1, Reader::step)?.concat();
    if !reader.0.is_empty() {
        return Err(ErrorCode::OFPBRC_BAD_LEN);
    }
    let mut state = FrozenState::new(bridge, &key);
    state.table = TableId(table);
    state.conntracked = conntracked != 0;
    state.steps = (has_steps != 0).then_some(steps);
    (state.stack, state.action_set) = (stack, action_set);
    Ok((state, key))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ErrorCode> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(ErrorCode::OFPBRC_BAD_LEN)?;
        self.0 = rest;
        Ok(*first)
    }

    fn u32(&mut self) -> Result<u32, ErrorCode> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A list whose items have at least so many bytes.
    fn items<T>(
        &mut self,
        least: usize,
        read: impl Fn(&mut Self) -> Result<T, ErrorCode>,
    ) -> Result<Vec<T>, ErrorCode> {
        let n = self.u32()? as usize;
        if n > MAX_ITEMS || n * least > self.0.len() {
            return Err(ErrorCode::OFPBRC_BAD_LEN);
        }
        (0..n).map(|_| read(self)).collect()
    }

    fn actions(&mut self) -> Result<Vec<Action>, ErrorCode> {
        let n = self.u32()? as usize;
        if n == 0 {
            return Ok(Vec::new());
        }
        let (bytes, rest) = self.0.split_at_checked(n).ok_or(ErrorCode::OFPBRC_BAD_LEN)?;
        self.0 = rest;
        let incoming = codec::decode(bytes, &Dialect::new(Version::V15)).map_err(|_| ErrorCode::OFPBRC_BAD_LEN)?;
        let Message::PacketOut(out) = incoming.message else { return Err(ErrorCode::OFPBRC_BAD_LEN) };
        check::packet_out(&out.actions)?;
        Ok(out.actions)
    }

    /// One step; an action that OpenFlow 1.5 says in several words is several.
    fn step(&mut self) -> Result<Vec<Step>, ErrorCode> {
        let [kind] = self.array()?;
        Ok(vec![match kind {
            0 => {
                let actions = self.actions()?;
                return match actions.is_empty() {
                    true => Err(ErrorCode::OFPBRC_BAD_LEN),
                    false => Ok(actions.into_iter().map(Step::Act).collect()),
                };
            }
            1 => Step::Clear,
            2 => Step::Write(self.actions()?),
            3 => {
                let (value, mask) = (u64::from_be_bytes(self.array()?), u64::from_be_bytes(self.array()?));
                Step::Metadata(WriteMetadata { value, mask })
            }
            4 => Step::Goto(TableId(self.array::<1>()?[0])),
            5 => Step::Unroll(TableId(self.array::<1>()?[0]), Cookie(u64::from_be_bytes(self.array()?))),
            _ => return Err(ErrorCode::OFPBRC_BAD_LEN),
        }])
    }
}

impl Pipeline {
    /// Go on with a paused packet, as its controller left it: bytes and metadata may have changed.
    ///
    /// # Errors
    /// `NXR_STALE` if its bridge is gone; see [`decode`].
    pub(crate) fn resume(&self, of: &PacketIn, now: Time) -> Result<(), ErrorCode> {
        let (mut state, mut key) = decode(&of.continuation)?;
        let mut frame = Frame::copy_of(&of.packet);
        extract_again(&mut frame, &mut key, Default::default()).map_err(|_| ErrorCode::OFPBRC_BAD_PACKET)?;
        // what the controller says of the packet's metadata counts
        let (said, bits) = (of.metadata.key(), of.metadata.mask());
        for i in UsedWords(bits.used() & METADATA_WORDS) {
            key.set_word(i, key.word(i) & !bits.word(i) | said.word(i) & bits.word(i));
        }
        let fresh = FrozenState::new(state.bridge, &key);
        (state.words, state.tunnel) = (fresh.words, fresh.tunnel);
        // the one thing that it can be refused for
        self.send_through(state.bridge, frame, key, Begin::Frozen(&state), now).map_err(|_| ErrorCode::NXR_STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weft_flow::FieldId;
    use weft_openflow::text::{Names, parse_instructions};

    fn actions(text: &str) -> Vec<Action> {
        parse_instructions(text, &Names::none()).unwrap().apply
    }

    fn state() -> (FrozenState, FlowKey) {
        let mut key = FlowKey::new();
        set_in_port(&mut key, OfPort(3));
        key.set_word(1, 0x1_0800 << 32);
        FieldId::Reg5.set(&mut key, 0x1234);
        FieldId::Metadata.set(&mut key, u128::from(u64::MAX));
        FieldId::TunId.set(&mut key, 77);
        FieldId::PktMark.set(&mut key, 9);
        let mut steps: Vec<Step> = actions(
            "pop:NXM_NX_REG5[],resubmit(,3),output:NXM_NX_REG1[],controller(pause,userdata=01.02),clone(output:4)",
        )
        .into_iter()
        .map(Step::Act)
        .collect();
        steps.extend([
            Step::Clear,
            Step::Write(actions("set_field:00:00:00:00:00:01->eth_src,output:2")),
            Step::Metadata(WriteMetadata { value: 5, mask: 0xff }),
            Step::Unroll(TableId(4), Cookie(0x99)),
            Step::Goto(TableId(7)),
        ]);
        let state = FrozenState {
            steps: Some(steps),
            stack: vec![1, u128::MAX],
            action_set: actions("output:3"),
            conntracked: true,
            ..FrozenState::new(BridgeId(2), &key)
        };
        (state, key)
    }

    #[test]
    fn what_is_written_reads_back() {
        let (state, key) = state();
        let bytes = encode(&state, &key).unwrap();
        let (again, again_key) = decode(&bytes).unwrap();
        assert_eq!(again, state);
        assert!(again_key == key);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "{len}");
        }
        assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn an_action_that_the_wire_says_in_several_words_comes_back_as_several() {
        let (mut state, key) = state();
        let list = actions("enqueue:2:1,mod_vlan_vid:5,mod_tp_dst:7,output:3");
        state.steps = Some(list.into_iter().map(Step::Act).collect());
        let (again, _) = decode(&encode(&state, &key).unwrap()).unwrap();
        let again: Vec<Action> = again
            .steps
            .unwrap()
            .into_iter()
            .map(|step| match step {
                Step::Act(action) => action,
                other => panic!("{other:?}"),
            })
            .collect();
        let text = weft_openflow::text::format_actions(&again, &Names::none());
        assert!(text.starts_with("set_queue:1,output:2,pop_queue,"), "{text}");
        assert!(text.ends_with(",output:3"), "{text}");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = decode(bytes);
            let _ = decode(&[&MAGIC, bytes].concat());
        });
    }

    proptest! {
        #[test]
        fn changed_bytes_are_refused_or_mean_something(at in any::<prop::sample::Index>(), value in any::<u8>()) {
            let (state, key) = state();
            let mut bytes = encode(&state, &key).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok((state, key)) = decode(&bytes) {
                let _ = encode(&state, &key);
            }
        }
    }
}
