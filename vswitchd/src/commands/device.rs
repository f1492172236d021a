//! What: commands about devices: QoS, which is not there yet and says so as for a device without.

use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("qos/show-types", "interface", 1, 1, |owner, args| {
        known(owner, &args[0]).map(|name| format!("No QoS types supported for interface: {name}\n"))
    }),
    command("qos/show", "interface", 1, 1, |owner, args| {
        known(owner, &args[0]).map(|name| format!("QoS not configured on {name}\n"))
    }),
];

fn known(owner: &mut Owner, name: &str) -> Answer {
    match owner.switch.interfaces.contains_key(name) {
        true => Ok(name.to_owned()),
        false => Err("no such interface".to_owned()),
    }
}
