//! Actions compiled for the packet loop.
//!
//! What: [`Program`], made once when a megaflow is installed or changed; most are a single output or a drop and carry
//! no list at all.
//! Invariant: a program says everything: no step is looked up elsewhere but the port's number.

#[cfg(test)]
mod tests;

use weft_flow::DpAction;
use weft_flow::action::Userspace;
use weft_packet::DropReason;
use weft_packet::tunnel::Push;

use crate::edit::{Edit, Shape};
use crate::tunnel::PushStep;

/// What to do with a frame.
#[derive(Debug)]
pub enum Program {
    /// Send it to this port, and nothing else.
    Output(u32),
    /// Nothing.
    Drop(DropReason),
    /// Step by step.
    Steps(Box<[Step]>),
}

/// One step.
#[derive(Debug)]
pub enum Step {
    /// Send the frame, or its first `max_len` bytes.
    Output {
        /// To this port.
        port: u32,
        /// At most so many bytes.
        max_len: u32,
    },
    /// Change its headers or its metadata.
    Edit(Edit),
    /// Hand it to the slow path.
    Userspace(Box<Userspace>),
    /// Run steps on a copy.
    Clone(Box<[Step]>),
    /// Charge it to this meter; it may end here.
    Meter(u32),
    /// Run steps on a copy of some frames.
    Sample {
        /// Out of 2^32 - 1.
        probability: u32,
        /// What the copy meets.
        steps: Box<[Step]>,
    },
    /// Run steps on a copy, by the frame's length.
    ByLength(Box<ByLength>),
    /// Put a tunnel's headers on.
    Push(Box<PushStep>),
    /// Take a tunnel's headers off, and look it up as one of this tunnel port.
    Pop(u32),
    /// Look it up again under this recirculation id.
    Recirc(u32),
    /// Drop it.
    Drop(DropReason),
}

/// What [`Step::ByLength`] chooses from.
#[derive(Debug)]
pub struct ByLength {
    /// The longest that counts as short.
    pub size: u16,
    /// For longer frames.
    pub longer: Box<[Step]>,
    /// For all others.
    pub others: Box<[Step]>,
}

/// `max_len` of an output that sends all.
pub const WHOLE: u32 = u32::MAX;

impl Default for Program {
    fn default() -> Program {
        Program::Drop(DropReason::FlowDrop)
    }
}

impl Program {
    /// Compile a list of actions.
    pub fn compile(actions: &[DpAction]) -> Program {
        // what most of them are needs no list
        match actions {
            [DpAction::Output(port)] => return Program::Output(port.0),
            [DpAction::Drop(reason)] => return Program::Drop(*reason),
            _ => {}
        }
        let steps = compile(actions);
        match &steps[..] {
            [Step::Output { port, max_len: WHOLE }] => Program::Output(*port),
            [Step::Drop(reason)] => Program::Drop(*reason),
            // Edits that nobody gets to see.
            steps if steps.iter().all(|s| matches!(s, Step::Edit(_) | Step::Push(_))) => {
                Program::Drop(DropReason::FlowDrop)
            }
            _ => Program::Steps(steps),
        }
    }
}

fn compile(actions: &[DpAction]) -> Box<[Step]> {
    let mut steps = Vec::with_capacity(actions.len());
    let mut max_len = WHOLE;
    for action in actions {
        steps.push(match action {
            DpAction::Output(port) => Step::Output { port: port.0, max_len: std::mem::replace(&mut max_len, WHOLE) },
            DpAction::Trunc(len) => {
                max_len = *len;
                continue;
            }
            DpAction::Userspace(what) => Step::Userspace(Box::new(what.clone())),
            DpAction::Set(fields) => Step::Edit(Edit::set(fields)),
            DpAction::PushVlan { tpid, tci } => Step::Edit(Edit::PushVlan { tpid: *tpid, tci: *tci }),
            DpAction::PopVlan => Step::Edit(Edit::PopVlan),
            DpAction::Clone(inner) => Step::Clone(compile(inner)),
            DpAction::Meter(id) => Step::Meter(*id),
            DpAction::Sample { probability, actions } => {
                Step::Sample { probability: *probability, steps: compile(actions) }
            }
            DpAction::CheckPktLen { size, gt, le } => {
                Step::ByLength(Box::new(ByLength { size: *size, longer: compile(gt), others: compile(le) }))
            }
            DpAction::PushMpls { ethertype, entry } => shape(Shape::PushMpls { ethertype: *ethertype, entry: *entry }),
            DpAction::AddMpls { ethertype, entry } => shape(Shape::AddMpls { ethertype: *ethertype, entry: *entry }),
            DpAction::PopMpls { ethertype } => shape(Shape::PopMpls { ethertype: *ethertype }),
            DpAction::PushEth { src, dst } => shape(Shape::PushEth { src: *src, dst: *dst }),
            DpAction::PopEth => shape(Shape::PopEth),
            DpAction::PushNsh(nsh) => shape(Shape::push_nsh(nsh)),
            DpAction::PopNsh => shape(Shape::PopNsh),
            DpAction::CtClear => shape(Shape::CtClear),
            // what comes after rests on what conntrack would have said
            DpAction::Ct(_) => Step::Drop(DropReason::NoConntrack),
            DpAction::SetTunnel(set) => Step::Edit(Edit::SetTunnel(set.clone())),
            DpAction::TnlPush(of) => match Push::new(of.kind, &of.header) {
                Some(push) => Step::Push(Box::new(PushStep { push, port: of.tnl_port.0 })),
                None => Step::Drop(DropReason::ActionFailed),
            },
            DpAction::TnlPop(port) => Step::Pop(port.0),
            DpAction::Hash { symmetric, basis } => Step::Edit(Edit::Hash { symmetric: *symmetric, basis: *basis }),
            DpAction::Recirc(id) => Step::Recirc(*id),
            DpAction::Drop(reason) => Step::Drop(*reason),
        });
    }
    steps.into_boxed_slice()
}

fn shape(what: Shape) -> Step {
    Step::Edit(Edit::Shape(Box::new(what)))
}
