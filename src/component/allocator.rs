//! Memory for one request.
//!
//! An instance serves one request and is thrown away with its memory, so nothing is ever freed. What a request allocates is
//! bounded by the size of its head: bodies pass by outside (`echo`). Without libc's allocator, and without the code that frees
//! what values own, the component is a fifth smaller (measured: 22 of 120 KB).

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::memory_grow;
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// Bytes that are there from the start: with stack and data just below one page, which the linker then makes the initial
/// memory. A request with 40 header fields, or 4 KB of cookies, fits on every route; one with 95 makes the memory grow.
const ARENA_SIZE: usize = 28 << 10;

/// Bytes of a page of linear memory.
const PAGE: usize = 64 << 10;

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: Cell::new(ARENA_START), end: Cell::new(ARENA_START.wrapping_add(ARENA_SIZE)) };

static ARENA: Arena = Arena(UnsafeCell::new([MaybeUninit::uninit(); ARENA_SIZE]));
const ARENA_START: *mut u8 = ARENA.0.get().cast();

struct Arena(UnsafeCell<[MaybeUninit<u8>; ARENA_SIZE]>);

// SAFETY: the component has one thread.
unsafe impl Sync for Arena {}

/// Hands out one block behind the other. The latest may grow in place, as texts under construction do.
struct Bump {
    next: Cell<*mut u8>,
    end: Cell<*mut u8>,
}

// SAFETY: the component has one thread.
unsafe impl Sync for Bump {}

impl Bump {
    /// Where a block could start.
    fn start(&self, layout: Layout) -> Option<*mut u8> {
        let start = self.next.get().map_addr(|next| next.next_multiple_of(layout.align()));
        let room = self.end.get().addr().checked_sub(start.addr())?;
        (layout.size() <= room).then_some(start)
    }

    /// Adds pages for at least `size` bytes. They are a region of their own unless they follow on the one before: what lies
    /// behind the arena is libc's.
    fn grow(&self, size: usize) -> Option<()> {
        let pages = size.div_ceil(PAGE);
        let start = memory_grow::<0>(pages).checked_mul(PAGE)?;
        let start = ptr::with_exposed_provenance_mut::<u8>(start);
        if start != self.end.get() {
            self.next.set(start);
        }
        self.end.set(start.wrapping_add(pages * PAGE));
        Some(())
    }
}

// SAFETY: a block starts at or behind `next`, ends at or before `end`, and `next` moves to its end.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.start(layout).or_else(|| self.grow(layout.size()).and_then(|()| self.start(layout)));
        let Some(start) = start else { return ptr::null_mut() };
        self.next.set(start.wrapping_add(layout.size()));
        start
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size <= layout.size() {
            return block;
        }
        let next = self.next.get();
        if block.wrapping_add(layout.size()) == next {
            self.next.set(block);
        }
        // SAFETY: the caller vouches for the size with this alignment.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if moved.is_null() {
            self.next.set(next);
        } else if moved != block {
            // SAFETY: both are blocks of at least that size, and the new one is not the old one's place.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}
