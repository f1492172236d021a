/* weftdb: an OVSDB database for C programs.
 *
 * A handle holds a copy of the tables that were asked for, kept up to date by the server, and can commit transactions.
 * Rows, changes and transactions are JSON text in the notation of RFC 7047, UTF-8.
 *
 * Texts that functions return belong to the handle and stay valid until the next call with that handle. A handle
 * may be used by one thread at a time. Functions that return a pointer return NULL on failure, and weftdb_error() says
 * why. */
#ifndef WEFTDB_H
#define WEFTDB_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weftdb weftdb;

/* Opens `database` at `remote`: "unix:FILE", "tcp:HOST:PORT" or "ssl:HOST:PORT". `tables` names the tables to copy,
 * separated by commas; NULL copies all. The connection is made by the first call that waits, and again whenever it
 * breaks. Never NULL unless an argument is NULL or no UTF-8; whether `remote` makes sense is told by the first call. */
weftdb *weftdb_open(const char *remote, const char *database, const char *tables);

/* Waits until the copy is complete or has changed since the last call: 1. Nothing happened within `timeout_ms`
 * milliseconds (negative: no limit): 0. Failure: -1. */
int weftdb_wait(weftdb *db, int timeout_ms);

/* What the last weftdb_wait() that returned 1 reported:
 * {"TABLE": {"UUID": {"old": ROW or null, "new": ROW or null}, ...}, ...}
 * The copy itself may be ahead of it: weftdb_transact() returns with the copy up to date, and leaves telling what changed
 * to the next calls of weftdb_wait(). */
const char *weftdb_changes(weftdb *db);

/* The rows of a table: [{"_uuid": ["uuid", "..."], "COLUMN": VALUE, ...}, ...] */
const char *weftdb_rows(weftdb *db, const char *table);

/* One column of a row, as JSON. */
const char *weftdb_get(weftdb *db, const char *table, const char *uuid, const char *column);

/* A text column of a row, as it is, without JSON around it. */
const char *weftdb_get_text(weftdb *db, const char *table, const char *uuid, const char *column);

/* The UUID of the first row whose text column has this value. */
const char *weftdb_find(weftdb *db, const char *table, const char *column, const char *value);

/* Executes operations, a JSON array, in one transaction; waits for at most `timeout_ms`. Their results, or NULL if any
 * of them failed. */
const char *weftdb_transact(weftdb *db, const char *operations, int timeout_ms);

/* Why the last call failed; empty if it did not. */
const char *weftdb_error(const weftdb *db);

/* Hangs up and frees the handle. NULL is ignored. */
void weftdb_close(weftdb *db);

#ifdef __cplusplus
}
#endif

#endif
