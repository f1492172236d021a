//! `controller` in its long form (NXAST_CONTROLLER2): properties, each only where it says more than the default.

use zerocopy::byteorder::big_endian::{U16, U32};

use super::{EMPTY_PAD, read_property, write_property};
use crate::action::{Action, Controller};
use crate::error::ErrorCode;
use crate::ids::MeterId;
use crate::wire::buf::{Decoded, Reader, Writer, bad};

pub(super) fn controller2(r: &mut Reader<'_>) -> Decoded<Action> {
    if r.bytes(6, EMPTY_PAD)?.iter().any(|&b| b != 0) {
        return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "controller action's padding is not zero");
    }
    let mut c = Controller::default();
    while !r.is_empty() {
        let (kind, mut body) = read_property(r)?;
        match kind {
            0 => c.max_len = body.get::<U16>("max_len")?.get(),
            1 => c.controller_id = body.get::<U16>("controller id")?.get(),
            2 => c.reason = body.bytes(1, "reason")?[0],
            3 => c.userdata = body.take_rest().to_vec(),
            4 => c.pause = true,
            5 => c.meter = Some(MeterId(body.get::<U32>("meter")?.get())),
            _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown controller property {kind}")),
        }
    }
    Ok(Action::Controller(c))
}

pub(super) fn write_controller2(w: &mut Writer, c: &Controller) {
    w.zeros(6);
    let two = |w: &mut Writer, kind: u16, value: u16| {
        write_property(w, kind, |w| w.slice(&[value.to_be_bytes(), [0; 2]].concat()));
    };
    if c.max_len != u16::MAX {
        two(w, 0, c.max_len);
    }
    if c.controller_id != 0 {
        two(w, 1, c.controller_id);
    }
    if c.reason != 1 {
        write_property(w, 2, |w| w.slice(&[c.reason]));
    }
    if !c.userdata.is_empty() {
        write_property(w, 3, |w| w.slice(&c.userdata));
    }
    if c.pause {
        write_property(w, 4, |_| {});
    }
    if let Some(meter) = c.meter {
        write_property(w, 5, |w| w.put(&U32::new(meter.0)));
    }
}
