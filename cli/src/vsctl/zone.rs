//! What: commands about conntrack zones' timeouts, and about what a datapath can do.

use super::context::{Context, ROOT};
use crate::failure::{Failure, fail};
use weft_ovsdb::{Atom, Datum, Uuid};

/// `add-zone-tp DATAPATH zone=ID KEY=SECS...`
pub fn add(context: &mut Context<'_>) -> Result<(), Failure> {
    let datapath = must_have_datapath(context)?;
    let id = zone_id(context)?;
    if zone(context, datapath, id).is_some() {
        return match context.has("may-exist") {
            true => Ok(()),
            false => fail(format!("zone id {id} already exists")),
        };
    }
    let mut pairs = Vec::new();
    for word in context.args_from(2) {
        match word.split_once('=').and_then(|(key, text)| Some((key, text.parse::<i64>().ok()?))) {
            Some((key, seconds)) => pairs.push((Atom::from(key), Atom::Integer(seconds))),
            None => return fail(format!("{word}: expected KEY=SECONDS")),
        }
    }
    let policy = context.insert("CT_Timeout_Policy")?;
    context.set("CT_Timeout_Policy", policy, "timeouts", Datum::map_of(pairs))?;
    let zone = context.insert("CT_Zone")?;
    context.set("CT_Zone", zone, "timeout_policy", Atom::Uuid(policy))?;
    context.tx.verify("Datapath", datapath, "ct_zones");
    let zones = context.get("Datapath", datapath, "ct_zones");
    let zones = zones.union(&Datum::map_of([(Atom::Integer(id), Atom::Uuid(zone))]));
    context.set("Datapath", datapath, "ct_zones", zones)
}

/// `del-zone-tp DATAPATH zone=ID`
pub fn delete(context: &mut Context<'_>) -> Result<(), Failure> {
    let datapath = must_have_datapath(context)?;
    let id = zone_id(context)?;
    if zone(context, datapath, id).is_none() {
        return match context.has("if-exists") {
            true => Ok(()),
            false => fail(format!("zone id {id} does not exist")),
        };
    }
    context.tx.verify("Datapath", datapath, "ct_zones");
    let zones = context.get("Datapath", datapath, "ct_zones").subtract(&Datum::from(Atom::Integer(id)));
    context.set("Datapath", datapath, "ct_zones", zones)
}

/// `list-zone-tp DATAPATH`
pub fn list(context: &mut Context<'_>) -> Result<(), Failure> {
    let name = context.arg(0);
    let Some(datapath) = find_datapath(context, name)? else {
        return fail(format!("datapath: {name} record not found"));
    };
    for (id, zone) in context.get("Datapath", datapath, "ct_zones").pairs() {
        let policy = zone.as_uuid().map(|zone| context.uuids("CT_Zone", zone, "timeout_policy"));
        let text = match policy.as_deref() {
            Some([policy]) => context.get("CT_Timeout_Policy", *policy, "timeouts").to_bare_text(),
            _ => "system default".to_string(),
        };
        context.print(format!("Zone:{}, Timeout Policies: {text}", id.to_text()));
    }
    Ok(())
}

/// `list-dp-cap DATAPATH`
pub fn capabilities(context: &mut Context<'_>) -> Result<(), Failure> {
    let name = context.arg(0);
    let Some(datapath) = find_datapath(context, name)? else {
        return fail(format!("datapath \"{name}\" record not found"));
    };
    let capabilities = context.get("Datapath", datapath, "capabilities");
    context.print(capabilities.to_bare_text());
    Ok(())
}

fn find_datapath(context: &mut Context<'_>, name: &str) -> Result<Option<Uuid>, Failure> {
    let root = context.root()?;
    Ok(context.get(ROOT, root, "datapaths").get(&Atom::from(name)).and_then(Atom::as_uuid))
}

fn must_have_datapath(context: &mut Context<'_>) -> Result<Uuid, Failure> {
    let name = context.arg(0);
    match find_datapath(context, name)? {
        Some(uuid) => Ok(uuid),
        None => fail(format!("datapath {name} does not exist")),
    }
}

fn zone_id(context: &Context<'_>) -> Result<i64, Failure> {
    let word = context.arg(1);
    match word.strip_prefix("zone=").and_then(|id| id.parse().ok()).filter(|id| (0..=65535).contains(id)) {
        Some(id) => Ok(id),
        None => fail(format!("{word}: expected zone=ID with an ID between 0 and 65535")),
    }
}

fn zone(context: &Context<'_>, datapath: Uuid, id: i64) -> Option<Atom> {
    context.get("Datapath", datapath, "ct_zones").get(&Atom::Integer(id)).cloned()
}
