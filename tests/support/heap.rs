//! A counting allocator: what this thread allocates, and what of it is live.
//!
//! The counters are per thread, so tests that run side by side do not see each other. A test must
//! free on its own thread what it allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNTS: Cell<Counts> =
        const { Cell::new(Counts { calls: 0, asked: 0, live: 0, peak: 0 }) };
}

#[derive(Clone, Copy)]
struct Counts {
    /// How often memory was asked for: new, or more of it.
    calls: usize,
    /// How many bytes were asked for, each time in full.
    asked: usize,
    /// Live bytes; negative if this thread freed what another one allocated.
    live: isize,
    peak: isize,
}

/// Every test crate that counts declares this as its global allocator.
pub struct Counting;

// SAFETY: each call goes to the system's allocator unchanged; the counters are plain cells without
// destructors, which never allocate themselves.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), layout.size() as isize);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the system's as well.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, 0, -(layout.size() as isize));
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, size as isize - layout.size() as isize);
        // SAFETY: as in `alloc`.
        unsafe { System.realloc(memory, layout, size) }
    }
}

fn count(calls: usize, asked: usize, bytes: isize) {
    // A thread that is ending has no counters any more, and nobody asks for them.
    let _ = COUNTS.try_with(|counts| {
        let before = counts.get();
        let live = before.live + bytes;
        counts.set(Counts {
            calls: before.calls + calls,
            asked: before.asked + asked,
            live,
            peak: before.peak.max(live),
        });
    });
}

/// What a piece of code did to the heap of this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How often it asked for memory.
    pub calls: usize,
    /// How many bytes it asked for in all, those of a buffer that grows counted anew each time: the
    /// most that growing can have copied. What is linear here is not quadratic in disguise.
    pub asked: usize,
    /// How many bytes it left behind, or took away.
    pub kept: isize,
    /// How many bytes it had at most at a time.
    pub peak: isize,
}

pub const NOTHING: Usage = Usage { calls: 0, asked: 0, kept: 0, peak: 0 };

/// Runs `work` and tells what it did to the heap. Its result lives on, and counts as kept.
pub fn usage<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    let before = COUNTS.get();
    COUNTS.set(Counts { peak: before.live, ..before });
    let result = work();
    let after = COUNTS.get();
    let usage = Usage {
        calls: after.calls - before.calls,
        asked: after.asked - before.asked,
        kept: after.live - before.live,
        peak: after.peak - before.live,
    };
    (result, usage)
}

/// The bytes that are live on this thread.
pub fn live() -> isize {
    COUNTS.get().live
}
