"""Open vSwitch's own Python IDL against a server: replica, transactions, conditions, locks, reconnects.

Usage: idl.py REMOTE SCHEMA-FILE. Prints one line per thing that worked; any surprise is an exception.
"""
import sys
import time
import uuid

import ovs.db.idl
import ovs.poller


def wait_until(idl, what, condition):
    deadline = time.time() + 20
    while not condition():
        if time.time() > deadline:
            raise AssertionError("no %s within 20 s" % what)
        idl.run()
        if condition():
            break
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.timer_wait(200)
        poller.block()
    print("ok", what)


def commit(idl, txn):
    status = txn.commit_block()
    assert status == ovs.db.idl.Transaction.SUCCESS, (status, txn.get_error())


def rows(idl, table):
    return idl.tables[table].rows.values()


def named(idl, table, name):
    return [row for row in rows(idl, table) if row.name == name]


def replica(remote, schema):
    helper = ovs.db.idl.SchemaHelper(schema)
    helper.register_all()
    return ovs.db.idl.Idl(remote, helper)


def main(remote, schema):
    idl = replica(remote, schema)
    other = replica(remote, schema)
    wait_until(idl, "first contents", lambda: idl.change_seqno > 0 and len(rows(idl, "Open_vSwitch")) == 1)
    root = next(iter(rows(idl, "Open_vSwitch")))

    # A bridge with a port, as a controller's agent makes one.
    txn = ovs.db.idl.Transaction(idl)
    txn.add_comment("python idl")
    bridge = txn.insert(idl.tables["Bridge"])
    bridge.name = "br-idl"
    port = txn.insert(idl.tables["Port"])
    port.name = "p-idl"
    interface = txn.insert(idl.tables["Interface"])
    interface.name = "p-idl"
    interface.type = "internal"
    port.interfaces = [interface]
    bridge.ports = [port]
    bridge.external_ids = {"owner": "idl"}
    root.verify("bridges")
    root.bridges = list(root.bridges) + [bridge]
    commit(idl, txn)
    new = txn.get_insert_uuid(bridge.uuid)
    assert isinstance(new, uuid.UUID), new
    wait_until(idl, "inserted rows", lambda: len(named(idl, "Bridge", "br-idl")) == 1)
    bridge = named(idl, "Bridge", "br-idl")[0]
    assert bridge.uuid == new and bridge.ports[0].interfaces[0].type == "internal"

    # Partial changes of maps and sets; a counter.
    txn = ovs.db.idl.Transaction(idl)
    bridge.setkey("external_ids", "second", "2")
    bridge.delkey("external_ids", "owner")
    bridge.addvalue("flood_vlans", 7)
    root.increment("next_cfg")
    commit(idl, txn)
    assert txn.get_increment_new_value() == 1, txn.get_increment_new_value()
    wait_until(idl, "mutations", lambda: bridge.external_ids == {"second": "2"} and bridge.flood_vlans == [7])

    # Another client changes something: it is heard of, and a stale verify makes us try again.
    wait_until(other, "other client", lambda: len(named(other, "Bridge", "br-idl")) == 1)
    txn = ovs.db.idl.Transaction(other)
    named(other, "Bridge", "br-idl")[0].fail_mode = ["secure"]
    commit(other, txn)
    txn = ovs.db.idl.Transaction(idl)
    bridge.verify("fail_mode")
    bridge.stp_enable = True
    status = txn.commit_block()
    assert status == ovs.db.idl.Transaction.TRY_AGAIN, status
    wait_until(idl, "other's change", lambda: bridge.fail_mode == ["secure"])

    # The server's refusals arrive as errors.
    txn = ovs.db.idl.Transaction(idl)
    twin = txn.insert(idl.tables["Manager"])
    twin.target = "ptcp:1"
    again = txn.insert(idl.tables["Manager"])
    again.target = "ptcp:1"
    root.manager_options = [twin, again]
    assert txn.commit_block() == ovs.db.idl.Transaction.ERROR and "constraint violation" in txn.get_error()
    print("ok refusal")

    # Only what a condition chooses.
    few = replica(remote, schema)
    few.cond_change("Bridge", [["name", "==", "br-none"]])
    wait_until(few, "conditional contents", lambda: few.change_seqno > 0 and len(rows(few, "Open_vSwitch")) == 1)
    assert len(rows(few, "Bridge")) == 0
    few.cond_change("Bridge", [["name", "==", "br-idl"]])
    wait_until(few, "changed condition", lambda: len(rows(few, "Bridge")) == 1)

    # A lock, which the second in the queue inherits.
    first, second = replica(remote, schema), replica(remote, schema)
    first.set_lock("idl_lock")
    wait_until(first, "lock", lambda: first.has_lock)
    second.set_lock("idl_lock")
    wait_until(second, "contended lock", lambda: second.is_lock_contended)
    first.close()
    wait_until(second, "inherited lock", lambda: second.has_lock)
    second.close()

    # A broken connection is made again and misses nothing.
    idl.force_reconnect()
    txn = ovs.db.idl.Transaction(other)
    named(other, "Bridge", "br-idl")[0].datapath_type = "netdev"
    commit(other, txn)
    wait_until(idl, "reconnect", lambda: named(idl, "Bridge", "br-idl")[0].datapath_type == "netdev")

    txn = ovs.db.idl.Transaction(other)
    mine = next(iter(rows(other, "Open_vSwitch")))
    mine.bridges = []
    commit(other, txn)
    wait_until(idl, "garbage collected", lambda: not rows(idl, "Bridge") and not rows(idl, "Interface"))


main(sys.argv[1], sys.argv[2])
