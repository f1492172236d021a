//! What conntrack would send back: `ofproto/trace` goes on with it, one recirculation after the other.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_flow::action::{CtNat, NatDirection};
use weft_flow::text::flags::{CT_STATE, format_flags};
use weft_flow::{FieldId, FlowKey};

use crate::translate::trace::Fork;

/// Forks that wait, and what conntrack is to say of them.
pub(super) struct Forks {
    waiting: VecDeque<Fork>,
    /// `--ct-next`, in order.
    states: VecDeque<u128>,
}

impl Forks {
    pub fn new(states: VecDeque<u128>) -> Forks {
        Forks { waiting: VecDeque::new(), states }
    }

    pub fn add(&mut self, forks: Vec<Fork>) {
        self.waiting.extend(forks);
    }

    /// The next one, as conntrack hands it back, with the lines that say so.
    pub fn next(&mut self) -> Option<(Fork, String)> {
        let mut fork = self.waiting.pop_front()?;
        let line = "=".repeat(79);
        let mut text = format!("\n{line}\nrecirc({:#x}) - resume conntrack with ", fork.frozen.id);
        let state = match self.states.pop_front() {
            Some(state) => {
                let _ = writeln!(text, "ct_state={}", format_flags(state, CT_STATE));
                state
            }
            None => {
                let _ = writeln!(text, "default ct_state=trk|new (use --ct-next to customize)");
                NEW_AND_TRACKED
            }
        };
        FieldId::CtState.set(&mut fork.key, state);
        if let Some(nat) = fork.nat {
            // what only follows its connection is not shown
            let shown = |key: &FlowKey| if nat.direction.is_some() { addresses(key) } else { String::new() };
            text.push_str("Replacing src/dst IP/ports to simulate NAT:\n");
            let _ = writeln!(text, " Initial flow: {}", shown(&fork.key));
            translate(&mut fork.key, &nat);
            let _ = writeln!(text, " Modified flow: {}", shown(&fork.key));
        }
        let _ = write!(text, "{line}\n\n");
        Some((fork, text))
    }
}

/// The flags of one `--ct-next`.
pub(super) fn parse_state(text: &str) -> Result<u128, String> {
    text.split([',', ' ']).filter(|word| !word.is_empty()).try_fold(0, |state, word| {
        let bit = CT_STATE.iter().position(|name| *name == word);
        let bit = bit.ok_or_else(|| format!("{word}: unknown connection tracking state flag"))?;
        Ok(state | 1 << bit)
    })
}

fn is_v6(key: &FlowKey) -> bool {
    FieldId::EthType.get(key) == 0x86dd
}

fn addresses(key: &FlowKey) -> String {
    let (src, dst) = (FieldId::TcpSrc.get(key), FieldId::TcpDst.get(key));
    match is_v6(key) {
        false => {
            let ip = |field: FieldId| Ipv4Addr::from(field.get(key) as u32);
            format!("nw_src={},tp_src={src},nw_dst={},tp_dst={dst}", ip(FieldId::IpSrc), ip(FieldId::IpDst))
        }
        true => {
            let ip = |field: FieldId| Ipv6Addr::from(field.get(key));
            let (from, to) = (ip(FieldId::Ipv6Src), ip(FieldId::Ipv6Dst));
            format!("ipv6_src=[{from}],tp_src={src},ipv6_dst=[{to}],tp_dst={dst}")
        }
    }
}

/// The lowest address and port of the ranges.
fn translate(key: &mut FlowKey, nat: &CtNat) {
    let source = nat.direction == Some(NatDirection::Source);
    let (v4, v6, port) = match source {
        true => (FieldId::IpSrc, FieldId::Ipv6Src, FieldId::TcpSrc),
        false => (FieldId::IpDst, FieldId::Ipv6Dst, FieldId::TcpDst),
    };
    match nat.addresses {
        Some((IpAddr::V4(address), _)) if !is_v6(key) => v4.set(key, u128::from(u32::from(address))),
        Some((IpAddr::V6(address), _)) if is_v6(key) => v6.set(key, address.into()),
        _ => {}
    }
    if let Some((low, _)) = nat.ports {
        port.set(key, low.into());
    }
}

/// `ct_state=+trk+new`: what conntrack makes of the first frame of a connection.
pub(in crate::command) const NEW_AND_TRACKED: u128 = 0x21;
