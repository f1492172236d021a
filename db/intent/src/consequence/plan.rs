//! What: a plan: consequences in order, as text, as JSON, as a sum.

use super::numbers::Moved;
use serde_json::{Value, json};
use std::fmt;

/// One thing that would happen to the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// What kind of thing.
    pub kind: Kind,
    /// The bridge of a port, controller or flow table.
    pub bridge: Option<String>,
    /// The bridge, port, or target of a controller or manager.
    pub name: String,
    /// What of it, and why: `tag: 10 -> 20`.
    pub details: Vec<String>,
    /// How many flows are there to lose, where somebody has asked the bridge.
    pub flows: Option<u64>,
}

/// Kinds of consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    AddBridge,
    ChangeBridge,
    /// Taken down and built anew.
    RebuildBridge,
    RemoveBridge,
    /// The bridge's flow tables are emptied.
    LoseFlows,
    AddPort,
    /// The port carries on under other settings.
    ChangePort,
    /// The port's device is closed and opened again.
    FlapPort,
    RemovePort,
    AddController,
    ChangeController,
    /// The connection is closed and made again.
    ReconnectController,
    RemoveController,
    AddManager,
    ChangeManager,
    RemoveManager,
    /// Settings of the whole switch.
    ChangeSwitch,
}

impl Kind {
    /// The word that programs get.
    pub fn word(self) -> &'static str {
        match self {
            Kind::AddBridge => "add-bridge",
            Kind::ChangeBridge => "change-bridge",
            Kind::RebuildBridge => "rebuild-bridge",
            Kind::RemoveBridge => "remove-bridge",
            Kind::LoseFlows => "lose-flows",
            Kind::AddPort => "add-port",
            Kind::ChangePort => "change-port",
            Kind::FlapPort => "flap-port",
            Kind::RemovePort => "remove-port",
            Kind::AddController => "add-controller",
            Kind::ChangeController => "change-controller",
            Kind::ReconnectController => "reconnect-controller",
            Kind::RemoveController => "remove-controller",
            Kind::AddManager => "add-manager",
            Kind::ChangeManager => "change-manager",
            Kind::RemoveManager => "remove-manager",
            Kind::ChangeSwitch => "change-switch",
        }
    }

    /// `+` comes, `-` goes, `~` changes while it works, `!` is interrupted.
    pub fn mark(self) -> char {
        match self {
            Kind::AddBridge | Kind::AddPort | Kind::AddController | Kind::AddManager => '+',
            Kind::RemoveBridge | Kind::RemovePort | Kind::RemoveController | Kind::RemoveManager => '-',
            Kind::RebuildBridge | Kind::LoseFlows | Kind::FlapPort | Kind::ReconnectController => '!',
            Kind::ChangeBridge
            | Kind::ChangePort
            | Kind::ChangeController
            | Kind::ChangeManager
            | Kind::ChangeSwitch => '~',
        }
    }
}

/// All that would happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order: the switch, managers, then bridge by bridge.
    pub consequences: Vec<Consequence>,
    /// Interfaces that will have another OpenFlow port number.
    pub numbers: Vec<Moved>,
}

impl Plan {
    /// Nothing would happen.
    pub fn is_empty(&self) -> bool {
        self.consequences.is_empty()
    }

    /// Something that carries traffic would be interrupted or go.
    pub fn interrupts(&self) -> bool {
        self.consequences.iter().any(|consequence| matches!(consequence.kind.mark(), '!' | '-'))
    }

    /// `{"changes": [...], "interrupts": BOOL, "numbers": [...]}`
    pub fn to_json(&self) -> Value {
        let change = |consequence: &Consequence| {
            let mut change =
                json!({"kind": consequence.kind.word(), "name": consequence.name, "details": consequence.details});
            if let Some(bridge) = &consequence.bridge {
                change["bridge"] = json!(bridge);
            }
            if let Some(flows) = consequence.flows {
                change["flows"] = json!(flows);
            }
            change
        };
        let changes: Vec<Value> = self.consequences.iter().map(change).collect();
        let number = |moved: &Moved| {
            json!({
                "bridge": moved.bridge, "port": moved.port, "interface": moved.interface,
                "from": moved.from, "to": moved.to,
            })
        };
        let numbers: Vec<Value> = self.numbers.iter().map(number).collect();
        json!({"changes": changes, "interrupts": self.interrupts(), "numbers": numbers})
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        let within = |what: &str| match &self.bridge {
            Some(bridge) => format!("{what} {name} of bridge {bridge}"),
            None => format!("{what} {name}"),
        };
        let what = match self.kind {
            Kind::AddBridge | Kind::ChangeBridge | Kind::RemoveBridge => format!("bridge {name}"),
            Kind::RebuildBridge => format!("bridge {name} is built anew"),
            Kind::LoseFlows => match self.flows {
                Some(flows) => format!("flows of bridge {name} go ({flows} now)"),
                None => format!("flows of bridge {name} go"),
            },
            Kind::AddPort | Kind::ChangePort | Kind::RemovePort => within("port"),
            Kind::FlapPort => format!("{} flaps", within("port")),
            Kind::AddController | Kind::ChangeController | Kind::RemoveController => within("controller"),
            Kind::ReconnectController => format!("{} reconnects", within("controller")),
            Kind::AddManager | Kind::ChangeManager | Kind::RemoveManager => format!("manager {name}"),
            Kind::ChangeSwitch => "switch".to_owned(),
        };
        write!(f, "{} {what}", self.kind.mark())?;
        for (i, detail) in self.details.iter().enumerate() {
            write!(f, "{}{detail}", if i == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.consequences.iter().try_for_each(|consequence| writeln!(f, "{consequence}"))?;
        let count = |mark| self.consequences.iter().filter(|consequence| consequence.kind.mark() == mark).count();
        match self.is_empty() {
            true => writeln!(f, "nothing to change"),
            false => {
                let [come, go, change, stop] = ['+', '-', '~', '!'].map(count);
                writeln!(f, "{come} to add, {go} to remove, {change} to change, {stop} interrupted")
            }
        }
    }
}
