#include "core/memory.h"

#include <sys/mman.h>

#include <charconv>
#include <cstdint>
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
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    const char* last = line.data() + line.size();
    const auto first = std::from_chars(line.data(), last, begin, 16);
    if (first.ec != std::errc{} || first.ptr == last) continue;
    if (std::from_chars(first.ptr + 1, last, end, 16).ec != std::errc{}) continue;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace rewall
