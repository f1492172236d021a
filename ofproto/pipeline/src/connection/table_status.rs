//! Vacancy events: a table that fills up, or has room again, is told to peers that ask (OpenFlow 1.4 §7.4.5).

use weft_openflow::table::{TableDesc, TableStatus, Vacancy};
use weft_openflow::{Message, TableId};

use super::stats::percent_free;
use crate::flow_mod::Change;
use crate::flow_table::FlowTable;
use crate::pipeline::{Control, Pipeline};
use crate::tables::BridgeId;

/// OFPTR_VACANCY_DOWN
const DOWN: u8 = 3;
/// OFPTR_VACANCY_UP
const UP: u8 = 4;

impl Pipeline {
    /// Flows came or went: whether a threshold was passed.
    pub(crate) fn vacancy_events(&self, control: &mut Control, bridge: BridgeId, changes: &[Change]) {
        let watching = |tables: &crate::tables::Tables| {
            tables.bridge(bridge).is_some_and(|b| b.flows.all().iter().any(|t| t.vacancy.enabled))
        };
        if !watching(&self.read()) {
            return;
        }
        let mut touched: Vec<TableId> = changes.iter().filter_map(|change| Some(change.rule()?.table)).collect();
        touched.sort();
        touched.dedup();
        for id in touched {
            let message = {
                let mut tables = self.write();
                let Some(table) = tables.bridge_mut(bridge).and_then(|b| b.flows.table_mut(id)) else { continue };
                let Some(reason) = passed(table) else { continue };
                Message::TableStatus(TableStatus { reason, desc: desc(table) })
            };
            self.tell(control, bridge, &message, |c| c.wants_table_status(message_reason(&message)));
        }
    }
}

/// Whether the table has just passed the threshold that it waits for.
fn passed(table: &mut FlowTable) -> Option<u8> {
    let now = percent_free(table);
    let reason = match table.is_short {
        _ if !table.vacancy.enabled => return None,
        false if now < table.vacancy.down => DOWN,
        true if now > table.vacancy.up => UP,
        _ => return None,
    };
    table.is_short = reason == DOWN;
    Some(reason)
}

fn message_reason(message: &Message) -> u8 {
    match message {
        Message::TableStatus(status) => status.reason,
        _ => 0,
    }
}

/// How a table is configured.
pub(super) fn desc(table: &FlowTable) -> TableDesc {
    TableDesc {
        table: table.id,
        eviction: table.eviction,
        eviction_flags: 0b111,
        vacancy: Vacancy { current: percent_free(table), ..table.vacancy },
    }
}
