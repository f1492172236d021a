//! What: how many flows a bridge has, for `vsctl plan`: what there is to lose.

use super::peer::Peer;
use crate::connect::block_on;
use std::path::Path;
use std::time::Duration;
use weft_openflow::flow::FlowStatsRequest;
use weft_openflow::message::{StatsReply, StatsRequest};
use weft_openflow::{Message, Version};

/// The flows of the bridge that listens at `socket`, if it is the one with this datapath id and answers in time.
pub fn flows(socket: &Path, datapath_id: u64) -> Option<u64> {
    let ask = async {
        let versions = Version::ALL.iter().fold(0, |bits, version| bits | version.bit());
        let mut peer = Peer::at(socket, versions).await.ok()?;
        let Ok(Message::FeaturesReply(features)) = peer.ask_for(&Message::FeaturesRequest).await else { return None };
        if features.datapath_id != datapath_id {
            return None;
        }
        let request = Message::StatsRequest(StatsRequest::Aggregate(FlowStatsRequest::default()));
        match peer.ask_for(&request).await {
            Ok(Message::StatsReply { body: StatsReply::Aggregate(sum), .. }) => Some(u64::from(sum.flow_count)),
            _ => None,
        }
    };
    // The caller may be inside a runtime already, and waits either way.
    let limited = || block_on(async { tokio::time::timeout(PATIENCE, ask).await.ok().flatten() });
    std::thread::scope(|scope| scope.spawn(limited).join().ok().flatten())
}

/// A bridge that does not answer by then is not asked again.
const PATIENCE: Duration = Duration::from_secs(2);
