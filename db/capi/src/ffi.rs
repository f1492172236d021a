//! What: the functions of `weftdb.h`. Each one makes references of its pointers and calls [`Handle`].
//!
//! Invariants: a null pointer or a text that is no UTF-8 is a failure, not a crash; a panic ends in a failure too.

#![allow(unsafe_code)]

use crate::Handle;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// `weftdb_open`
///
/// # Safety
/// The pointers are null or texts that end with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_open(
    remote: *const c_char,
    database: *const c_char,
    tables: *const c_char,
) -> *mut Handle {
    let (remote, database) = (text(&remote), text(&database));
    let (Some(remote), Some(database)) = (remote, database) else { return std::ptr::null_mut() };
    let chosen = text(&tables);
    if chosen.is_none() && !tables.is_null() {
        return std::ptr::null_mut();
    }
    let made = catch_unwind(|| Handle::open(remote, database, chosen));
    made.map_or(std::ptr::null_mut(), |handle| Box::into_raw(Box::new(handle)))
}

/// `weftdb_wait`
///
/// # Safety
/// `db` is null or comes from [`weftdb_open`] and is not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_wait(db: *mut Handle, timeout_ms: c_int) -> c_int {
    let Some(handle) = handle(&db) else { return -1 };
    catch_unwind(AssertUnwindSafe(|| handle.wait(limit(timeout_ms)))).unwrap_or(-1)
}

/// `weftdb_changes`
///
/// # Safety
/// As for [`weftdb_wait`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_changes(db: *mut Handle) -> *const c_char {
    give(handle(&db), |handle| handle.changes())
}

/// `weftdb_rows`
///
/// # Safety
/// As for [`weftdb_wait`] and [`weftdb_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_rows(db: *mut Handle, table: *const c_char) -> *const c_char {
    give(handle(&db), |handle| handle.rows(text(&table)?))
}

/// `weftdb_get`
///
/// # Safety
/// As for [`weftdb_rows`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_get(
    db: *mut Handle,
    table: *const c_char,
    uuid: *const c_char,
    column: *const c_char,
) -> *const c_char {
    give(handle(&db), |handle| handle.get(text(&table)?, text(&uuid)?, text(&column)?))
}

/// `weftdb_get_text`
///
/// # Safety
/// As for [`weftdb_rows`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_get_text(
    db: *mut Handle,
    table: *const c_char,
    uuid: *const c_char,
    column: *const c_char,
) -> *const c_char {
    give(handle(&db), |handle| handle.get_text(text(&table)?, text(&uuid)?, text(&column)?))
}

/// `weftdb_find`
///
/// # Safety
/// As for [`weftdb_rows`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_find(
    db: *mut Handle,
    table: *const c_char,
    column: *const c_char,
    value: *const c_char,
) -> *const c_char {
    give(handle(&db), |handle| handle.find(text(&table)?, text(&column)?, text(&value)?))
}

/// `weftdb_transact`
///
/// # Safety
/// As for [`weftdb_rows`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_transact(
    db: *mut Handle,
    operations: *const c_char,
    timeout_ms: c_int,
) -> *const c_char {
    give(handle(&db), |handle| handle.transact(text(&operations)?, limit(timeout_ms)))
}

/// `weftdb_error`
///
/// # Safety
/// As for [`weftdb_wait`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_error(db: *mut Handle) -> *const c_char {
    handle(&db).map_or(c"no handle".as_ptr(), |handle| handle.error().as_ptr())
}

/// `weftdb_close`
///
/// # Safety
/// As for [`weftdb_wait`]; the handle is gone afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weftdb_close(db: *mut Handle) {
    if !db.is_null() {
        // SAFETY: it comes from the `Box::into_raw` of `weftdb_open`, and the caller gives it up.
        let handle = unsafe { Box::from_raw(db) };
        let _ = catch_unwind(AssertUnwindSafe(|| drop(handle)));
    }
}

/// The handle behind a pointer, for as long as the call that got the pointer.
#[allow(clippy::mut_from_ref, reason = "the pointer is borrowed only to bound the lifetime")]
fn handle(db: &*mut Handle) -> Option<&mut Handle> {
    // SAFETY: null, or a live handle from `weftdb_open`; the header allows one thread at a time.
    unsafe { db.as_mut() }
}

/// The text behind a pointer, for as long as the call that got the pointer.
fn text(pointer: &*const c_char) -> Option<&str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and the header asks for texts that end with a zero byte.
    let text = unsafe { CStr::from_ptr(*pointer) };
    text.to_str().ok()
}

/// Runs a call that gives a text of the handle's.
fn give(handle: Option<&mut Handle>, call: impl FnOnce(&mut Handle) -> Option<&CString>) -> *const c_char {
    let Some(handle) = handle else { return std::ptr::null() };
    let given = catch_unwind(AssertUnwindSafe(|| call(handle).map(|text| text.as_ptr())));
    given.ok().flatten().unwrap_or(std::ptr::null())
}

fn limit(timeout_ms: c_int) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}
