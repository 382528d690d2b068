#pragma once

namespace rewall {

/// Gives back the memory of program code that ran already, for a process that will sleep long: what runs
/// again comes from its files again (madvise(2), MADV_DONTNEED, of what is mapped to be run and never
/// written).
void forget_code();

}  // namespace rewall
