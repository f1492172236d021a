//! What: `emer-reset`: forget who controls the switch and what watches it, keep what connects.

use super::context::{Context, ROOT};
use crate::failure::Failure;
use weft_ovsdb::{Atom, Datum};

/// `emer-reset`
pub fn emer_reset(context: &mut Context<'_>) -> Result<(), Failure> {
    let root = context.root()?;
    for column in ["manager_options", "ssl"] {
        context.set(ROOT, root, column, Datum::empty_set())?;
    }
    for row in context.tx.rows("Bridge") {
        for column in ["controller", "fail_mode", "flood_vlans", "mirrors", "netflow", "sflow", "ipfix"] {
            context.set("Bridge", row, column, Datum::empty_set())?;
        }
        let other_config = context.get("Bridge", row, "other_config");
        let kept = Datum::map_of(other_config.get_str("hwaddr").map(|hwaddr| ("hwaddr", hwaddr)));
        context.set("Bridge", row, "other_config", kept)?;
    }
    for row in context.tx.rows("Port") {
        context.set("Port", row, "other_config", Datum::empty_map())?;
    }
    for row in context.tx.rows("Interface") {
        for column in ["ingress_policing_rate", "ingress_policing_burst"] {
            context.set("Interface", row, column, Atom::Integer(0))?;
        }
    }
    for table in ["Mirror", "Controller", "Manager", "NetFlow", "sFlow", "IPFIX", "SSL"] {
        for row in context.tx.rows(table) {
            context.delete(table, row);
        }
    }
    Ok(())
}
