#pragma once

namespace rewall {

/// Gives back the memory of program code that ran already, for a process that will sleep long: what runs
/// again comes from its files again (madvise(2), MADV_DONTNEED, of what is mapped to be run and never
/// written).
void forget_code();

/// For a process that lives long and now and then has whole rulesets in hand: what is large goes back to the
/// system when it is let go, whatever was let go before (mallopt(3), M_MMAP_THRESHOLD).
void give_back_large_memory();

}  // namespace rewall
