//! What: commands about auto attach: I-SIDs mapped to VLANs.

use super::context::Context;
use crate::failure::{Failure, fail};
use weft_ovsdb::{Atom, Datum, Uuid};

/// `add-aa-mapping BRIDGE I-SID VLAN`
pub fn add(context: &mut Context<'_>) -> Result<(), Failure> {
    let (bridge, pair) = (bridge(context)?, pair(context)?);
    let row = match context.uuids("Bridge", bridge, "auto_attach").first() {
        Some(row) => *row,
        None => {
            let row = context.insert("AutoAttach")?;
            context.set("Bridge", bridge, "auto_attach", Atom::Uuid(row))?;
            row
        }
    };
    if context.tx.is_inserted(row) {
        let mappings = context.get("AutoAttach", row, "mappings").union(&pair);
        return context.set("AutoAttach", row, "mappings", mappings);
    }
    // A mapping that is there stays: the server inserts no key a second time.
    context.tx.mutate("AutoAttach", row, vec![serde_json::json!(["mappings", "insert", pair.to_json()])]);
    Ok(())
}

/// `del-aa-mapping BRIDGE I-SID VLAN`
pub fn delete(context: &mut Context<'_>) -> Result<(), Failure> {
    let (bridge, pair) = (bridge(context)?, pair(context)?);
    for row in context.uuids("Bridge", bridge, "auto_attach") {
        context.tx.verify("AutoAttach", row, "mappings");
        let mappings = context.get("AutoAttach", row, "mappings").subtract(&pair);
        context.set("AutoAttach", row, "mappings", mappings)?;
    }
    Ok(())
}

/// `get-aa-mapping BRIDGE`
pub fn get(context: &mut Context<'_>) -> Result<(), Failure> {
    let bridge = bridge(context)?;
    for row in context.uuids("Bridge", bridge, "auto_attach") {
        for (isid, vlan) in context.get("AutoAttach", row, "mappings").pairs() {
            context.print(format!("{} {}", isid.to_text(), vlan.to_text()));
        }
    }
    Ok(())
}

fn bridge(context: &Context<'_>) -> Result<Uuid, Failure> {
    Ok(context.model().bridge(context.arg(0))?.row)
}

fn pair(context: &Context<'_>) -> Result<Datum, Failure> {
    let number = |word: &str| match word.parse::<i64>() {
        Ok(number) => Ok(Atom::Integer(number)),
        Err(_) => fail(format!("Invalid argument {word}")),
    };
    Ok(Datum::map_of([(number(context.arg(1))?, number(context.arg(2))?)]))
}
