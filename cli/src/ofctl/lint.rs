//! `lint BRIDGE|FILE`: what is wrong with a set of flows, before a packet finds out.
//!
//! - [`rule`]: a flow as it is looked at, and masks that make looking fast.
//! - [`shadow`]: flows that another one hides, flows that contradict each other.
//! - [`reach`]: tables that nothing leads to, targets that are not there, resubmits that never end.
//! - [`conjunction`]: conjunctions that can never complete.
//! - [`action`]: actions that come too late or never fit.
//! - [`report`]: findings as text and as JSON.
//!
//! How: every check is a pure function from rules to findings. Invariant: a finding is true of every packet that the flow
//! could see, or it says that it is only a warning.

mod action;
mod conjunction;
mod reach;
mod report;
mod rule;
mod shadow;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use weft_openflow::flow::{FlowModCommand, FlowStatsRequest};
use weft_openflow::group::GroupModCommand;
use weft_openflow::message::{StatsReply, StatsRequest};
use weft_openflow::text::{Names, parse_group, read_flow_mod_line};
use weft_openflow::{GroupId, MeterId, Version};

use super::peer::Peer;
use super::{Job, flows, names};
use crate::failure::{Exit, Failure};
use report::Finding;
use rule::{Known, Rule};

/// The command: exit status 0 when all is well, 1 with findings, 2 when it could not look.
pub async fn run(job: &mut Job) -> Result<Exit, Failure> {
    let source = job.words[0].clone();
    let is_file = source == "-" || std::fs::metadata(&source).is_ok_and(|m| m.is_file());
    let loaded = match is_file {
        true => from_file(&source),
        false => from_switch(job, &source).await,
    };
    let (rules, known) = loaded.map_err(|failure| Failure { status: 2, ..failure })?;
    let findings = check(&rules, &known);
    let text = match job.options.json {
        true => report::json(&findings),
        false => report::text(&findings, rules.len()),
    };
    say!("{text}");
    Ok(Exit(if findings.is_empty() { 0 } else { 1 }))
}

/// Everything that is wrong, in the order of tables.
fn check(rules: &[Rule], known: &Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    shadow::check(rules, &mut findings);
    reach::check(rules, known, &mut findings);
    conjunction::check(rules, &mut findings);
    action::check(rules, &mut findings);
    findings.sort_by_key(|finding| finding.table);
    findings
}

/// Flows (and groups) as `add-flows`, `bundle` and `dump-flows` write them.
fn from_file(path: &str) -> Result<(Vec<Rule>, Known), Failure> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut known = Known::default();
    for (line, text) in flows::read_lines(path)? {
        if text.starts_with("NXST_") || text.starts_with("OFPST_") {
            continue;
        }
        let at = |error: String| Failure::with_status(format!("{path}:{line}: {error}"), 2);
        if let Some(group) = text.strip_prefix("group ") {
            let group = group.trim().strip_prefix("add ").unwrap_or(group.trim());
            let group = parse_group(group, GroupModCommand::Add, &Names::none()).map_err(at)?;
            known.add_group(group.group, group.buckets);
            continue;
        }
        let flow = text.strip_prefix("flow ").unwrap_or(&text);
        let parsed = read_flow_mod_line(flow, FlowModCommand::Add, &Names::none(), &mut Vec::new()).map_err(at)?;
        if parsed.flow.command == FlowModCommand::Add {
            let m = flows::adding_table(parsed.flow);
            rules.push(Rule::new(m.table.0, m.priority, m.matching, m.instructions));
        }
    }
    Ok((rules, known))
}

async fn from_switch(job: &Job, target: &str) -> Result<(Vec<Rule>, Known), Failure> {
    let mut peer = flows::open_for_dump(&job.options, target).await?;
    let StatsReply::Flow(flows) = names::stats(&mut peer, StatsRequest::Flow(FlowStatsRequest::default())).await?
    else {
        return Err("bad reply to the request for flows".into());
    };
    let rules = flows.into_iter().map(|f| Rule::new(f.table.0, f.priority, f.matching, f.instructions)).collect();
    Ok((rules, known(&mut peer).await?))
}

/// What else the switch has, as far as this version of OpenFlow tells.
async fn known(peer: &mut Peer) -> Result<Known, Failure> {
    let ports: BTreeSet<u32> = names::ports(peer).await?.into_iter().map(|port| port.port.0).collect();
    let mut known = Known { ports: Some(ports), ..Known::default() };
    if peer.version() >= Version::V11
        && let Ok(StatsReply::GroupDesc(groups)) = names::stats(peer, StatsRequest::GroupDesc(GroupId::ALL)).await
    {
        known.groups = Some(BTreeSet::new());
        groups.into_iter().for_each(|group| known.add_group(group.group, group.buckets));
    }
    if peer.version() >= Version::V13
        && let Ok(StatsReply::MeterConfig(meters)) = names::stats(peer, StatsRequest::MeterConfig(MeterId::ALL)).await
    {
        known.meters = Some(meters.into_iter().map(|meter| meter.id.0).collect());
    }
    Ok(known)
}
