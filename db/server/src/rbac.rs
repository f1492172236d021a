//! May this client change that? Role-based access control, as ovsdb-server(7) documents it under 3.2 and 4.1.3.
//!
//! ```text
//!   the remote's role ──> RBAC_Role.name ──permissions[TABLE]──> a row: authorization, insert_delete, update
//!   the client's id (its certificate's common name) ──compared with──> the columns that authorization names
//! ```
//!
//! A schema without a table `RBAC_Role`, and a remote without a role, restrict nobody. Reading is never restricted.
//!
//! Invariant: whoever has a role but no id may change nothing.

use crate::table::{Row, Table};
use weft_ovsdb::{DatabaseSchema, Error, Result, TableSchema};

/// A client with a role.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The role of the remote that it came through.
    pub role: &'a str,
    /// Who it has proved to be.
    pub id: Option<&'a str>,
}

/// What a client wants to do with rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Put one in.
    Insert,
    /// Take them out.
    Delete,
    /// Set columns.
    Update,
    /// Change columns relative to what they hold.
    Mutate,
}

impl Wish {
    fn shown(self) -> &'static str {
        match self {
            Wish::Insert => "row insertion into",
            Wish::Delete => "row deletion from",
            Wish::Update => "modification of",
            Wish::Mutate => "mutate operation on",
        }
    }
}

/// What a role may do with a table.
struct Permission<'a> {
    row: &'a Row,
    schema: &'a TableSchema,
}

impl Client<'_> {
    /// Whether the client may do that with all of these rows, touching these columns.
    pub fn may(
        &self,
        wish: Wish,
        schema: &DatabaseSchema,
        tables: &[Table],
        table: &TableSchema,
        rows: &[Row],
        columns: &[usize],
    ) -> Result<()> {
        let Some(roles) = schema.table("RBAC_Role") else { return Ok(()) };
        let fine = self.id.zip(self.permission(schema, tables, roles, table)).is_some_and(|(id, permission)| {
            rows.iter().all(|row| {
                let general = match wish {
                    Wish::Insert | Wish::Delete => permission.may_insert_and_delete(),
                    Wish::Update | Wish::Mutate => permission.may_change(table, columns),
                };
                general && permission.is_authorized(id, table, row)
            })
        });
        if fine {
            return Ok(());
        }
        let text = format!(
            "RBAC rules for client \"{}\" role \"{}\" prohibit {} table \"{}\".",
            self.id.unwrap_or("(null)"),
            self.role,
            wish.shown(),
            table.name
        );
        Err(Error::new("permission error", text))
    }

    /// Nobody with a role may convert a database.
    pub fn may_convert(&self, database: &str) -> Result<()> {
        let text = format!(
            "RBAC rules for client \"{}\" role \"{}\" prohibit \"convert\" of database {database} (only the root role \
             may convert databases)",
            self.id.unwrap_or("(null)"),
            self.role,
        );
        Err(Error::new("permission error", text))
    }

    fn permission<'t>(
        &self,
        schema: &'t DatabaseSchema,
        tables: &'t [Table],
        roles: &TableSchema,
        table: &TableSchema,
    ) -> Option<Permission<'t>> {
        let (name, permissions) = (roles.column_index("name")?, roles.column_index("permissions")?);
        let of = roles.columns[permissions].kind.value.as_ref()?.ref_table()?;
        let of = schema.table(of)?;
        let role = tables[roles.index].rows().find(|row| row[name].as_str() == Some(self.role))?;
        let uuid = role[permissions].get(&table.name.as_str().into())?.as_uuid()?;
        Some(Permission { row: tables[of.index].get(uuid)?, schema: of })
    }
}

impl Permission<'_> {
    fn column(&self, name: &str) -> Option<&weft_ovsdb::Datum> {
        Some(&self.row[self.schema.column_index(name)?])
    }

    fn may_insert_and_delete(&self) -> bool {
        self.column("insert_delete").and_then(|datum| datum.as_bool()) == Some(true)
    }

    fn may_change(&self, table: &TableSchema, columns: &[usize]) -> bool {
        let allowed = |column: &usize| {
            let name = table.columns[*column].name.as_str();
            self.column("update").is_some_and(|names| names.contains_key(&name.into()))
        };
        columns.iter().all(allowed)
    }

    /// `authorization` names a column, or a key of a map, that must hold the client's id; the empty name lets all in.
    fn is_authorized(&self, id: &str, table: &TableSchema, row: &Row) -> bool {
        let Some(names) = self.column("authorization") else { return false };
        names.atoms().iter().filter_map(|name| name.as_str()).any(|name| {
            let (name, key) = name.split_once(':').map_or((name, None), |(name, key)| (name, Some(key)));
            match (table.column_index(name), key) {
                (_, None) if name.is_empty() => true,
                (Some(column), Some(key)) => row[column].get_str(key) == Some(id),
                (Some(column), None) => row[column].atoms().iter().any(|atom| atom.as_str() == Some(id)),
                (None, _) => false,
            }
        })
    }
}
