//! What: commands about the whole switch: memory, drops, the plan.

use weft_engine::Datapath;

use super::{Answer, Command, command};
use crate::config::Touched;
use crate::owner::Owner;
use crate::plan::{Running, plan};

pub const COMMANDS: &[Command] =
    &[command("memory/show", "", 0, 0, memory), command("config/plan", "[--from-scratch]", 0, 1, show_plan)];

fn memory(owner: &mut Owner, _: &[String]) -> Answer {
    let ports = owner.switch.interfaces.values().filter(|interface| interface.ofport().is_some()).count();
    let connections = owner.controllers.connections();
    let mut counts = vec![("handlers", owner.switch.engine.workers())];
    if connections > 0 {
        counts.push(("ofconns", connections));
    }
    counts.extend([("ports", ports), ("revalidators", 1)]);
    let flows = owner.switch.engine.flows().len();
    if flows > 0 {
        counts.push(("udpif keys", flows));
    }
    Ok(counts.into_iter().map(|(name, count)| format!("{name}:{count}")).collect::<Vec<_>>().join(" "))
}

/// What would be done to make the switch what the database asks for: normally nothing.
fn show_plan(owner: &mut Owner, args: &[String]) -> Answer {
    let nothing = Running::default();
    let running = match args.first().map(String::as_str) {
        None => &owner.switch.running,
        Some("--from-scratch") => &nothing,
        Some(other) => return Err(format!("{other}: expected --from-scratch or nothing")),
    };
    let desired = owner.reader.desired();
    let steps = plan(desired, running, &Touched::all(desired));
    if steps.is_empty() {
        return Ok("nothing to do\n".to_owned());
    }
    Ok(steps.iter().map(|step| format!("{step}\n")).collect())
}
