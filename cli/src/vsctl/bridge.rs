//! What: commands about bridges.

use super::context::{Context, ROOT};
use super::model::Bridge;
use crate::failure::{Failure, fail};
use weft_ovsdb::{Atom, Datum, Uuid};

/// `add-br BRIDGE [PARENT VLAN]`
pub fn add(context: &mut Context<'_>) -> Result<(), Failure> {
    let name = context.arg(0);
    let parent = match (context.opt_arg(1), context.opt_arg(2)) {
        (None, _) => None,
        (Some(_), None) => return fail("'add-br' command takes exactly 1 or 3 arguments"),
        (Some(parent), Some(vlan)) => match vlan.parse::<i64>() {
            Ok(vlan) if (0..=4095).contains(&vlan) => Some((parent, vlan)),
            _ => return fail("add-br: vlan must be between 0 and 4095"),
        },
    };
    if name.is_empty() {
        return fail("bridge name must not be empty string");
    }
    let model = context.model();
    if context.has("may-exist")
        && let Some(bridge) = model.bridges.get(name)
    {
        return check_same(bridge, name, parent);
    }
    model.check_free(name, &format!("cannot create a bridge named {name}"))?;
    let interface = context.insert("Interface")?;
    context.set("Interface", interface, "name", Atom::from(name))?;
    context.set("Interface", interface, "type", Atom::from("internal"))?;
    let port = context.insert("Port")?;
    context.set("Port", port, "name", Atom::from(name))?;
    context.set("Port", port, "interfaces", Atom::Uuid(interface))?;
    let Some((parent, vlan)) = parent else {
        let root = context.root()?;
        let bridge = context.insert("Bridge")?;
        context.set("Bridge", bridge, "name", Atom::from(name))?;
        context.set("Bridge", bridge, "ports", Atom::Uuid(port))?;
        return context.add_reference(ROOT, root, "bridges", bridge);
    };
    let Some(parent) = model.bridges.get(parent) else {
        return fail(format!("parent bridge {parent} does not exist"));
    };
    if parent.fake.is_some() {
        return fail("cannot create bridge with fake bridge as parent");
    }
    let same_vlan = |bridge: &&Bridge| bridge.fake.as_ref().is_some_and(|fake| fake.vlan == vlan);
    if let Some(child) = model.fakes_in(&parent.name).find(same_vlan) {
        let (parent, child) = (&parent.name, &child.name);
        return fail(format!("bridge {parent} already has a child VLAN bridge {child} on VLAN {vlan}"));
    }
    context.set("Port", port, "fake_bridge", Atom::Boolean(true))?;
    context.set("Port", port, "tag", Atom::Integer(vlan))?;
    context.add_reference("Bridge", parent.row, "ports", port)
}

/// `del-br BRIDGE`
pub fn delete(context: &mut Context<'_>) -> Result<(), Failure> {
    let model = context.model();
    let bridge = match model.bridges.get(context.arg(0)) {
        Some(bridge) => bridge,
        None if context.has("if-exists") => return Ok(()),
        None => model.bridge(context.arg(0))?,
    };
    match &bridge.fake {
        None => {
            // Ports, interfaces and fake bridges go with the row that refers to them.
            for root in context.tx.rows(ROOT) {
                context.remove_reference(ROOT, root, "bridges", bridge.row)?;
            }
            for port in context.uuids("Bridge", bridge.row, "ports") {
                delete_port_rows(context, port);
            }
            context.delete("Bridge", bridge.row);
        }
        Some(fake) => {
            let ports: Vec<Uuid> = model.ports_of(&bridge.name).map(|port| port.row).chain([fake.port]).collect();
            for port in ports {
                context.remove_reference("Bridge", bridge.row, "ports", port)?;
                delete_port_rows(context, port);
            }
        }
    }
    Ok(())
}

/// Deletes a port and its interfaces; the reference to it must be gone already.
pub fn delete_port_rows(context: &mut Context<'_>, port: Uuid) {
    for interface in context.uuids("Port", port, "interfaces") {
        context.delete("Interface", interface);
    }
    context.delete("Port", port);
}

