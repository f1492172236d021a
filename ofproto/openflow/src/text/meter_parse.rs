//! Meters from text (ovs-ofctl(8), "Meter Syntax").

use weft_flow::text::number::parse_u64;

use crate::ids::MeterId;
use crate::meter::{BandKind, MeterBand, MeterConfig, MeterFlags, MeterMod, MeterModCommand};

/// Read one meter, or which meter is meant.
///
/// # Errors
/// The text that the tools print.
pub fn parse_meter(text: &str, command: MeterModCommand) -> Result<MeterMod, String> {
    let wants_bands = command != MeterModCommand::Delete;
    let mark = ["bands=", "band="].iter().find_map(|m| text.find(m).map(|at| (at, m.len())));
    let (head, bands) = match mark {
        Some((at, len)) => (&text[..at], Some(&text[at + len..])),
        None => (text, None),
    };
    if wants_bands && bands.is_none() {
        return Err("must specify bands".to_owned());
    }
    let mut id = None;
    let mut flags = MeterFlags::empty();
    for piece in head.split([',', ' ', '\t']).filter(|piece| !piece.is_empty()) {
        match piece {
            "kbps" if wants_bands => flags |= MeterFlags::KBPS,
            "pktps" if wants_bands => flags |= MeterFlags::PKTPS,
            "burst" if wants_bands => flags |= MeterFlags::BURST,
            "stats" if wants_bands => flags |= MeterFlags::STATS,
            _ => {
                let (key, value) = piece.split_once('=').ok_or_else(|| format!("field {piece} missing value"))?;
                if key != "meter" {
                    return Err(format!("unknown keyword {key}"));
                }
                id = Some(match value {
                    "all" if !wants_bands => MeterId::ALL,
                    "controller" => MeterId::CONTROLLER,
                    "slowpath" => MeterId::SLOWPATH,
                    _ => MeterId(
                        number(value)
                            .ok()
                            .filter(|n| (1..=MeterId::MAX.0).contains(n))
                            .ok_or_else(|| format!("invalid value for {key}"))?,
                    ),
                });
            }
        }
    }
    let id = id.ok_or("must specify 'meter'")?;
    if wants_bands && flags.contains(MeterFlags::KBPS) == flags.contains(MeterFlags::PKTPS) {
        return Err("meter must specify either 'kbps' or 'pktps'".to_owned());
    }
    let bands = match bands {
        Some(text) => parse_bands(text)?,
        None => Vec::new(),
    };
    Ok(MeterMod { command, meter: MeterConfig { id, flags, bands } })
}

/// Each `type=` begins a band.
fn parse_bands(text: &str) -> Result<Vec<MeterBand>, String> {
    let mut bands: Vec<(BandKind, Option<u32>, u32)> = Vec::new();
    for piece in text.split([',', ' ', '\t']).filter(|piece| !piece.is_empty()) {
        let (key, value) = piece.split_once('=').ok_or_else(|| format!("field {piece} missing value"))?;
        if key == "type" {
            let kind = match value {
                "drop" => BandKind::Drop,
                "dscp_remark" => BandKind::DscpRemark { prec_level: 0 },
                _ => return Err(format!("field type unknown value {value}")),
            };
            bands.push((kind, None, 0));
            continue;
        }
        let (kind, rate, burst) = bands.last_mut().ok_or("missing band 'type'")?;
        match (key, kind) {
            ("rate", _) => *rate = Some(number(value)?),
            ("burst_size", _) => *burst = number(value)?,
            ("prec_level", BandKind::DscpRemark { prec_level }) => {
                *prec_level = u8::try_from(number(value)?).map_err(|_| format!("invalid prec_level \"{value}\""))?;
            }
            _ => return Err(format!("unknown keyword {key}")),
        }
    }
    let band = |(kind, rate, burst): (BandKind, Option<u32>, u32)| match rate {
        Some(rate) => Ok(MeterBand { kind, rate, burst }),
        None => Err("band must have 'rate'".to_owned()),
    };
    bands.into_iter().map(band).collect()
}

fn number(text: &str) -> Result<u32, String> {
    parse_u64(text).and_then(|n| u32::try_from(n).ok()).ok_or_else(|| format!("invalid integer value \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(text: &str) -> Result<MeterMod, String> {
        parse_meter(text, MeterModCommand::Add)
    }

    #[test]
    fn meters_as_the_manual_writes_them() {
        let m =
            meter("meter=1,kbps,burst,stats,bands=type=drop,rate=5,burst_size=6,type=dscp_remark,rate=7,prec_level=2")
                .unwrap()
                .meter;
        assert_eq!((m.id, m.flags.bits(), m.bands.len()), (MeterId(1), 0xd, 2));
        assert_eq!(m.bands[1].kind, BandKind::DscpRemark { prec_level: 2 });
    }

    #[test]
    fn errors_in_the_tools_words() {
        for (text, error) in [
            ("meter=2,band=type=drop,rate=7", "meter must specify either 'kbps' or 'pktps'"),
            ("meter=3,kbps", "must specify bands"),
            ("meter=0,kbps,bands=type=drop,rate=5", "invalid value for meter"),
            ("kbps,band=type=drop,rate=2", "must specify 'meter'"),
            ("meter=4,foo,bands=type=drop,rate=5", "field foo missing value"),
            ("meter=5,kbps,bands=type=foo,rate=5", "field type unknown value foo"),
            ("meter=5,kbps,bands=type=drop", "band must have 'rate'"),
        ] {
            assert_eq!(meter(text).unwrap_err(), error);
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused() {
        bolero::check!().with_type::<String>().for_each(|text| drop(meter(text)));
    }
}
