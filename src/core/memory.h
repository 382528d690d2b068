#pragma once

namespace rewall {

/// Memory of processes that live long.
///
/// Gives the memory of program code back to the system, before a long sleep. Code that runs later is read
/// from its files again (madvise(2), MADV_DONTNEED, on pages that are mapped executable and never written).
void forget_code();

/// Makes free() return large blocks to the system at once, for a process that holds whole rulesets now and
/// then (mallopt(3), M_MMAP_THRESHOLD).
void give_back_large_memory();

}  // namespace rewall
