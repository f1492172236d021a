//! `watch:[spec...]`: which changes of flows a monitor reports (ovs-ofctl(8), `monitor`).

use weft_flow::Match;
use weft_flow::OfPort;
use weft_flow::text::number::parse_u64;
use weft_flow::text::{normalize, parse_match_key};
use weft_openflow::monitor::{FlowMonitorCommand, FlowMonitorFlags, FlowMonitorRequest};
use weft_openflow::text::Names;
use weft_openflow::text::words::Words;
use weft_openflow::{GroupId, TableId};

/// Read one specification.
pub fn parse(text: &str, id: u32, names: &Names) -> Result<FlowMonitorRequest, String> {
    use FlowMonitorFlags as F;
    let mut request = FlowMonitorRequest {
        id,
        command: FlowMonitorCommand::Add,
        flags: F::INITIAL | F::ADD | F::REMOVED | F::MODIFY | F::INSTRUCTIONS | F::ONLY_OWN,
        out_port: OfPort::NONE,
        out_group: GroupId::ANY,
        table: TableId::ALL,
        matching: Match::any(),
    };
    let switches = [
        ("!initial", F::INITIAL),
        ("!add", F::ADD),
        ("!delete", F::REMOVED),
        ("!modify", F::MODIFY),
        ("!actions", F::INSTRUCTIONS),
        ("!own", F::ONLY_OWN),
    ];
    for word in Words::of(text) {
        if let Some((_, flag)) = switches.iter().find(|(name, _)| *name == word.key) {
            request.flags -= *flag;
            continue;
        }
        let value = || word.value.ok_or_else(|| format!("{}: field {} missing value", text, word.key));
        match word.key {
            "table" => {
                let text = value()?;
                request.table = names.parse_table(text).ok_or_else(|| format!("unknown table \"{text}\""))?;
            }
            "out_port" => {
                let text = value()?;
                request.out_port =
                    names.ports.parse(text).ok_or_else(|| format!("{text} is not a valid OpenFlow port"))?;
            }
            "out_group" => {
                let text = value()?;
                let id = parse_u64(text).and_then(|n| u32::try_from(n).ok());
                request.out_group = GroupId(id.ok_or_else(|| format!("invalid group \"{text}\""))?);
            }
            key => {
                if !parse_match_key(&mut request.matching, key, word.value, &names.ports)? {
                    return Err(match word.text() {
                        "" => format!("{text}: field {key} missing value"),
                        _ => format!("{text}: unknown keyword {key}"),
                    });
                }
            }
        }
    }
    normalize(&mut request.matching);
    Ok(request)
}
