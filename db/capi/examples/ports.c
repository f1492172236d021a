/* Adds a bridge with a port, follows what changes, and takes the bridge away again.
 *
 * cc -o ports ports.c -I ../include -L ../../../target/debug -lweftdb && ./ports unix:/run/openvswitch/db.sock */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "weftdb.h"

static void check(int good, weftdb *db, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s: %s\n", what, weftdb_error(db));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    weftdb *db = weftdb_open(argc > 1 ? argv[1] : "unix:/run/openvswitch/db.sock", "Open_vSwitch",
                             "Open_vSwitch,Bridge,Port,Interface");
    check(weftdb_wait(db, 10000) == 1, db, "connect");

    const char *added = weftdb_transact(db,
        "[{\"op\":\"insert\",\"table\":\"Interface\",\"uuid-name\":\"i\",\"row\":{\"name\":\"c0\",\"type\":\"internal\"}},"
        " {\"op\":\"insert\",\"table\":\"Port\",\"uuid-name\":\"p\",\"row\":{\"name\":\"c0\",\"tag\":7,"
        "  \"interfaces\":[\"named-uuid\",\"i\"]}},"
        " {\"op\":\"insert\",\"table\":\"Bridge\",\"uuid-name\":\"b\",\"row\":{\"name\":\"c0\","
        "  \"ports\":[\"named-uuid\",\"p\"]}},"
        " {\"op\":\"mutate\",\"table\":\"Open_vSwitch\",\"where\":[],"
        "  \"mutations\":[[\"bridges\",\"insert\",[\"named-uuid\",\"b\"]]]},"
        " {\"op\":\"comment\",\"comment\":\"from C\"}]", 10000);
    check(added != NULL, db, "add");

    /* The reply comes after the change: the copy has the row already. */
    const char *found = weftdb_find(db, "Port", "name", "c0");
    check(found != NULL, db, "find");
    char port[64];
    snprintf(port, sizeof port, "%s", found);
    const char *tag = weftdb_get(db, "Port", port, "tag");
    check(tag != NULL && strcmp(tag, "7") == 0, db, "tag");
    printf("port %s", weftdb_get_text(db, "Port", port, "name"));
    printf(" has tag %s\n", weftdb_get(db, "Port", port, "tag"));

    check(weftdb_transact(db, "[{\"op\":\"insert\",\"table\":\"Nonsense\",\"row\":{}}]", 10000) == NULL, db, "nonsense");
    printf("refused: %s\n", weftdb_error(db));

    check(weftdb_transact(db, "[{\"op\":\"update\",\"table\":\"Open_vSwitch\",\"where\":[],"
                              "\"row\":{\"bridges\":[\"set\",[]]}}]", 10000) != NULL, db, "remove");
    check(weftdb_find(db, "Port", "name", "c0") == NULL, db, "gone");
    printf("rows: %s\n", weftdb_rows(db, "Bridge"));

    /* What we did is also told as changes, like what others do. */
    while (weftdb_wait(db, 0) == 1) {
        printf("changes: %s\n", weftdb_changes(db));
    }
    weftdb_close(db);
    weftdb_close(NULL);
    return 0;
}
