//! What: `time/stop` and `time/warp`: the switch's clock in the hands of a test.

use std::time::Duration;

use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("time/stop", "", 0, 0, |owner, _| {
        owner.switch.clock.stop();
        Ok(String::new())
    }),
    command("time/warp", "[large_msecs] msecs", 1, 2, warp),
];

/// Moves the clock ahead, in steps if two numbers are given; what falls due on the way is done on the way.
fn warp(owner: &mut Owner, args: &[String]) -> Answer {
    let number = |text: &String| text.parse::<u64>().ok().filter(|ms| *ms > 0).ok_or("invalid MSECS".to_owned());
    let total = number(&args[0])?;
    let step = args.get(1).map_or(Ok(total), number)?;
    let mut left = total;
    while left > 0 {
        let by = step.min(left);
        owner.switch.clock.warp(Duration::from_millis(by));
        owner.settle();
        left -= by;
    }
    Ok("warped".to_owned())
}
