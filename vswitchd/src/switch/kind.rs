//! What: what an interface's type means here, with `--enable-dummy` taken into account.
//!
//! Why: in tests of a whole switch nothing may touch the machine; `--enable-dummy=override` makes every device a
//! dummy without changing what the database says, and bridges of datapath type `dummy` have dummies inside.
//!
//! Invariants: pure.

use crate::options::Dummy;

/// What to open, and how to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The type as listings show it.
    pub shown: String,
    /// The type that [`weft_netdev::Spec`] understands.
    pub opened: String,
}

/// The kind of an interface of type `text` on a bridge of this datapath type.
pub fn kind_of(text: &str, datapath_type: &str, dummy: Dummy) -> Kind {
    let text = if text.is_empty() { "system" } else { text };
    let kind = |shown: &str, opened: &str| Kind { shown: shown.to_owned(), opened: opened.to_owned() };
    match (text, dummy) {
        ("patch", _) => kind("patch", "patch"),
        ("internal", _) if has_dummies(datapath_type, dummy) => kind("dummy-internal", "dummy-internal"),
        // The userspace datapath has taps for internal ports, and its listings say so.
        ("internal", _) if datapath_type == "netdev" => kind("tap", "internal"),
        ("dummy" | "dummy-internal" | "dummy-pmd", Dummy::Off) => kind(text, "unknown"),
        ("dummy-pmd", _) => kind(text, text),
        (_, Dummy::Override) => kind(text, "dummy"),
        ("system", Dummy::System) => kind(text, "dummy"),
        _ => kind(text, text),
    }
}

/// Whether a datapath of this type is made of dummies.
pub fn has_dummies(datapath_type: &str, dummy: Dummy) -> bool {
    match dummy {
        Dummy::Off => false,
        Dummy::On => datapath_type == "dummy",
        Dummy::System => matches!(datapath_type, "dummy" | "" | "system"),
        Dummy::Override => true,
    }
}

/// The datapath type as listings show it.
pub fn datapath_type(text: &str) -> &str {
    if text.is_empty() { "system" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_modes() {
        let table = [
            ("", "", Dummy::Off, "system", "system"),
            ("internal", "", Dummy::Off, "internal", "internal"),
            ("internal", "netdev", Dummy::Off, "tap", "internal"),
            ("dummy", "netdev", Dummy::Off, "dummy", "unknown"),
            ("dummy", "dummy", Dummy::On, "dummy", "dummy"),
            ("internal", "dummy", Dummy::On, "dummy-internal", "dummy-internal"),
            ("internal", "netdev", Dummy::On, "tap", "internal"),
            ("", "dummy", Dummy::On, "system", "system"),
            ("", "", Dummy::Override, "system", "dummy"),
            ("tap", "netdev", Dummy::Override, "tap", "dummy"),
            ("patch", "netdev", Dummy::Override, "patch", "patch"),
            ("internal", "netdev", Dummy::Override, "dummy-internal", "dummy-internal"),
            ("dummy-pmd", "dummy", Dummy::Override, "dummy-pmd", "dummy-pmd"),
            ("", "", Dummy::System, "system", "dummy"),
            ("tap", "", Dummy::System, "tap", "tap"),
            ("internal", "system", Dummy::System, "dummy-internal", "dummy-internal"),
        ];
        for (text, datapath, dummy, shown, opened) in table {
            let kind = kind_of(text, datapath, dummy);
            assert_eq!((kind.shown.as_str(), kind.opened.as_str()), (shown, opened), "{text} {datapath} {dummy:?}");
        }
    }
}
