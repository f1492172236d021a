//! Findings as people and programs read them.

use std::fmt::Write;

use serde_json::json;

use super::rule::Rule;

/// How sure we are that somebody should care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// It cannot be what was meant.
    Error,
    /// It may be meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// A word for programs: `shadowed`, `loop`, ...
    pub kind: &'static str,
    pub severity: Severity,
    pub table: u8,
    /// What is wrong, in a sentence.
    pub what: String,
    /// The flow.
    pub rule: Option<String>,
    /// The other flow that matters.
    pub other: Option<String>,
}

impl Finding {
    pub fn error(kind: &'static str, table: u8, what: impl Into<String>) -> Finding {
        Finding { kind, severity: Severity::Error, table, what: what.into(), rule: None, other: None }
    }

    pub fn warning(kind: &'static str, table: u8, what: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(kind, table, what) }
    }

    pub fn of(mut self, rule: &Rule) -> Finding {
        self.rule = Some(rule.text());
        self
    }

    pub fn beside(mut self, other: &Rule) -> Finding {
        self.other = Some(other.text());
        self
    }
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

pub fn text(findings: &[Finding], rules: usize) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ =
            writeln!(text, "table {}: {}: {}: {}", finding.table, finding.severity.word(), finding.kind, finding.what);
        for rule in [&finding.rule, &finding.other].into_iter().flatten() {
            let _ = writeln!(text, "    {rule}");
        }
    }
    let _ = match findings.len() {
        0 => writeln!(text, "{rules} flows, nothing wrong"),
        n => writeln!(text, "{rules} flows, {n} finding{}", if n == 1 { "" } else { "s" }),
    };
    text
}

pub fn json(findings: &[Finding]) -> String {
    let list: Vec<_> = findings
        .iter()
        .map(|f| {
            json!({
                "kind": f.kind,
                "severity": f.severity.word(),
                "table": f.table,
                "message": f.what,
                "rule": f.rule,
                "other": f.other,
            })
        })
        .collect();
    format!("{}\n", serde_json::Value::from(list))
}
