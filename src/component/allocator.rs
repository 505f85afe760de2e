//! An allocator that never frees.
//!
//! An instance serves one request and ends, and its memory with it. The head of a request limits what the request allocates:
//! the host streams bodies, and they never enter this memory (see `echo`). Without libc's allocator, and without the code that
//! frees values, the component is a fifth smaller (measured: 22 of 120 KB).
//!
//! Crates such as lol_alloc take new pages for all memory. This arena lies in the first page, next to the stack and the data, so
//! the memory of an ordinary request never grows. Growing costs 22 % of the CPU time (docs/architecture.md).

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::memory_grow;
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// Bytes at the start. With the stack and the data they are just below one page, so the linker makes the initial memory one
/// page. A request with 40 headers, or with 4 KB of cookies, fits in on every route. A request with 95 headers makes the memory
/// grow.
const ARENA_SIZE: usize = 28 << 10;

/// Bytes of a page.
const PAGE: usize = 64 << 10;

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: Cell::new(ARENA_START), end: Cell::new(ARENA_START.wrapping_add(ARENA_SIZE)) };

static ARENA: Arena = Arena(UnsafeCell::new([MaybeUninit::uninit(); ARENA_SIZE]));
const ARENA_START: *mut u8 = ARENA.0.get().cast();

struct Arena(UnsafeCell<[MaybeUninit<u8>; ARENA_SIZE]>);

// SAFETY: the component has one thread.
unsafe impl Sync for Arena {}

/// Puts one block behind the other. The last block can grow in place, as texts under construction do.
struct Bump {
    next: Cell<*mut u8>,
    end: Cell<*mut u8>,
}

// SAFETY: the component has one thread.
unsafe impl Sync for Bump {}

impl Bump {
    /// The start of a new block, if there is room for it.
    fn start(&self, layout: Layout) -> Option<*mut u8> {
        let start = self.next.get().map_addr(|next| next.next_multiple_of(layout.align()));
        let room = self.end.get().addr().checked_sub(start.addr())?;
        (layout.size() <= room).then_some(start)
    }

    /// Adds pages for at least `size` bytes. The memory behind the arena belongs to libc, so the first added pages are a region
    /// of their own. Later pages usually follow the earlier ones and extend their region.
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

// SAFETY: a block starts at or behind `next` and ends at or before `end`, and then `next` moves to its end.
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
        // SAFETY: the caller guarantees that the size is valid with this alignment.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if moved.is_null() {
            self.next.set(next);
        } else if moved != block {
            // SAFETY: both blocks have at least that size, and they do not overlap.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}
