#!/usr/bin/env python3
"""What changes of flows cost the traffic: how fast one changed flow shows, and what is lost while many are loaded.

Usage: flow_change.py BIN [--flows 100000] [--others 10000] [--changes 300] [--load 1000000] [--rate 4000]

BIN holds ovs-vswitchd, ovsdb-server, ovs-vsctl, ovs-ofctl, ovs-appctl and ovsdb-tool (`cargo xtask dist`, or /usr/bin
beside /usr/sbin of Open vSwitch with --sbin and --vswitchd). Needs root: it makes one network namespace and veth pairs.

One flow: among --flows exact 5-tuples one has traffic at --rate; --others more have a megaflow each. Its output moves
between two ports, --changes times; the time runs from before the flow mod to the first frame at the new port. Afterwards
the others' megaflows must all be there still (no further misses).
Loading: traffic of an established flow goes on at --rate while `add-flows` loads --load flows, without and with --bundle;
frames that did not arrive are lost.
"""
import argparse
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

NS = os.environ.get("FLOW_CHANGE_NS") or f"tables{os.getpid()}"


SO_RCVBUFFORCE = 33


def frame(n, seq=0):
    """A UDP frame of flow number n; the payload begins with a sequence number."""
    src, dst = 0x0A000000 | n & 0xFFFF, 0x0B000000 | n >> 16
    udp = struct.pack(">HHHH", 1024 + n % 60000, 53, 8 + 18, 0) + struct.pack(">Q", seq) + bytes(10)
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, src, dst)
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + ip[12:]
    return bytes.fromhex("020000000002 020000000001 0800".replace(" ", "")) + ip + udp


def match(n):
    dotted = lambda ip: ".".join(str(b) for b in ip.to_bytes(4, "big"))
    return (f"udp,nw_src={dotted(0x0A000000 | n & 0xFFFF)},nw_dst={dotted(0x0B000000 | n >> 16)},"
            f"tp_src={1024 + n % 60000},tp_dst=53")


def sh(*command, **kw):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **kw).stdout


