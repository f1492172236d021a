//! `bfd/show`, `bfd/set-forwarding`, `cfm/show` and `cfm/set-fault`.

use weft_base::Time;

use super::Machine;
use crate::pipeline::Pipeline;

const NO_BFD: &str = "no such bfd object";
const NO_BFD_TO_SET: &str = "no such BFD object";
const NO_CFM: &str = "no such CFM object";

impl Pipeline {
    pub(crate) fn bfd_show(&self, port: Option<&str>, now: Time) -> Result<String, String> {
        self.show(port, NO_BFD, |machine| machine.bfd.as_ref().map(|bfd| bfd.show(now)))
    }

    pub(crate) fn cfm_show(&self, port: Option<&str>, now: Time) -> Result<String, String> {
        let shown = self.show(port, NO_CFM, |machine| machine.cfm.as_ref().map(|cfm| cfm.show(now)))?;
        // unlike bfd/show it names even the one that was asked for
        Ok(port.map_or(shown.clone(), |port| titled(port, &shown)))
    }

    /// One port's without its name, or all with theirs.
    fn show(
        &self,
        port: Option<&str>,
        nobody: &str,
        text: impl Fn(&Machine) -> Option<String>,
    ) -> Result<String, String> {
        let control = self.control();
        let machines = &control.machines.ports;
        if let Some(port) = port {
            return machines.get(port).and_then(&text).ok_or_else(|| nobody.into());
        }
        let all = machines.iter().filter_map(|(name, machine)| Some(titled(name, &text(machine)?)));
        Ok(all.collect())
    }

    pub(crate) fn set_forwarding(&self, args: &[&str], now: Time) -> Result<String, String> {
        self.force(args, "unknown fault string", NO_BFD_TO_SET, |machine, forced| {
            machine.bfd.as_mut().map(|bfd| bfd.force_forwarding(forced, now)).is_some()
        })
    }

    pub(crate) fn set_fault(&self, args: &[&str]) -> Result<String, String> {
        self.force(args, "unknown fault string", NO_CFM, |machine, forced| {
            machine.cfm.as_mut().map(|cfm| cfm.force_fault(forced)).is_some()
        })
    }

    fn force(
        &self,
        args: &[&str],
        unknown: &str,
        nobody: &str,
        set: impl Fn(&mut Machine, Option<bool>) -> bool,
    ) -> Result<String, String> {
        let forced = match args.last().copied().unwrap_or_default() {
            "true" => Some(true),
            "false" => Some(false),
            "normal" => None,
            _ => return Err(unknown.into()),
        };
        let mut control = self.control();
        let machines = &mut control.machines.ports;
        match args {
            [port, _] => {
                let found = machines.get_mut(*port).is_some_and(|machine| set(machine, forced));
                found.then_some(()).ok_or(nobody)?;
            }
            _ => machines.values_mut().for_each(|machine| {
                set(machine, forced);
            }),
        }
        control.machines.news = true;
        drop(control);
        self.wake();
        Ok("OK\n".into())
    }
}

fn titled(port: &str, text: &str) -> String {
    format!("---- {port} ----\n{text}")
}
