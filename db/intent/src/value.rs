//! What: a document's values as a column's.

use crate::error::{Result, at};
use serde_json::Value;
use weft_ovsdb::{Atom, AtomType, BaseType, ColumnType, Datum};

/// `null` and `[]` say that there shall be nothing.
pub(crate) fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The value of a column that holds no references: a scalar, a list or a table. `under` are pairs of a map that stay
/// unless the table says otherwise.
pub(crate) fn datum(path: &str, value: &Value, kind: &ColumnType, under: Option<&Datum>) -> Result<Datum> {
    let datum = match (&kind.value, value) {
        _ if is_nothing(value) => Datum::default_for(kind),
        (Some(of), Value::Object(pairs)) => {
            let mut all: Vec<(Atom, Atom)> = under.map(|under| under.pairs().to_vec()).unwrap_or_default();
            for (key, value) in pairs {
                let path = format!("{path}.{key}");
                let key = atom(&path, &Value::from(key.as_str()), &kind.key)?;
                all.retain(|(other, _)| *other != key);
                if !is_nothing(value) {
                    all.push((key, atom(&path, value, of)?));
                }
            }
            Datum::map_of(all)
        }
        (Some(_), _) => return at(path, "a table of keys and values expected"),
        (None, Value::Array(items)) => {
            let atoms = items.iter().map(|item| atom(path, item, &kind.key)).collect::<Result<Vec<_>>>()?;
            Datum::set_of(atoms)
        }
        (None, value) => Datum::One(atom(path, value, &kind.key)?),
    };
    let checked = kind.check_size(datum.len()).and_then(|()| kind.check_atoms(&datum).map_err(|e| e.to_string()));
    match checked {
        Ok(()) => Ok(datum),
        Err(reason) => at(path, reason),
    }
}

/// One atom. Text columns take numbers and truth values too, as `other_config` holds text only.
pub(crate) fn atom(path: &str, value: &Value, base: &BaseType) -> Result<Atom> {
    let atom = match (base.kind, value) {
        (AtomType::String, Value::String(text)) => Some(Atom::from(text.as_str())),
        (AtomType::String, Value::Number(_) | Value::Bool(_)) => Some(Atom::from(value.to_string().as_str())),
        (AtomType::Integer, Value::Number(number)) => number.as_i64().map(Atom::Integer),
        (AtomType::Integer, Value::String(text)) => text.parse().ok().map(Atom::Integer),
        (AtomType::Real, Value::Number(_)) | (AtomType::Boolean, Value::Bool(_)) => {
            Atom::from_json(value, base.kind, None).ok()
        }
        _ => None,
    };
    match atom {
        Some(atom) => Ok(atom),
        None => at(path, format!("{} expected, not {value}", base.kind.name())),
    }
}
