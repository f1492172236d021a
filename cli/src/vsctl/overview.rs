//! What: `init` and `show`.

use super::context::{Context, ROOT};
use crate::failure::Failure;
use weft_ovsdb::text::needs_quotes;
use weft_ovsdb::{Atom, Uuid};

/// `init`: every command does this on the way; this one does nothing else.
pub fn init(context: &mut Context<'_>) -> Result<(), Failure> {
    context.root().map(drop)
}

/// `show`
pub fn show(context: &mut Context<'_>) -> Result<(), Failure> {
    for root in context.tx.rows(ROOT) {
        context.print(root.to_string());
        show_columns(context, &SHOWN[0], root, 4);
    }
    Ok(())
}

/// Which columns of a table the overview shows.
pub struct Shown {
    pub table: &'static str,
    /// The column that names a row.
    pub name: &'static str,
    pub columns: &'static [&'static str],
}

/// The overview, from the root down.
pub const SHOWN: &[Shown] = &[
    Shown { table: ROOT, name: "", columns: &["manager_options", "bridges", "ovs_version"] },
    Shown { table: "Bridge", name: "name", columns: &["controller", "fail_mode", "datapath_type", "ports"] },
    Shown { table: "Port", name: "name", columns: &["tag", "trunks", "interfaces"] },
    Shown { table: "Interface", name: "name", columns: &["type", "options", "error"] },
    Shown { table: "Controller", name: "target", columns: &["is_connected"] },
    Shown { table: "Manager", name: "target", columns: &["is_connected"] },
];

fn show_columns(context: &mut Context<'_>, shown: &Shown, row: Uuid, indent: usize) {
    let Some(schema) = context.tx.schema(shown.table).cloned() else { return };
    for name in shown.columns {
        let Some(column) = schema.column(name) else { continue };
        let value = context.get(shown.table, row, name);
        let target = column.kind.key.ref_table().and_then(|table| SHOWN.iter().find(|shown| shown.table == table));
        match target {
            Some(target) => {
                for row in value.atoms().iter().filter_map(Atom::as_uuid) {
                    let title = quoted(&context.string(target.table, row, target.name));
                    context.print(format!("{:indent$}{} {title}", "", target.table));
                    show_columns(context, target, row, indent + 4);
                }
            }
            None if value.is_default(&column.kind) => {}
            None => context.print(format!("{:indent$}{name}: {}", "", value.to_text_as(&column.kind))),
        }
    }
}

fn quoted(name: &str) -> String {
    match needs_quotes(name) {
        true => Atom::from(name).to_text(),
        false => name.to_string(),
    }
}
