//! Queries and commands as text, as OVS's `ovs-appctl` users know them.
//!
//! [`COMMANDS`] lists them with their usage and numbers of arguments; [`Pipeline::command`] runs one by name. The daemon
//! registers them all in one loop.

mod explain;
mod fdb;
mod show;
mod trace;

pub(crate) use show::port_names;

use weft_base::Time;

use crate::pipeline::Pipeline;

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as `list-commands` shows them.
    pub usage: &'static str,
    /// How few arguments it takes.
    pub min: usize,
    /// How many arguments it takes.
    pub max: usize,
}

const fn command(name: &'static str, usage: &'static str, min: usize, max: usize) -> Command {
    Command { name, usage, min, max }
}

/// All commands of this room.
pub const COMMANDS: &[Command] = &[
    command("bfd/set-forwarding", "[interface] normal|false|true", 1, 2),
    command("bfd/show", "[interface]", 0, 1),
    command("bridge/dump-flows", "[--offload-stats] bridge", 1, 2),
    command("cfm/set-fault", "[interface] normal|false|true", 1, 2),
    command("cfm/show", "[interface]", 0, 1),
    command("dpif/dump-dps", "", 0, 0),
    command("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, 4),
    command("dpif/set-dp-features", "bridge", 1, 3),
    command("dpif/show", "", 0, 0),
    command("dpif/show-dp-features", "bridge", 1, 1),
    command("explain", "[--json] {bridge {flow | [flow] packet} | last-drop port}", 2, 4),
    command("fdb/add", "bridge port vlan mac", 4, 4),
    command("fdb/del", "bridge vlan mac", 3, 3),
    command("fdb/flush", "[bridge]", 0, 1),
    command("fdb/show", "bridge", 1, 1),
    command("fdb/stats-clear", "[bridge]", 0, 1),
    command("fdb/stats-show", "bridge", 1, 1),
    command("drop/show", "", 0, 0),
    command("ofproto/list", "", 0, 0),
    command("ofproto/list-tunnels", "", 0, 0),
    command("ofproto/trace", "{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]", 1, usize::MAX),
    command(
        "ofproto/trace-packet-out",
        "[-consistent] {[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet] actions",
        2,
        usize::MAX,
    ),
    command("ovs/route/add", "ip_addr/prefix_len out_br_name [gw] [pkt_mark=mark]", 2, 4),
    command("ovs/route/del", "ip_addr/prefix_len [pkt_mark=mark]", 1, 2),
    command("ovs/route/lookup", "ip_addr [pkt_mark=mark]", 1, 2),
    command("ovs/route/show", "", 0, 0),
    command("revalidator/pause", "", 0, 0),
    command("revalidator/purge", "", 0, 0),
    command("revalidator/resume", "", 0, 0),
    command("revalidator/wait", "", 0, 0),
    command("tnl/arp/aging", "[SECS]", 0, 1),
    command("tnl/arp/flush", "", 0, 0),
    command("tnl/arp/set", "BRIDGE IP MAC", 3, 3),
    command("tnl/arp/show", "", 0, 0),
    command("tnl/egress_port_range", "min max", 0, 2),
    command("tnl/neigh/aging", "[SECS]", 0, 1),
    command("tnl/neigh/flush", "", 0, 0),
    command("tnl/neigh/set", "BRIDGE IP MAC", 3, 3),
    command("tnl/neigh/show", "", 0, 0),
    command("tnl/ports/show", "-v", 0, 1),
    command("upcall/disable-megaflows", "", 0, 0),
    command("upcall/disable-ufid", "", 0, 0),
    command("upcall/enable-megaflows", "", 0, 0),
    command("upcall/enable-ufid", "", 0, 0),
    command("upcall/set-flow-limit", "flow-limit-number", 1, 1),
    command("upcall/show", "", 0, 0),
];

impl Pipeline {
    /// Run a command of [`COMMANDS`]; the number of arguments has been checked. The error's text goes to the user.
    ///
    /// # Errors
    /// What the command has to say about its arguments.
    pub fn command(&self, name: &str, args: &[&str], now: Time) -> Result<String, String> {
        let arg = |i: usize| args.get(i).copied().unwrap_or_default();
        match name {
            "bfd/set-forwarding" => self.set_forwarding(args, now),
            "bfd/show" => self.bfd_show(args.first().copied(), now),
            "bridge/dump-flows" => self.bridge_dump_flows(args, now),
            "cfm/set-fault" => self.set_fault(args),
            "cfm/show" => self.cfm_show(args.first().copied(), now),
            "dpif/dump-dps" => Ok(self.dpif_dump()),
            "dpif/dump-flows" => self.dump_megaflows(args, now),
            "dpif/set-dp-features" => self.set_dp_features(args),
            "dpif/show" => Ok(self.dpif_show()),
            "dpif/show-dp-features" => self.show_dp_features(arg(0)),
            "explain" => self.explain(args, now),
            "fdb/add" => self.fdb_add(arg(0), arg(1), arg(2), arg(3), now),
            "fdb/del" => self.fdb_del(arg(0), arg(1), arg(2)),
            "fdb/flush" => self.fdb_flush(args.first().copied()),
            "fdb/show" => self.fdb_show(arg(0), now),
            "fdb/stats-clear" => self.fdb_stats_clear(args.first().copied()),
            "fdb/stats-show" => self.fdb_stats_show(arg(0)),
            "drop/show" => Ok(self.drop_show()),
            "ofproto/list" => Ok(self.ofproto_list()),
            "ofproto/list-tunnels" => Ok(self.list_tunnels()),
            "ovs/route/add" => self.add_route(args),
            "ovs/route/del" => self.del_route(args),
            "ovs/route/lookup" => self.lookup_route(args),
            "ovs/route/show" => Ok(self.show_routes()),
            "tnl/arp/aging" | "tnl/neigh/aging" => self.neighbour_aging(args.first().copied(), now),
            "tnl/arp/flush" | "tnl/neigh/flush" => Ok(self.flush_neighbours()),
            "tnl/arp/set" | "tnl/neigh/set" => self.set_neighbour(arg(0), arg(1), arg(2), now),
            "tnl/arp/show" | "tnl/neigh/show" => Ok(self.show_neighbours()),
            "tnl/egress_port_range" => Ok(self.source_port_range(args)),
            "tnl/ports/show" => Ok(self.show_tunnel_ports(arg(0) == "-v")),
            "ofproto/trace" => self.trace(args, false, now),
            "ofproto/trace-packet-out" => self.trace(args, true, now),
            "revalidator/pause" | "revalidator/resume" => {
                self.control().revalidator.paused = name.ends_with("pause");
                Ok(String::new())
            }
            "revalidator/purge" => {
                self.purge();
                Ok(String::new())
            }
            "revalidator/wait" => {
                self.wait(now);
                Ok(String::new())
            }
            "upcall/disable-megaflows" => {
                self.disable_megaflows(true);
                self.purge();
                Ok("megaflows disabled\n".into())
            }
            "upcall/enable-megaflows" => {
                self.disable_megaflows(false);
                self.purge();
                Ok("megaflows enabled\n".into())
            }
            "upcall/disable-ufid" => {
                self.control().revalidator.dumps_whole_flows = true;
                Ok("Datapath dumping tersely using UFID disabled\n".into())
            }
            "upcall/enable-ufid" => {
                self.control().revalidator.dumps_whole_flows = false;
                Ok("Datapath dumping tersely using UFID enabled for supported datapaths\n".into())
            }
            "upcall/set-flow-limit" => Ok(self.set_flow_limit_by_hand(arg(0))),
            "upcall/show" => Ok(self.upcall_show()),
            other => Err(format!("\"{other}\" is not a command of the pipeline")),
        }
    }

    /// Wait until what was under way has taken effect: queued frames, learning, changed verdicts.
    fn wait(&self, now: Time) {
        if let Some(datapath) = self.datapath() {
            datapath.settle();
        }
        self.revalidate(now);
        if self.is_dirty() {
            self.revalidate(now);
        }
    }
}
