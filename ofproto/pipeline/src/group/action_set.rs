//! What an action set comes to, and a bucket, which is one (OpenFlow 1.5 §5.6, §5.10).
//!
//! How: of actions that may stand once in a set the last counts, in the set's order; what writes fields or chooses a
//! queue keeps its order; of what sends the frame on one counts: a group before an output, an output before a resubmit, a
//! resubmit before conntrack. What has no place in a set does nothing.

use weft_openflow::action::Action;

/// The actions of a bucket that are carried out, in their order. Empty: nothing sends the frame on, so it is dropped.
pub fn effect_of(actions: &[Action]) -> Vec<Action> {
    ordered(actions).into_iter().cloned().collect()
}

/// See [`effect_of`].
pub fn ordered<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Vec<&'a Action> {
    let mut once: Vec<(u8, &Action)> = Vec::new();
    let mut writes: Vec<&Action> = Vec::new();
    let mut end: Option<(u8, &Action)> = None;
    for action in actions {
        match place(action) {
            Place::Once(order) => {
                once.retain(|(other, _)| *other != order);
                once.push((order, action));
            }
            Place::Write => writes.push(action),
            Place::End(rank) => {
                if end.is_none_or(|(best, _)| best <= rank) {
                    end = Some((rank, action));
                }
            }
            Place::Nowhere => {}
        }
    }
    let Some((_, end)) = end else { return Vec::new() };
    once.sort_by_key(|(order, _)| *order);
    once.into_iter().map(|(_, action)| action).chain(writes).chain([end]).collect()
}

/// Where an action stands in a set.
enum Place {
    /// At this position, the last of its kind.
    Once(u8),
    /// Among the writes, in order.
    Write,
    /// At the end, the last of the highest rank.
    End(u8),
    Nowhere,
}

fn place(action: &Action) -> Place {
    match action {
        Action::StripVlan(_) => Place::Once(1),
        Action::PopMpls { .. } => Place::Once(2),
        Action::Decap { .. } => Place::Once(3),
        Action::Encap(_) => Place::Once(4),
        Action::PushMpls { .. } => Place::Once(5),
        Action::PushVlan { .. } => Place::Once(6),
        Action::DecTtl(_) => Place::Once(7),
        Action::DecMplsTtl => Place::Once(8),
        Action::DecNshTtl => Place::Once(9),
        Action::SetField(_)
        | Action::SetTunnelOption(_)
        | Action::Move { .. }
        | Action::SetVlanVid { .. }
        | Action::SetVlanPcp { .. }
        | Action::SetQueue(_) => Place::Write,
        Action::Group(_) => Place::End(4),
        Action::Output { .. } | Action::Controller(_) => Place::End(3),
        Action::Resubmit(_) => Place::End(2),
        Action::Ct(_) => Place::End(1),
        // an enqueue is a queue and an output
        Action::Enqueue { .. } => Place::End(3),
        Action::OutputReg { .. }
        | Action::OutputTrunc { .. }
        | Action::PopQueue
        | Action::Bundle(_)
        | Action::Multipath(_)
        | Action::Push(_)
        | Action::Pop(_)
        | Action::DeleteField(_)
        | Action::Learn(_)
        | Action::Conjunction { .. }
        | Action::FinTimeout { .. }
        | Action::Clone(_)
        | Action::CtClear
        | Action::Nat(_)
        | Action::Sample(_)
        | Action::CheckPktLarger { .. }
        | Action::Meter(_)
        | Action::Note(_)
        | Action::Exit
        | Action::DebugRecirc
        | Action::DebugSlow => Place::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_openflow::text::Names;
    use weft_openflow::text::action_parse::parse_actions;

    /// As the real switch's trace shows what it did for these buckets.
    #[test]
    fn buckets_do_what_ovs_does() {
        for (said, done) in [
            ("output:2,output:3", "output:3"),
            ("output:2,resubmit(,5)", "output:2"),
            ("resubmit(,5),output:2", "output:2"),
            ("resubmit(,5),ct(commit)", "resubmit(,5)"),
            ("ct(table=5),resubmit(,5),output:2", "output:2"),
            ("clone(output:3),output:2", "output:2"),
            ("controller,output:2", "output:2"),
            ("group:7,output:2", "group:7"),
            (
                "output:2,dec_ttl,mod_nw_src:1.1.1.1,mod_nw_src:2.2.2.2",
                "dec_ttl,mod_nw_src:1.1.1.1,mod_nw_src:2.2.2.2,output:2",
            ),
            (
                "output:2,dec_ttl,push_vlan:0x8100,set_queue:3,set_queue:4",
                "push_vlan:0x8100,dec_ttl,set_queue:3,set_queue:4,output:2",
            ),
            ("mod_nw_ttl:5,dec_ttl,output:2", "dec_ttl,mod_nw_ttl:5,output:2"),
            ("note:00,exit,output:2", "output:2"),
            ("output(port=2,max_len=100)", ""),
            ("output:NXM_NX_REG0[],output:2", "output:2"),
            ("dec_ttl", ""),
        ] {
            let parse = |text: &str| parse_actions(text, &Names::none()).expect(text);
            let expected = if done.is_empty() { Vec::new() } else { parse(done) };
            assert_eq!(effect_of(&parse(said)), expected, "{said}");
        }
    }
}
