//! The actions that choose by hash from text: `bundle`, `bundle_load`, `multipath`.

use super::Names;
use super::action_parse::{number, subfield};
use crate::action::{Bundle, BundleAlgorithm, HashFields, Multipath, MultipathAlgorithm};

fn parse_hash_fields(text: &str) -> Option<HashFields> {
    use HashFields::*;
    [EthSrc, SymmetricL4, SymmetricL3L4, SymmetricL3L4Udp, NwSrc, NwDst, SymmetricL3]
        .into_iter()
        .find(|f| super::action_print::hash_fields(*f) == text)
}

pub(super) fn parse_bundle(arg: &str, names: &Names, load: bool) -> Result<Bundle, String> {
    let too_few = || format!("{arg}: not enough arguments to bundle action");
    let head_len = if load { 5 } else { 4 };
    let (args, rest) = head_and_rest(arg, head_len).ok_or_else(too_few)?;
    let (delimiter, members) = rest.split_once(':').unwrap_or((rest, ""));
    match delimiter.trim() {
        "" => return Err(too_few()),
        "members" | "slaves" => {}
        _ => return Err(format!("{arg}: missing member delimiter, expected `members', got `{}'", delimiter.trim())),
    }
    let fields = parse_hash_fields(args[0]).ok_or_else(|| format!("{arg}: unknown fields `{}'", args[0]))?;
    let algorithm = match args[2] {
        "active_backup" => BundleAlgorithm::ActiveBackup,
        "hrw" => BundleAlgorithm::Hrw,
        other => return Err(format!("{arg}: unknown algorithm `{other}'")),
    };
    if args[3] != "ofport" {
        return Err(format!("{arg}: unknown member_type `{}'", args[3]));
    }
    let port = |p: &str| names.parse_port(p).ok_or_else(|| format!("{p}: bad port number"));
    let members =
        members.split([',', ' ', '\t', '[', ']']).filter(|m| !m.is_empty()).map(port).collect::<Result<_, _>>()?;
    let dst = if load { Some(subfield(args[4])?) } else { None };
    Ok(Bundle { fields, basis: number(args[1], "basis")?, algorithm, members, dst })
}

/// The first words, separated by commas and blanks, and what follows them.
fn head_and_rest(text: &str, n: usize) -> Option<(Vec<&str>, &str)> {
    let separators = [',', ' ', '\t'];
    let mut rest = text.trim_start_matches(separators);
    let mut head = Vec::with_capacity(n);
    for _ in 0..n {
        let (word, behind) = rest.split_once(separators)?;
        head.push(word);
        rest = behind.trim_start_matches(separators);
    }
    Some((head, rest))
}

pub(super) fn parse_multipath(arg: &str) -> Result<Multipath, String> {
    let args: Vec<&str> = arg.split(',').map(str::trim).collect();
    let [fields, basis, algorithm, links, argument, dst] = args[..] else {
        return Err(format!("{arg}: not enough arguments to multipath action"));
    };
    let fields = parse_hash_fields(fields).ok_or_else(|| format!("{arg}: unknown fields `{fields}'"))?;
    let algorithm = match algorithm {
        "modulo_n" => MultipathAlgorithm::ModuloN,
        "hash_threshold" => MultipathAlgorithm::HashThreshold,
        "hrw" => MultipathAlgorithm::Hrw,
        "iter_hash" => MultipathAlgorithm::IterHash,
        other => return Err(format!("{arg}: unknown algorithm `{other}'")),
    };
    let n_links: u32 = number(links, "n_links")?;
    if !(1..=65536).contains(&n_links) {
        return Err(format!("{arg}: n_links {links} is not in valid range 1 to 65536"));
    }
    let dst = subfield(dst)?;
    if dst.n_bits < 16 && n_links > 1 << dst.n_bits {
        return Err(format!(
            "{arg}: {}-bit destination field has {} possible values, less than specified n_links {n_links}",
            dst.n_bits,
            1u32 << dst.n_bits
        ));
    }
    Ok(Multipath {
        fields,
        basis: number(basis, "basis")?,
        algorithm,
        max_link: (n_links - 1) as u16,
        arg: number(argument, "arg")?,
        dst,
    })
}
