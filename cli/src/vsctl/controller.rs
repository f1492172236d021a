//! What: commands about whom the switch talks to: controllers, fail mode, managers, SSL.

use super::context::{Context, ROOT};
use crate::failure::{Failure, fail};
use weft_jsonrpc::address::{OVSDB_PORT, Remote};
use weft_ovsdb::{Atom, Datum, Uuid};

/// `get-controller BRIDGE`
pub fn get(context: &mut Context<'_>) -> Result<(), Failure> {
    let row = any_bridge(context)?;
    print_targets(context, "Controller", context.uuids("Bridge", row, "controller"));
    Ok(())
}

/// `del-controller BRIDGE`
pub fn delete(context: &mut Context<'_>) -> Result<(), Failure> {
    let row = real_bridge(context)?;
    context.tx.verify("Bridge", row, "controller");
    replace(context, ("Bridge", row, "controller"), "Controller", &[])
}

/// `set-controller BRIDGE TARGET...`
pub fn set(context: &mut Context<'_>) -> Result<(), Failure> {
    let row = real_bridge(context)?;
    context.tx.verify("Bridge", row, "controller");
    replace(context, ("Bridge", row, "controller"), "Controller", context.args_from(1))
}

/// `get-fail-mode BRIDGE`
pub fn get_fail_mode(context: &mut Context<'_>) -> Result<(), Failure> {
    let row = any_bridge(context)?;
    let mode = context.string("Bridge", row, "fail_mode");
    if !mode.is_empty() {
        context.print(mode);
    }
    Ok(())
}

/// `del-fail-mode BRIDGE`
pub fn delete_fail_mode(context: &mut Context<'_>) -> Result<(), Failure> {
    let row = real_bridge(context)?;
    context.set("Bridge", row, "fail_mode", Datum::empty_set())
}

/// `set-fail-mode BRIDGE MODE`
pub fn set_fail_mode(context: &mut Context<'_>) -> Result<(), Failure> {
    let row = real_bridge(context)?;
    let mode = context.arg(1);
    if mode != "standalone" && mode != "secure" {
        return fail("fail-mode must be \"standalone\" or \"secure\"");
    }
    context.set("Bridge", row, "fail_mode", Atom::from(mode))
}

/// `get-manager`
pub fn get_manager(context: &mut Context<'_>) -> Result<(), Failure> {
    let root = context.root()?;
    print_targets(context, "Manager", context.uuids(ROOT, root, "manager_options"));
    Ok(())
}

/// `del-manager`
pub fn delete_manager(context: &mut Context<'_>) -> Result<(), Failure> {
    let root = context.root()?;
    context.tx.verify(ROOT, root, "manager_options");
    replace(context, (ROOT, root, "manager_options"), "Manager", &[])
}

/// `set-manager TARGET...`
pub fn set_manager(context: &mut Context<'_>) -> Result<(), Failure> {
    let root = context.root()?;
    context.tx.verify(ROOT, root, "manager_options");
    replace(context, (ROOT, root, "manager_options"), "Manager", context.args_from(0))
}

/// `get-ssl`
pub fn get_ssl(context: &mut Context<'_>) -> Result<(), Failure> {
    let root = context.root()?;
    for ssl in context.uuids(ROOT, root, "ssl") {
        let bootstrap = context.get("SSL", ssl, "bootstrap_ca_cert").as_bool() == Some(true);
        context.print(format!("Private key: {}", context.string("SSL", ssl, "private_key")));
        context.print(format!("Certificate: {}", context.string("SSL", ssl, "certificate")));
        context.print(format!("CA Certificate: {}", context.string("SSL", ssl, "ca_cert")));
        context.print(format!("Bootstrap: {bootstrap}"));
    }
    Ok(())
}

/// `del-ssl`
pub fn delete_ssl(context: &mut Context<'_>) -> Result<(), Failure> {
    let root = context.root()?;
    for ssl in context.uuids(ROOT, root, "ssl") {
        context.delete("SSL", ssl);
    }
    context.tx.verify(ROOT, root, "ssl");
    context.set(ROOT, root, "ssl", Datum::empty_set())
}

/// `set-ssl PRIVATE-KEY CERTIFICATE CA-CERT`
pub fn set_ssl(context: &mut Context<'_>) -> Result<(), Failure> {
    delete_ssl(context)?;
    let root = context.root()?;
    let ssl = context.insert("SSL")?;
    context.set("SSL", ssl, "private_key", Atom::from(context.arg(0)))?;
    context.set("SSL", ssl, "certificate", Atom::from(context.arg(1)))?;
    context.set("SSL", ssl, "ca_cert", Atom::from(context.arg(2)))?;
    context.set("SSL", ssl, "bootstrap_ca_cert", Atom::Boolean(context.has("bootstrap")))?;
    context.set(ROOT, root, "ssl", Atom::Uuid(ssl))
}

fn any_bridge(context: &Context<'_>) -> Result<Uuid, Failure> {
    Ok(context.model().bridge(context.arg(0))?.row)
}

fn real_bridge(context: &Context<'_>) -> Result<Uuid, Failure> {
    Ok(context.model().real_bridge(context.arg(0))?.row)
}

fn print_targets(context: &mut Context<'_>, table: &str, rows: Vec<Uuid>) {
    let mut targets: Vec<String> = rows.into_iter().map(|row| context.string(table, row, "target")).collect();
    targets.sort();
    targets.iter().for_each(|target| context.print(target));
}

/// Puts fresh rows of `table` with these targets in the place of those that a column refers to.
fn replace(
    context: &mut Context<'_>,
    (owner, row, column): (&str, Uuid, &str),
    table: &str,
    targets: &[String],
) -> Result<(), Failure> {
    let probe = match context.option("inactivity-probe").map(str::parse::<i64>) {
        None => None,
        Some(Ok(probe)) => Some(probe),
        Some(Err(_)) => return fail("--inactivity-probe: expected a number of milliseconds"),
    };
    for old in context.uuids(owner, row, column) {
        context.delete(table, old);
    }
    let mut rows = Vec::new();
    for target in targets {
        if Remote::parse(target, OVSDB_PORT).is_err() {
            tracing::warn!(target: "vsctl", "target type \"{target}\" is possibly erroneous");
        }
        let new = context.insert(table)?;
        context.set(table, new, "target", Atom::from(target.as_str()))?;
        if let Some(probe) = probe {
            context.set(table, new, "inactivity_probe", Atom::Integer(probe))?;
        }
        rows.push(Atom::Uuid(new));
    }
    context.set(owner, row, column, Datum::set_of(rows))
}
