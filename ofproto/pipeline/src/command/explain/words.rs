//! A report in plain words.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Dropped, Report, Step, Verdict};

impl Report {
    /// As text for a terminal.
    pub(super) fn words(&self) -> String {
        let mut out = String::new();
        if let Some(dropped) = &self.dropped {
            out.push_str(&history(dropped));
        }
        if self.frame.is_empty() {
            out.push_str("Only the device had the frame then: its contents are not known.\n");
            return out;
        }
        let _ = writeln!(out, "Frame: {}", self.frame);
        let _ = writeln!(out, "       in by port {} of bridge {}", self.in_port, self.bridge);
        for step in &self.steps {
            self::step(&mut out, step);
        }
        let _ = writeln!(out, "\nVerdict: {}", self.verdict());
        if let Verdict::Dropped { reason, by } = &self.verdict {
            let _ = writeln!(out, "  why: {}: {}", reason.name(), reason.meaning());
            let _ = writeln!(out, "  decided by: {by}");
        }
        let _ = writeln!(out, "  datapath actions: {}", self.datapath);
        if let Some(dropped) = &self.dropped
            && !matches!(&self.verdict, Verdict::Dropped { reason, .. } if *reason == dropped.reason)
        {
            let _ = writeln!(
                out,
                "The tables do not say {} now: either they have changed since, or it was the datapath that dropped.",
                dropped.reason.name()
            );
        }
        out
    }

    fn verdict(&self) -> String {
        match &self.verdict {
            Verdict::Dropped { .. } => "dropped".into(),
            Verdict::Handled => "consumed by the switch".into(),
            Verdict::Forwarded { ports, controller } => {
                let mut to = match ports.len() {
                    0 => String::new(),
                    1 => format!("sent to port {}", ports[0]),
                    _ => format!("sent to ports {}", ports.join(", ")),
                };
                if *controller {
                    to.push_str(if to.is_empty() { "sent to the controllers" } else { " and the controllers" });
                }
                to
            }
        }
    }
}

fn history(dropped: &Dropped) -> String {
    let Dropped { port, reason, ago, len, in_port } = dropped;
    let mut out = format!("Last drop at {port}: {}, {} ({})", since(*ago), reason.name(), reason.meaning());
    if let Some(from) = in_port {
        let _ = write!(out, "; {len} bytes that came in by {from}");
    }
    out.push_str("\n\n");
    out
}

fn since(ago: Duration) -> String {
    match ago.as_secs() {
        s @ 0..60 => format!("{s}.{:01} s ago", ago.subsec_millis() / 100),
        s @ 60..3600 => format!("{} min {} s ago", s / 60, s % 60),
        s => format!("{} h {} min ago", s / 3600, s % 3600 / 60),
    }
}

fn step(out: &mut String, step: &Step) {
    let _ = match step {
        Step::Bridge(name) => writeln!(out, "\nbridge {name}"),
        Step::Rule { table, priority, cookie, matching, actions } => {
            let matching = if matching.is_empty() { "any frame" } else { matching };
            let cookie = if *cookie == 0 { String::new() } else { format!(", cookie {cookie:#x}") };
            writeln!(out, "  table {}: flow of priority {priority} for {matching}{cookie}", table.0)
                .and_then(|()| writeln!(out, "      {actions}"))
        }
        Step::Miss { table, to_controller, rules, near } => {
            let then = if *to_controller { "to the controllers" } else { "drop" };
            let _ = writeln!(out, "  table {}: none of {rules} flows matches: {then}", table.0);
            for flow in near {
                let but: Vec<String> = flow.but.iter().map(wrong).collect();
                let matching = &flow.matching;
                let _ = writeln!(out, "      near: priority {}, {matching} {}", flow.priority, flow.actions);
                let _ = writeln!(out, "            {}", but.join("; "));
            }
            Ok(())
        }
        Step::ActionSet => writeln!(out, "  action set"),
        Step::Tracked => writeln!(out, "\nafter conntrack, as the first frame of a new connection"),
        Step::Note { text, bad } => writeln!(out, "      {} {text}", if *bad { "!" } else { "-" }),
    };
}

fn wrong(term: &super::near::Wrong) -> String {
    match &term.has {
        Some(has) => format!("wants {}, the frame has {has}", term.wanted),
        None => format!("wants {}, which the frame is not", term.wanted),
    }
}
