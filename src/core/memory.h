#pragma once

namespace rewall {

/// Memory of a process.
///
/// To touch memory for the first time takes longer than to fill it: a fault for each page of 4 KiB, which is
/// 0.25 ms for 1 MiB, and many times that in a virtual machine.
///
/// Takes pages of 2 MiB for the first 32 MiB of the heap, where the kernel has some (madvise(2),
/// MADV_HUGEPAGE; the files in /sys/kernel/mm/transparent_hugepage), for a process that ends soon.
void use_large_pages();

/// For processes that live long.
///
/// Gives the memory of program code back to the system, before a long sleep. Code that runs later is read
/// from its files again (madvise(2), MADV_DONTNEED, on pages that are mapped executable and never written).
void forget_code();

/// Makes free() return large blocks to the system at once, for a process that holds whole rulesets now and
/// then (mallopt(3), M_MMAP_THRESHOLD, M_TRIM_THRESHOLD). Undoes use_large_pages().
void give_back_large_memory();

}  // namespace rewall
