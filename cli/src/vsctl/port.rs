//! What: commands about ports, bonds and interfaces.

use super::bridge::delete_port_rows;
use super::context::Context;
use super::database::set_column;
use super::model::Port;
use crate::failure::{Failure, fail};
use weft_ovsdb::{Atom, Datum};

/// `list-ports BRIDGE`
pub fn list(context: &mut Context<'_>) -> Result<(), Failure> {
    let model = context.model();
    let bridge = model.bridge(context.arg(0))?;
    model.ports_of(&bridge.name).for_each(|port| context.print(&port.name));
    Ok(())
}

/// `list-ifaces BRIDGE`
pub fn list_ifaces(context: &mut Context<'_>) -> Result<(), Failure> {
    let model = context.model();
    let bridge = model.bridge(context.arg(0))?;
    let mut names: Vec<&String> = model.ports_of(&bridge.name).flat_map(|port| &port.interfaces).collect();
    names.sort();
    names.into_iter().for_each(|name| context.print(name));
    Ok(())
}

/// `port-to-br PORT`
pub fn to_bridge(context: &mut Context<'_>) -> Result<(), Failure> {
    let model = context.model();
    context.print(&model.port(context.arg(0))?.bridge);
    Ok(())
}

/// `iface-to-br IFACE`
pub fn iface_to_bridge(context: &mut Context<'_>) -> Result<(), Failure> {
    let model = context.model();
    let interface = model.interface(context.arg(0))?;
    context.print(&model.ports[&interface.port].bridge);
    Ok(())
}

/// `add-port BRIDGE PORT [COLUMN[:KEY]=VALUE]...`
pub fn add(context: &mut Context<'_>) -> Result<(), Failure> {
    let name = context.arg(1).to_string();
    let wanted = Wanted { interfaces: vec![name.clone()], name, settings: 2, is_bond: false };
    add_wanted(context, wanted)
}

/// `add-bond BRIDGE BOND IFACE... [COLUMN[:KEY]=VALUE]...`
pub fn add_bond(context: &mut Context<'_>) -> Result<(), Failure> {
    let words = context.args_from(2);
    let interfaces: Vec<String> = words.iter().take_while(|word| !word.contains('=')).cloned().collect();
    if interfaces.len() < 2 {
        let count = interfaces.len();
        return fail(format!("add-bond requires at least 2 interfaces, but only {count} were specified"));
    }
    let settings = 2 + interfaces.len();
    add_wanted(context, Wanted { name: context.arg(1).to_string(), interfaces, settings, is_bond: true })
}

/// `add-bond-iface BOND IFACE`
pub fn add_bond_iface(context: &mut Context<'_>) -> Result<(), Failure> {
    let (bond, name) = (context.arg(0), context.arg(1));
    let model = context.model();
    let port = model.port(bond)?;
    if context.has("may-exist")
        && let Some(interface) = model.interfaces.get(name)
    {
        return match interface.port == port.name {
            true => Ok(()),
            false => fail(format!(
                "\"--may-exist add-bond-iface {bond} {name}\" but {name} is actually attached to port {}",
                interface.port
            )),
        };
    }
    model.check_free(name, &format!("cannot create an interface named {name}"))?;
    let interface = context.insert("Interface")?;
    context.set("Interface", interface, "name", Atom::from(name))?;
    context.new_interfaces.insert(name.to_string());
    context.add_reference("Port", port.row, "interfaces", interface)
}

/// `del-bond-iface [BOND] IFACE`
pub fn delete_bond_iface(context: &mut Context<'_>) -> Result<(), Failure> {
    let (bond, name) = match context.opt_arg(1) {
        Some(name) => (Some(context.arg(0)), name),
        None => (None, context.arg(0)),
    };
    let model = context.model();
    let bond = bond.map(|bond| model.port(bond)).transpose()?;
    let interface = match model.interfaces.get(name) {
        Some(interface) => interface,
        None if context.has("if-exists") => return Ok(()),
        None => model.interface(name)?,
    };
    if let Some(bond) = bond
        && bond.name != interface.port
    {
        return fail(format!("port {} does not have an interface {name}", bond.name));
    }
    let port = &model.ports[&interface.port];
    if port.interfaces.len() == 1 {
        return fail(format!("cannot delete last interface from port {}", port.name));
    }
    context.remove_reference("Port", port.row, "interfaces", interface.row)?;
    context.delete("Interface", interface.row);
    Ok(())
}

