//! What the datapath can do, and what of it translation uses: `dpif/show-dp-features`, `dpif/set-dp-features`.
//!
//! Why: whoever tests a controller against datapaths that can do less takes features away by name.
//! How: [`ROWS`] says what there is. Translation asks [`Features::has`] and [`Features::number`].
//!
//! Invariant: nothing is used beyond what the datapath can do.

use std::fmt::Write as _;

/// One thing that a datapath can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the rows say it")]
pub enum Feature {
    MaskedSetAction,
    TunnelPushPop,
    Ufid,
    Truncate,
    Clone,
    SampleNesting,
    CtEventmask,
    CtClear,
    MaxHashAlgorithm,
    CheckPktLen,
    CtTimeout,
    ExplicitDrop,
    LbOutput,
    CtZeroSnat,
    AddMpls,
    MaxVlanHeaders,
    MaxMplsDepth,
    Recirc,
    CtState,
    CtZone,
    CtMark,
    CtLabel,
    CtStateNat,
    CtOrigTuple,
    CtOrigTuple6,
    NdExtensions,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Number(u32),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(value) => write!(f, "{value}"),
        }
    }
}

/// Name, title, what the datapath can do. In the order of [`Feature`].
const ROWS: [(&str, &str, Value); 26] = [
    ("masked_set_action", "Masked set action", Value::Bool(true)),
    ("tnl_push_pop", "Tunnel push pop", Value::Bool(true)),
    ("ufid", "Ufid", Value::Bool(true)),
    ("trunc", "Truncate action", Value::Bool(true)),
    ("clone", "Clone action", Value::Bool(true)),
    ("sample_nesting", "Sample nesting", Value::Number(10)),
    ("ct_eventmask", "Conntrack eventmask", Value::Bool(true)),
    ("ct_clear", "Conntrack clear", Value::Bool(true)),
    ("max_hash_alg", "Max dp_hash algorithm", Value::Number(1)),
    ("check_pkt_len", "Check pkt length action", Value::Bool(true)),
    ("ct_timeout", "Conntrack timeout policy", Value::Bool(true)),
    ("explicit_drop_action", "Explicit Drop action", Value::Bool(true)),
    ("lb_output_action", "Optimized Balance TCP mode", Value::Bool(true)),
    ("ct_zero_snat", "Conntrack all-zero IP SNAT", Value::Bool(true)),
    ("add_mpls", "MPLS Label add", Value::Bool(true)),
    ("max_vlan_headers", "Max VLAN headers", Value::Number(1)),
    ("max_mpls_depth", "Max MPLS depth", Value::Number(3)),
    ("recirc", "Recirc", Value::Bool(true)),
    ("ct_state", "CT state", Value::Bool(true)),
    ("ct_zone", "CT zone", Value::Bool(true)),
    ("ct_mark", "CT mark", Value::Bool(true)),
    ("ct_label", "CT label", Value::Bool(true)),
    ("ct_state_nat", "CT state NAT", Value::Bool(true)),
    ("ct_orig_tuple", "CT orig tuple", Value::Bool(true)),
    ("ct_orig_tuple6", "CT orig tuple for IPv6", Value::Bool(true)),
    ("nd_ext", "IPv6 ND Extension", Value::Bool(true)),
];

/// What translation uses now.
#[derive(Clone)]
pub struct Features([Value; ROWS.len()]);

impl Default for Features {
    /// All there is.
    fn default() -> Features {
        Features(ROWS.map(|(_, _, can)| can))
    }
}

impl Features {
    /// Whether it is to be used.
    #[inline]
    pub fn has(&self, feature: Feature) -> bool {
        self.number(feature) != 0
    }

    /// How many of it.
    #[inline]
    pub fn number(&self, feature: Feature) -> u32 {
        match self.0[feature as usize] {
            Value::Bool(value) => u32::from(value),
            Value::Number(value) => value,
        }
    }

    /// `dpif/show-dp-features`.
    pub fn show(&self) -> String {
        let mut out = String::new();
        for ((_, title, _), now) in ROWS.iter().zip(self.0) {
            let _ = match now {
                Value::Bool(value) => writeln!(out, "{title}: {}", if value { "Yes" } else { "No" }),
                Value::Number(value) => writeln!(out, "{title}: {value}"),
            };
        }
        out
    }

    /// `dpif/set-dp-features bridge [name [value]]`.
    ///
    /// # Errors
    /// When there is no such feature or it cannot have that value.
    pub fn command(&mut self, name: Option<&str>, value: Option<&str>) -> Result<String, String> {
        let line = |at: usize| {
            let (name, title, can) = ROWS[at];
            format!("{name} ({title}) : [run time]:{}, [boot time]:{can}\n", self.0[at])
        };
        let Some(name) = name else { return Ok((0..ROWS.len()).map(line).collect()) };
        let at = ROWS.iter().position(|(known, _, _)| *known == name).ok_or("Unexpected support field")?;
        let Some(value) = value else { return Ok(line(at)) };
        self.0[at] = match ROWS[at].2 {
            Value::Bool(can) => {
                let wanted = if value.eq_ignore_ascii_case("true") {
                    true
                } else if value.eq_ignore_ascii_case("false") {
                    false
                } else {
                    return Err("Boolean value expected".into());
                };
                if wanted && !can {
                    return Err(BEYOND.into());
                }
                Value::Bool(wanted)
            }
            Value::Number(can) => match value.parse::<i64>() {
                Err(_) => return Err("Integer number expected".into()),
                Ok(n) if n < 0 => return Err("Negative number not expected".into()),
                Ok(n) if n > i64::from(can) => return Err(BEYOND.into()),
                Ok(n) => Value::Number(n as u32),
            },
        };
        Ok(String::new())
    }
}

const BEYOND: &str = "Can not set value beyond the datapath capability";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_taken_away_and_given_back_by_name() {
        let mut features = Features::default();
        assert!(features.has(Feature::Clone));
        assert_eq!(features.command(Some("clone"), Some("false")), Ok(String::new()));
        assert!(!features.has(Feature::Clone));
        assert_eq!(
            features.command(Some("clone"), None).as_deref(),
            Ok("clone (Clone action) : [run time]:false, [boot time]:true\n")
        );
        assert!(features.show().contains("Clone action: No\n"));
        assert_eq!(features.command(Some("clone"), Some("true")), Ok(String::new()));
        assert_eq!(features.number(Feature::SampleNesting), 10);
        for (name, value, why) in [
            ("clone", "maybe", "Boolean value expected"),
            ("sample_nesting", "x", "Integer number expected"),
            ("sample_nesting", "-1", "Negative number not expected"),
            ("sample_nesting", "11", BEYOND),
            ("nonesuch", "1", "Unexpected support field"),
        ] {
            assert_eq!(features.command(Some(name), Some(value)), Err(why.to_owned()), "{name} {value}");
        }
    }

    #[test]
    fn rows_stand_in_the_order_of_their_enum() {
        assert_eq!(ROWS[Feature::NdExtensions as usize].0, "nd_ext");
        assert_eq!(ROWS[Feature::CheckPktLen as usize].0, "check_pkt_len");
        assert_eq!(ROWS[Feature::MaxMplsDepth as usize].0, "max_mpls_depth");
        assert_eq!(ROWS[Feature::CtOrigTuple6 as usize].0, "ct_orig_tuple6");
    }
}
