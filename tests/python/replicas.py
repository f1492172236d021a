"""Two replicas of Open vSwitch's Python IDL, one of them conditional, and a schema with an index and strong references.

Usage: replicas.py REMOTE SCHEMA-FILE. Prints "ok replicas"; any surprise is an exception.
"""
import sys
import ovs.db.idl, ovs.poller

def replica(conditions=None):
    helper = ovs.db.idl.SchemaHelper(sys.argv[2])
    helper.register_all()
    idl = ovs.db.idl.Idl(sys.argv[1], helper)
    for table, condition in (conditions or {}).items():
        idl.cond_change(table, condition)
    return idl

def until(idls, done):
    for _ in range(10000):
        for idl in idls:
            idl.run()
        if done():
            return
        poller = ovs.poller.Poller()
        for idl in idls:
            idl.wait(poller)
        poller.timer_wait(1000)
        poller.block()
    raise Exception("it never happened")

def commit(idl, txn):
    status = txn.commit_block()
    assert status == ovs.db.idl.Transaction.SUCCESS, (status, txn.get_error())

all, some = replica(), replica({"T": [["n", "==", 2]]})
until([all, some], lambda: all.has_ever_connected() and some.has_ever_connected())
txn = ovs.db.idl.Transaction(all)
for n in (1, 2):
    child = txn.insert(all.tables["C"])
    child.s = ["a%d" % n, "b"]
    row = txn.insert(all.tables["T"])
    row.n, row.m, row.c = n, {"k": "v"}, [child]
txn.add_comment("from python")
commit(all, txn)
numbers = lambda idl: sorted(row.n for row in idl.tables["T"].rows.values())
until([all, some], lambda: numbers(all) == [1, 2] and numbers(some) == [2])
row = [row for row in all.tables["T"].rows.values() if row.n == 2][0]
assert row.c[0].s == ["a2", "b"], row.c[0].s
txn = ovs.db.idl.Transaction(all)
row.verify("m")
row.setkey("m", "k", "w")
child = txn.insert(all.tables["C"])
child.s = ["c"]
row.c = row.c + [child]
commit(all, txn)
until([all, some], lambda: [r.m["k"] for r in some.tables["T"].rows.values()] == ["w"])
some.cond_change("T", [["n", "==", 1]])
until([all, some], lambda: numbers(some) == [1])
txn = ovs.db.idl.Transaction(all)
again = txn.insert(all.tables["T"])
again.n = 1
assert txn.commit_block() == ovs.db.idl.Transaction.ERROR
txn.abort()
txn = ovs.db.idl.Transaction(all)
row.delete()
commit(all, txn)
until([all, some], lambda: numbers(all) == [1] and len(all.tables["C"].rows) == 1)
some.set_lock("l")
until([some], lambda: some.has_lock)
print("ok replicas")
