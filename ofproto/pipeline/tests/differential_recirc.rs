//! Recirculation, MPLS, conntrack, NSH and packet types: our `ofproto/trace` beside that of the real ovs-vswitchd.

mod real;

use real::{Pair, check};
use weft_pipeline::BundleSettings;

fn pair() -> Option<Pair> {
    let pair = Pair::start()?;
    pair.bridge("br0", true, 100);
    for i in 1..=4 {
        pair.port("br0", i, BundleSettings::trunk(&format!("p{i}")), &[]);
    }
    Some(pair)
}

#[test]
fn stopping_halfway_traces_alike() {
    let Some(pair) = pair() else { return };
    pair.flows(
        "br0",
        &[
            "table=0,cookie=0x5,in_port=1,actions=set_field:1->reg0,push:NXM_NX_REG0[],resubmit(,1),set_field:7->reg2,output:3",
            "table=1,cookie=0x6,actions=set_field:2->reg1,resubmit(,2),output:4",
            "table=2,cookie=0x7,reg0=1,actions=mod_dl_src:00:00:00:00:00:01,debug_recirc,pop:NXM_NX_REG5[],output:2,resubmit(,3)",
            "table=0,in_port=2,actions=debug_slow,3",
        ],
    );
    check(&pair, &[vec!["br0", "in_port=1,ip"], vec!["br0", "in_port=2,ip"], vec!["br0", "in_port=2"]]);
}