/// `list-br`
pub fn list(context: &mut Context<'_>) -> Result<(), Failure> {
    let (real, fake) = (context.has("real"), context.has("fake"));
    let wanted = |bridge: &&Bridge| real == fake || bridge.fake.is_some() == fake;
    for bridge in context.model().bridges.values().filter(wanted) {
        context.print(&bridge.name);
    }
    Ok(())
}

/// `br-exists BRIDGE`: "no" ends the whole call at once.
pub fn exists(context: &mut Context<'_>) -> Result<(), Failure> {
    match context.model().bridges.contains_key(context.arg(0)) {
        true => Ok(()),
        false => Err(Failure::with_status("", 2)),
    }
}

/// `br-to-vlan BRIDGE`
pub fn vlan(context: &mut Context<'_>) -> Result<(), Failure> {
    let model = context.model();
    let vlan = model.bridge(context.arg(0))?.fake.as_ref().map_or(0, |fake| fake.vlan);
    context.print(vlan.to_string());
    Ok(())
}

/// `br-to-parent BRIDGE`
pub fn parent(context: &mut Context<'_>) -> Result<(), Failure> {
    let model = context.model();
    let bridge = model.bridge(context.arg(0))?;
    context.print(bridge.fake.as_ref().map_or(&bridge.name, |fake| &fake.parent));
    Ok(())
}

/// `br-set-external-id BRIDGE KEY [VALUE]`
pub fn set_external_id(context: &mut Context<'_>) -> Result<(), Failure> {
    let ids = ids_of(context)?;
    let key = Atom::from(format!("{}{}", ids.prefix, context.arg(1)).as_str());
    let old = context.get(ids.table, ids.row, "external_ids");
    let new = match context.opt_arg(2) {
        Some(value) => Datum::map_of([(key, Atom::from(value))]).union(&old),
        None => old.subtract(&Datum::from(key)),
    };
    context.tx.verify(ids.table, ids.row, "external_ids");
    context.set(ids.table, ids.row, "external_ids", new)
}

/// `br-get-external-id BRIDGE [KEY]`
pub fn get_external_id(context: &mut Context<'_>) -> Result<(), Failure> {
    let ids = ids_of(context)?;
    let datum = context.get(ids.table, ids.row, "external_ids");
    let pairs = datum.pairs().iter().filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)));
    let pairs = pairs.filter_map(|(key, value)| Some((key.strip_prefix(ids.prefix)?, value)));
    match context.opt_arg(1) {
        Some(wanted) => {
            if let Some((_, value)) = pairs.clone().find(|(key, _)| *key == wanted) {
                context.print(value);
            }
        }
        None => pairs.for_each(|(key, value)| context.print(format!("{key}={value}"))),
    }
    Ok(())
}

/// Where a bridge keeps its external IDs: a fake one, under a prefix in its port.
struct Ids {
    table: &'static str,
    row: Uuid,
    prefix: &'static str,
}

fn ids_of(context: &Context<'_>) -> Result<Ids, Failure> {
    let model = context.model();
    let bridge = model.bridge(context.arg(0))?;
    Ok(match &bridge.fake {
        None => Ids { table: "Bridge", row: bridge.row, prefix: "" },
        Some(fake) => Ids { table: "Port", row: fake.port, prefix: "fake-bridge-" },
    })
}

/// With `--may-exist`, the bridge must be what `add-br` would have made.
fn check_same(bridge: &Bridge, name: &str, wanted: Option<(&str, i64)>) -> Result<(), Failure> {
    match (wanted, &bridge.fake) {
        (None, None) => Ok(()),
        (None, Some(fake)) => {
            fail(format!("\"--may-exist add-br {name}\" but {name} is a VLAN bridge for VLAN {}", fake.vlan))
        }
        (Some((parent, vlan)), fake) => {
            let what = format!("\"--may-exist add-br {name} {parent} {vlan}\" but {name}");
            match fake {
                None => fail(format!("{what} is not a VLAN bridge")),
                Some(fake) if fake.parent != parent => fail(format!("{what} has the wrong parent {}", fake.parent)),
                Some(fake) if fake.vlan != vlan => {
                    fail(format!("{what} is a VLAN bridge for the wrong VLAN {}", fake.vlan))
                }
                Some(_) => Ok(()),
            }
        }
    }
}
