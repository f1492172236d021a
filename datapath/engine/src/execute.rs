//! Running programs on frames.
//!
//! What: [`Executor`] owns what actions touch: the ports, the buffers, and the frames that wait to be looked up again.
//! How: a run of frames of one megaflow goes to a port in one move; only longer programs go frame by frame. The last step
//! takes the frame itself, those before it a copy.
//! Invariant: every frame that comes in leaves: to a port, to `again`, back to the pool.

#[cfg(test)]
mod tests;

use weft_base::Time;
use weft_flow::action::Userspace;
use weft_flow::extract::{Limits, extract_again};
use weft_flow::{FieldId, FlowKey, key};
use weft_packet::tunnel::stt::{self, assembly::Assembly};
use weft_packet::{DropReason, Frame, Pool};

use crate::edit;
use crate::egress::truncate;
use crate::meter::{Beyond, Metered, Meters, remarked};
use crate::port::Ports;
use crate::program::{Program, Step, WHOLE};
use crate::tunnel::Tunnels;
use crate::{Slowpath, Upcall};

/// How often a frame may be looked up again.
pub const MAX_RECIRCULATIONS: u8 = 6;
/// How long a piece of STT may be that goes into another tunnel, whose egress is not known yet.
const INSIDE_A_TUNNEL: usize = 1280;
/// How deep `clone` and the slow path's actions may nest.
const MAX_DEPTH: u8 = 16;

/// What actions touch.
pub struct Executor {
    /// Where frames go out.
    pub ports: Ports,
    /// Buffers.
    pub pool: Pool,
    /// Frames to look up again.
    pub again: Vec<Again>,
    /// STT frames whose pieces are not all there.
    pub pieces: Assembly,
    /// Chooses which frames are sampled.
    pub dice: Dice,
}

/// A frame that `recirc` sent back.
pub struct Again {
    /// The frame.
    pub frame: Frame,
    /// Its key with the recirculation id and the metadata so far.
    pub key: FlowKey,
    /// How often it has been through.
    pub times: u8,
}

/// What stays the same during a turn.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Whom to ask.
    pub slowpath: &'a dyn Slowpath,
    /// Which worker this is.
    pub worker: usize,
    /// The time.
    pub now: Time,
    /// How deep extraction looks.
    pub limits: Limits,
    /// How often the frames at hand have been recirculated.
    pub times: u8,
    /// What rates there are.
    pub meters: &'a Meters,
    /// Tunnel ports.
    pub tunnels: &'a Tunnels,
}

impl Executor {
    /// Nothing to send to yet.
    pub fn new(ports: Ports, pool: Pool) -> Executor {
        let again = Vec::with_capacity(weft_netdev::BURST);
        Executor { ports, pool, again, pieces: Assembly::default(), dice: Dice::default() }
    }

    /// Run a program on a run of frames with their keys.
    #[inline]
    pub fn run(
        &mut self,
        program: &Program,
        frames: impl Iterator<Item = Frame>,
        keys: &mut [FlowKey],
        scene: &Scene<'_>,
    ) {
        match program {
            Program::Output(port) => self.ports.send(*port, frames, &mut self.pool),
            Program::Drop(reason) => self.drop_all(frames, *reason),
            Program::Steps(steps) => {
                for (frame, key) in frames.zip(keys) {
                    self.steps(steps, frame, key, scene, 0);
                }
            }
        }
    }

    /// Run a program on one frame.
    pub fn run_one(&mut self, program: &Program, frame: Frame, key: &mut FlowKey, scene: &Scene<'_>) {
        self.run(program, std::iter::once(frame), std::slice::from_mut(key), scene);
    }

    fn drop_all(&mut self, frames: impl Iterator<Item = Frame>, reason: DropReason) {
        for frame in frames {
            self.ports.discard(frame, reason, &mut self.pool);
        }
    }

