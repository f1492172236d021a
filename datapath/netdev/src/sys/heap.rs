//! The process's heap.

// Linked for its one symbol.
use libmimalloc_sys as _;

unsafe extern "C" {
    fn mi_collect(force: bool);
}

/// Gives memory that nobody uses back to the system, as far as this thread has it. Of use where mimalloc is the
/// allocator; elsewhere nothing happens.
pub fn trim_heap() {
    // SAFETY: takes no pointer, frees only what no allocation holds, and may be called in any thread at any time.
    unsafe { mi_collect(true) }
}