class Switch:
    def __init__(self, args):
        self.dir = tempfile.mkdtemp(prefix=NS)
        self.env = dict(os.environ, **{f"OVS_{kind}": self.dir for kind in ("RUNDIR", "DBDIR", "LOGDIR", "SYSCONFDIR")})
        self.bin, d = args.bin, self.dir
        sbin, vswitchd = args.sbin or args.bin, args.vswitchd or f"{args.bin}/ovs-vswitchd"
        self.daemons = []
        try:
            self.start(sbin, vswitchd)
        except BaseException:
            self.stop()
            raise

    def start(self, sbin, vswitchd):
        d = self.dir
        self.run(f"{self.bin}/ovsdb-tool", "create", f"{d}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env)
        self.daemons.append(subprocess.Popen([f"{sbin}/ovsdb-server", f"{d}/conf.db", f"--remote=punix:{d}/db.sock",
                                              f"--unixctl={d}/db.ctl"], **quiet))
        self.wait(f"{d}/db.sock")
        self.vsctl("--no-wait", "init")
        self.daemons.append(subprocess.Popen([vswitchd, f"unix:{d}/db.sock", f"--unixctl={d}/v.ctl"], **quiet))
        self.wait(f"{d}/v.ctl")
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure")
        for number, name in enumerate(("a", "b", "c"), 1):
            self.vsctl("add-port", "br0", f"sw_{name}", "--", "set", "interface", f"sw_{name}", f"ofport_request={number}")

    def wait(self, path):
        for _ in range(300):
            if os.path.exists(path):
                return
            time.sleep(0.05)
        raise RuntimeError(f"no {path}")

    def run(self, *command):
        return sh(*command, env=self.env)

    def vsctl(self, *words):
        return self.run(f"{self.bin}/ovs-vsctl", f"--db=unix:{self.dir}/db.sock", *words)

    def ofctl(self, *words):
        return self.run(f"{self.bin}/ovs-ofctl", *words)

    def appctl(self, *words):
        return self.run(f"{self.bin}/ovs-appctl", "-t", f"{self.dir}/v.ctl", *words)

    def misses(self):
        """Frames that no megaflow knew."""
        text = self.appctl("dpctl/show")
        return int(text.split("missed:")[1].split()[0])

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class OpenFlow:
    """A controller of OpenFlow 1.3 that only changes outputs."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(struct.pack(">BBHI", 4, 0, 8, 1))
        self.read()

    def read(self):
        head = self.socket.recv(8, socket.MSG_WAITALL)
        _, kind, length, _ = struct.unpack(">BBHI", head)
        if length > 8:
            self.socket.recv(length - 8, socket.MSG_WAITALL)
        return kind

    def output(self, n, port):
        """Sends the flow mod, and a barrier that nobody waits for here."""
        src, dst = 0x0A000000 | n & 0xFFFF, 0x0B000000 | n >> 16
        oxm = (struct.pack(">IH", 0x80000A02, 0x0800) + struct.pack(">IB", 0x80001401, 17) + struct.pack(">II", 0x80001604, src)
               + struct.pack(">II", 0x80001804, dst) + struct.pack(">IH", 0x80001E02, 1024 + n % 60000)
               + struct.pack(">IH", 0x80002002, 53))
        matching = struct.pack(">HH", 1, 4 + len(oxm)) + oxm
        matching += bytes(-len(matching) % 8)
        actions = struct.pack(">HHIHHI", 0, 16, port, 0, 0, 0)
        body = (struct.pack(">QQBBHHHIIIHH", 0, 0, 0, 2, 0, 0, 100, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0) + matching
                + struct.pack(">HHI", 4, 8 + len(actions), 0) + actions)
        self.socket.sendall(struct.pack(">BBHI", 4, 14, 8 + len(body), 2) + body + struct.pack(">BBHI", 4, 20, 8, 3))

    def settle(self):
        while self.read() != 21:
            pass


def packet_socket(name):
    """A packet socket on a device of this namespace."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    s.bind((name, 0))
    s.setblocking(False)
    return s


class Sender(threading.Thread):
    """Frames of one flow at a rate."""

    def __init__(self, s, n, rate):
        super().__init__(daemon=True)
        self.socket, self.n, self.rate, self.sent, self.going = s, n, rate, 0, True

    def run(self):
        head, next_at = frame(self.n)[:42], time.monotonic()
        while self.going:
            try:
                self.socket.send(head + struct.pack(">Q", self.sent) + bytes(10))
                self.sent += 1
            except BlockingIOError:
                pass
            next_at += 1 / self.rate
            wait = next_at - time.monotonic()
            if wait > 0:
                time.sleep(wait)


def drain(s):
    got = []
    while True:
        try:
            data = s.recv(2048)
        except BlockingIOError:
            return got
        if data[12:14] == b"\x08\x00" and data[23] == 17:
            got.append(struct.unpack(">Q", data[42:50])[0])


def one_flow(switch, a, b, c, args):
    with tempfile.NamedTemporaryFile("w", suffix=".flows") as f:
        f.writelines(f"priority=100,{match(n)},actions=output:2\n" for n in range(args.flows))
        f.flush()
        switch.ofctl("del-flows", "br0")
        switch.ofctl("add-flows", "br0", f.name)
    switch.appctl("upcall/set-flow-limit", "300000")
    for n in range(args.others):
        a.send(frame(n))
        if n % 64 == 0:
            time.sleep(0.004)
    hot = args.flows - 1
    sender = Sender(a, hot, args.rate)
    sender.start()
    time.sleep(1)
    control = OpenFlow(f"{switch.dir}/br0.mgmt")
    before, took = switch.misses(), []
    for change in range(args.changes):
        new, port = (c, 3) if change % 2 == 0 else (b, 2)
        drain(b), drain(c)
        t = time.monotonic()
        control.output(hot, port)
        while not drain(new):
            select.select([new], [], [], 1)
            if time.monotonic() - t > 5:
                raise RuntimeError("the change never showed")
        took.append((time.monotonic() - t) * 1e3)
        control.settle()
        time.sleep(random.uniform(0.02, 0.06))
    sender.going = False
    sender.join()
    after = switch.misses()
    took.sort()
    print(f"one flow among {args.flows}, {args.others} megaflows: p50 {took[len(took) // 2]:.2f} ms, "
          f"p99 {took[int(len(took) * 0.99)]:.2f} ms, worst {took[-1]:.2f} ms; further misses {after - before}")


def loading(switch, a, b, args):
    with tempfile.NamedTemporaryFile("w", suffix=".flows") as f:
        f.writelines(f"table=0,priority=50,{match(1 << 20 | n)},actions=output:3\n" for n in range(args.load))
        f.flush()
        for bundle in ((), ("--bundle",)):
            switch.ofctl("del-flows", "br0")
            switch.ofctl("add-flow", "br0", f"priority=100,{match(7)},actions=output:2")
            time.sleep(0.5)
            drain(b)
            sender = Sender(a, 7, args.rate)
            sender.start()
            time.sleep(0.5)
            got = len(drain(b))
            loader = subprocess.Popen([f"{switch.bin}/ovs-ofctl", *bundle, "add-flows", "br0", f.name], env=switch.env)
            start = time.monotonic()
            while loader.poll() is None:
                got += len(drain(b))
                time.sleep(0.005)
            took = time.monotonic() - start
            time.sleep(0.5)
            sender.going = False
            sender.join()
            time.sleep(0.5)
            got += len(drain(b))
            lost = sender.sent - got
            print(f"loading {args.load} flows{' in a bundle' if bundle else ''}: {took:.1f} s, {sender.sent} frames sent, "
                  f"{lost} lost ({100 * lost / sender.sent:.3f} %)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--sbin")
    parser.add_argument("--vswitchd")
    parser.add_argument("--flows", type=int, default=100000)
    parser.add_argument("--others", type=int, default=10000)
    parser.add_argument("--changes", type=int, default=300)
    parser.add_argument("--load", type=int, default=1000000)
    parser.add_argument("--rate", type=int, default=4000)
    args = parser.parse_args()
    if "FLOW_CHANGE_NS" not in os.environ:
        # again, inside a namespace of its own
        sh("ip", "netns", "add", NS)
        inside = None
        try:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
            inside = subprocess.Popen(["ip", "netns", "exec", NS, sys.executable, *sys.argv],
                                      env=dict(os.environ, FLOW_CHANGE_NS=NS))
            sys.exit(inside.wait())
        finally:
            if inside and inside.poll() is None:
                inside.terminate()
                inside.wait()
            sh("ip", "netns", "del", NS)
    switch = None
    # whoever stops us from outside (a timeout) must not leave daemons behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for name in "abc":
            sh("ip", "link", "add", f"fc_{name}", "type", "veth", "peer", "name", f"sw_{name}")
            for end in ("fc", "sw"):
                sh("sysctl", "-qw", f"net.ipv6.conf.{end}_{name}.disable_ipv6=1")
                sh("ip", "link", "set", f"{end}_{name}", "up")
        switch = Switch(args)
        a, b, c = (packet_socket(f"fc_{name}") for name in "abc")
        if args.changes:
            one_flow(switch, a, b, c, args)
        if args.load:
            loading(switch, a, b, args)
    finally:
        if switch:
            switch.stop()


if __name__ == "__main__":
    main()