    fn steps(&mut self, steps: &[Step], mut frame: Frame, key: &mut FlowKey, scene: &Scene<'_>, depth: u8) {
        let Some((last, before)) = steps.split_last() else { return self.pool.put(frame) };
        for (nth, step) in before.iter().enumerate() {
            match step {
                Step::Push(step) if !step.push.takes(&frame) => {
                    return self.each_segment(&steps[nth..], frame, key, scene, depth);
                }
                Step::Push(push) => push.apply(&mut frame, key, scene.tunnels),
                Step::Edit(edit) => {
                    if edit.apply(&mut frame, key).is_err() {
                        return self.ports.discard(frame, DropReason::ActionFailed, &mut self.pool);
                    }
                }
                Step::Drop(reason) => return self.ports.discard(frame, *reason, &mut self.pool),
                Step::Meter(id) => {
                    if !meter(*id, &mut frame, key, scene) {
                        return self.ports.discard(frame, DropReason::Meter, &mut self.pool);
                    }
                }
                Step::Sample { probability, .. } if !self.dice.says(*probability) => {}
                other => {
                    let copy = match other {
                        Step::Output { max_len, .. } if *max_len != WHOLE => self.copy_of_part(&frame, *max_len),
                        _ => self.pool.copy(&frame),
                    };
                    self.last(other, copy, key, scene, depth);
                }
            }
        }
        if let Step::Sample { probability, .. } = last
            && !self.dice.says(*probability)
        {
            return self.pool.put(frame);
        }
        self.last(last, frame, key, scene, depth);
    }

    /// A step that takes the frame.
    fn last(&mut self, step: &Step, mut frame: Frame, key: &mut FlowKey, scene: &Scene<'_>, depth: u8) {
        match step {
            Step::Output { port, max_len } => {
                if *max_len != WHOLE {
                    truncate(&mut frame, *max_len);
                }
                if weft_flow::tunnel::is_there(key) && self.ports.get_mut(*port).is_some_and(|port| port.is_tunnel) {
                    // what was said of the outer headers is this output's; others may follow
                    let mut key = key.clone();
                    if let Err(reason) = self.push_by_key(*port, &mut frame, &mut key, scene) {
                        return self.ports.discard(frame, reason, &mut self.pool);
                    }
                }
                self.ports.send(*port, std::iter::once(frame), &mut self.pool);
            }
            Step::Edit(_) | Step::Push(_) => self.pool.put(frame), // nobody gets to see it
            Step::Pop(port) => self.pop(*port, frame, scene),
            Step::Drop(reason) => self.ports.discard(frame, *reason, &mut self.pool),
            Step::Clone(inner) => {
                // What the copy's actions write to the metadata stays with the copy.
                let mut key = key.clone();
                self.steps(inner, frame, &mut key, scene, depth + 1);
            }
            // those before the last were chosen already
            Step::Sample { steps, .. } => {
                let mut key = key.clone();
                self.steps(steps, frame, &mut key, scene, depth + 1);
            }
            Step::ByLength(by) => {
                let mut key = key.clone();
                let steps = if length(&frame) > by.size.into() { &by.longer } else { &by.others };
                self.steps(steps, frame, &mut key, scene, depth + 1);
            }
            Step::Meter(id) => {
                meter(*id, &mut frame, key, scene);
                self.pool.put(frame); // nobody gets to see it
            }
            Step::Recirc(id) => self.recirculate(*id, frame, key, scene),
            Step::Userspace(what) => self.userspace(what, frame, key, scene, depth),
        }
    }

    /// A copy for an output that wants the beginning only. A checksum still to be filled in needs the whole frame.
    fn copy_of_part(&mut self, frame: &Frame, max_len: u32) -> Frame {
        let mut copy = self.pool.copy(frame);
        truncate(&mut copy, max_len);
        copy
    }

    /// A frame that waits for segmentation behind one tunnel's headers cannot take another's: its segments can.
    #[cold]
    fn each_segment(&mut self, steps: &[Step], mut frame: Frame, key: &FlowKey, scene: &Scene<'_>, depth: u8) {
        let (in_port, mut cuts) = (frame.in_port, Vec::new());
        stt::fit(&mut frame, INSIDE_A_TUNNEL);
        if weft_packet::segment::finish(frame, &mut self.pool, |cut| cuts.push(cut)).is_err() {
            return self.ports.count_lost(in_port, DropReason::ActionFailed);
        }
        for mut cut in cuts {
            cut.outer = None;
            self.steps(steps, cut, &mut key.clone(), scene, depth);
        }
    }

