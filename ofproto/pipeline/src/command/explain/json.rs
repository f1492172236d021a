//! A report for programs: one JSON object. Members may be added, never renamed.
//!
//! ```text
//! { "bridge", "in_port", "frame", "steps": [...], "verdict": "dropped"|"forwarded"|"handled",
//!   "reason", "meaning", "decided_by"          (dropped)
//!   "ports": ["br0/p1"], "controller": bool    (forwarded)
//!   "datapath_actions",
//!   "last_drop": { "port", "reason", "meaning", "seconds_ago", "bytes", "in_port" } }
//! ```

use serde_json::{Map, Value, json};

use super::{Report, Step, Verdict};

impl Report {
    /// As one line of JSON.
    pub(super) fn json(&self) -> String {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| {
            all.insert(name.into(), value);
        };
        put("bridge", json!(self.bridge));
        if !self.frame.is_empty() {
            put("in_port", json!(self.in_port));
            put("frame", json!(self.frame));
        }
        put("steps", self.steps.iter().map(step).collect());
        match &self.verdict {
            Verdict::Dropped { reason, by } => {
                put("verdict", json!("dropped"));
                put("reason", json!(reason.name()));
                put("meaning", json!(reason.meaning()));
                put("decided_by", json!(by));
            }
            Verdict::Forwarded { ports, controller } => {
                put("verdict", json!("forwarded"));
                put("ports", json!(ports));
                put("controller", json!(controller));
            }
            Verdict::Handled => put("verdict", json!("handled")),
        }
        put("datapath_actions", json!(self.datapath));
        if let Some(drop) = &self.dropped {
            put(
                "last_drop",
                json!({
                    "port": drop.port,
                    "reason": drop.reason.name(),
                    "meaning": drop.reason.meaning(),
                    "seconds_ago": drop.ago.as_millis() as f64 / 1000.0,
                    "bytes": drop.len,
                    "in_port": drop.in_port,
                }),
            );
        }
        format!("{}\n", Value::Object(all))
    }
}

fn step(step: &Step) -> Value {
    match step {
        Step::Bridge(name) => json!({ "bridge": name }),
        Step::Rule { table, priority, cookie, matching, actions } => json!({
            "table": table.0, "priority": priority, "cookie": cookie, "match": matching,
            "actions": actions.strip_prefix("actions=").unwrap_or(actions),
        }),
        Step::Miss { table, to_controller, rules, near } => json!({
            "table": table.0,
            "miss": if *to_controller { "controller" } else { "drop" },
            "flows": rules,
            "near": near.iter().map(|flow| json!({
                "priority": flow.priority,
                "match": flow.matching,
                "actions": flow.actions.strip_prefix("actions=").unwrap_or(&flow.actions),
                "but": flow.but.iter().map(|w| json!({ "wanted": w.wanted, "frame": w.has })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        }),
        Step::ActionSet => json!({ "action_set": true }),
        Step::Tracked => json!({ "conntrack": "new" }),
        Step::Note { text, bad } => json!({ "note": text, "bad": bad }),
    }
}
