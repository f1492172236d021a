//! What: commands about a bridge that are not the pipeline's own.

use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[command("bridge/reconnect", "[bridge]", 0, 1, reconnect)];

fn reconnect(owner: &mut Owner, args: &[String]) -> Answer {
    let bridge = args.first().map(String::as_str);
    if bridge.is_some_and(|name| !owner.switch.bridges.contains_key(name)) {
        return Err("Unknown bridge".to_owned());
    }
    owner.reconnect_controllers(bridge);
    Ok(String::new())
}