    fn recirculate(&mut self, id: u32, frame: Frame, key: &FlowKey, scene: &Scene<'_>) {
        if scene.times >= MAX_RECIRCULATIONS {
            return self.ports.discard(frame, DropReason::TranslationError, &mut self.pool);
        }
        let mut key = key.clone();
        key.set_word(0, u64::from(id) << 32 | key.word(0) & 0xffff_ffff);
        self.again.push(Again { frame, key, times: scene.times + 1 });
    }

    /// The slow path sees the frame as it is now, with the metadata that it has now.
    #[cold]
    fn userspace(&mut self, what: &Userspace, mut frame: Frame, key: &FlowKey, scene: &Scene<'_>, depth: u8) {
        if depth >= MAX_DEPTH {
            return self.ports.discard(frame, DropReason::TranslationError, &mut self.pool);
        }
        let mut key = key.clone();
        let packet_type = key.word(1) & !0xffff_ffff;
        key.clear_words(key::FRAME_WORDS);
        key.set_word(1, packet_type);
        if extract_again(&mut frame, &mut key, scene.limits).is_err() {
            return self.ports.discard(frame, DropReason::Malformed, &mut self.pool);
        }
        let upcall = Upcall { key: &key, frame: &frame, worker: scene.worker, may_install: false };
        let actions = scene.slowpath.userspace(&upcall, what, scene.now);
        match Program::compile(&actions) {
            _ if actions.is_empty() => self.pool.put(frame),
            Program::Steps(steps) => self.steps(&steps, frame, &mut key, scene, depth + 1),
            short => self.run_one(&short, frame, &mut key, scene),
        }
    }
}

/// Charge a frame; whether it goes on.
fn meter(id: u32, frame: &mut Frame, key: &mut FlowKey, scene: &Scene<'_>) -> bool {
    match scene.meters.charge(id, frame, scene.now) {
        Metered::Within => true,
        Metered::Exceeds(Beyond::Drop) => false,
        Metered::Exceeds(Beyond::Remark(by)) => {
            remark(by, frame, key, scene);
            true
        }
    }
}

/// Raise an IP packet's drop precedence. What has no IP header stays as it is.
fn remark(by: u8, frame: &mut Frame, key: &mut FlowKey, scene: &Scene<'_>) {
    let mut now = FlowKey::new();
    now.set_word(1, key.word(1) & !0xffff_ffff);
    if extract_again(frame, &mut now, scene.limits).is_err() {
        return;
    }
    let tos = FieldId::NwTos.get(&now) as u8;
    let marked = remarked(tos >> 2, by) << 2 | tos & 3;
    if marked != tos {
        // its IP header has just been read, and what is no IP has no such bits
        let _ = edit::set_tos(frame, FieldId::EthType.get(&now) as u16, marked, key);
    }
}

/// Ethernet header and payload without tags: of the frame, or of a segment of it.
fn length(frame: &Frame) -> usize {
    let len = match frame.gso {
        Some(gso) => frame.len().min(usize::from(gso.header_len) + usize::from(gso.size)),
        None => frame.len(),
    };
    let tags = frame.bytes().get(12..).unwrap_or_default().chunks_exact(4);
    len - 4 * tags.take_while(|tag| matches!(tag[..2], [0x81, 0] | [0x88, 0xa8])).count()
}

/// A die for sampling: fast, and good enough for that (xorshift, Marsaglia 2003).
#[derive(Debug)]
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Dice {
        Dice(0x9e37_79b9_7f4a_7c15)
    }
}

impl Dice {
    /// True with this probability out of 2^32 - 1.
    pub fn says(&mut self, probability: u32) -> bool {
        if probability == u32::MAX {
            return true;
        }
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as u32) < probability
    }
}