/// `del-port [BRIDGE] PORT`
pub fn delete(context: &mut Context<'_>) -> Result<(), Failure> {
    let (bridge, target) = match context.opt_arg(1) {
        Some(target) => (Some(context.arg(0)), target),
        None => (None, context.arg(0)),
    };
    let (must_exist, with_iface) = (!context.has("if-exists"), context.has("with-iface"));
    let model = context.model();
    let bridge = bridge.map(|name| model.bridge(name)).transpose()?;
    let by_interface = |name: &str| model.interfaces.get(name).map(|interface| &model.ports[&interface.port]);
    let port = match with_iface {
        true => model.ports.get(target).or_else(|| by_interface(target)),
        false => model.ports.get(target),
    };
    let Some(port) = port else {
        if must_exist && model.bridges.contains_key(target) {
            return fail(format!(
                "cannot delete port {target} because it is the local port for bridge {target} \
                 (deleting this port requires deleting the entire bridge)"
            ));
        }
        return match must_exist {
            true => fail(format!("no port {}named {target}", if with_iface { "or interface " } else { "" })),
            false => Ok(()),
        };
    };
    if let Some(bridge) = bridge
        && bridge.name != port.bridge
    {
        let is_child = model.fakes_in(&bridge.name).any(|child| child.name == port.bridge);
        let hint = if is_child { format!(" (although its child bridge {} does)", port.bridge) } else { String::new() };
        return fail(format!("bridge {} does not have a port {target}{hint}", bridge.name));
    }
    let (row, port) = (model.bridges[&port.bridge].row, port.clone());
    context.remove_reference("Bridge", row, "ports", port.row)?;
    delete_port_rows(context, port.row);
    context.keep_model(model, |_, model| model.remove_port(&port.name));
    Ok(())
}

/// What `add-port` or `add-bond` was asked for.
struct Wanted {
    name: String,
    interfaces: Vec<String>,
    /// Where the settings begin among the words.
    settings: usize,
    is_bond: bool,
}

fn add_wanted(context: &mut Context<'_>, wanted: Wanted) -> Result<(), Failure> {
    let Wanted { name, interfaces, settings, is_bond } = wanted;
    if name.is_empty() {
        return fail("port name must not be empty string");
    }
    if interfaces.iter().any(String::is_empty) {
        return fail("interface name must not be empty string");
    }
    let model = context.model();
    if context.has("may-exist")
        && let Some(port) = model.ports.get(&name)
    {
        return check_same(context.arg(0), port, &interfaces, is_bond);
    }
    model.check_free(&name, &format!("cannot create a port named {name}"))?;
    for interface in interfaces.iter().filter(|interface| **interface != name) {
        model.check_free(interface, &format!("cannot create an interface named {interface}"))?;
    }
    let bridge = model.bridge(context.arg(0))?;
    let mut rows = Vec::new();
    for interface in &interfaces {
        let row = context.insert("Interface")?;
        context.set("Interface", row, "name", Atom::from(interface.as_str()))?;
        context.new_interfaces.insert(interface.clone());
        rows.push(Atom::Uuid(row));
    }
    let port = context.insert("Port")?;
    context.set("Port", port, "name", Atom::from(name.as_str()))?;
    context.set("Port", port, "interfaces", Datum::set_of(rows))?;
    if context.has("fake-iface") {
        context.set("Port", port, "bond_fake_iface", Atom::Boolean(true))?;
    }
    if let Some(fake) = &bridge.fake {
        context.set("Port", port, "tag", Atom::Integer(fake.vlan))?;
    }
    let schema = context.tx.schema("Port").cloned().ok_or("the database has no table Port")?;
    for word in context.args_from(settings) {
        set_column(context, &schema, port, word)?;
    }
    context.add_reference("Bridge", bridge.row, "ports", port)?;
    let is_plain = context.string("Port", port, "name") == name
        && !context.get("Port", port, "fake_bridge").as_bool().unwrap_or(false);
    if is_plain {
        let parent = bridge.fake.as_ref().map_or(&bridge.name, |fake| &fake.parent).clone();
        context.keep_model(model, |context, model| model.add_port(context, &parent, port));
    }
    Ok(())
}

/// With `--may-exist`, the port must be what would have been made.
fn check_same(bridge: &str, port: &Port, interfaces: &[String], is_bond: bool) -> Result<(), Failure> {
    let name = &port.name;
    let command = match is_bond {
        true => format!("\"--may-exist add-bond {bridge} {name} {}\"", interfaces.join(" ")),
        false => format!("\"--may-exist add-port {bridge} {name}\""),
    };
    let mut wanted: Vec<&str> = interfaces.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    if port.bridge != bridge {
        return fail(format!("{command} but {name} is actually attached to bridge {}", port.bridge));
    }
    if port.interfaces != wanted {
        let actual = port.interfaces.join(", ");
        return fail(format!("{command} but {name} actually has interface(s) {actual}"));
    }
    Ok(())
}
