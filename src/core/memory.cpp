#include "core/memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/text.h"

namespace rewall {

void forget_code() {
  const auto maps = read_file("/proc/self/maps");
  if (!maps) return;
  for (const std::string_view line : split_lines(*maps)) {
    // "7f0a1c000000-7f0a1c021000 r-xp 00001000 fe:01 1234 /usr/lib/..." (proc(5))
    if (line.find(" r-xp ") == std::string_view::npos || line.find(" /") == std::string_view::npos) continue;
    void* begin = nullptr;
    void* end = nullptr;
    if (std::sscanf(std::string(line).c_str(), "%p-%p", &begin, &end) != 2) continue;
    ::madvise(begin, static_cast<std::size_t>(static_cast<char*>(end) - static_cast<char*>(begin)),
              MADV_DONTNEED);
  }
}

void give_back_large_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
  ::mallopt(M_ARENA_MAX, 1);
}

}  // namespace rewall
