//! The vocabulary of OVSDB: values, types, schemas, operations and the client's replica.
//!
//! Everything that RFC 7047 defines about data, and nothing about sockets, storage or time. The server commits what
//! is defined here; the tools parse and print it; both therefore give the same messages.
//!
//! Invariants: a [`Datum`] is canonical (sorted, no duplicates); an [`Error`] carries the tag that clients compare;
//! no function panics on input from outside.

pub mod error;
pub mod json;

pub mod atom;
pub mod datum;
pub mod types;

pub mod schema;
pub mod text;

pub mod condition;
pub mod mutation;
pub mod operation;

pub use atom::{Atom, AtomType, NamedUuids, Uuid};
pub use condition::{Clause, Condition, Function};
pub use datum::Datum;
pub use error::{Error, Result};
pub use mutation::{Mutation, Mutator};
pub use operation::Operation;
pub use schema::{ColumnSchema, DatabaseSchema, TableSchema};
pub use types::{BaseType, ColumnType, Constraint};

pub mod open_vswitch;
pub mod replica;
