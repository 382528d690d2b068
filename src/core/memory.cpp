#include "core/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::size_t kHeap = 32U << 20U;
constexpr std::size_t kBlock = 512U << 10U;
constexpr int kDefault = 128 << 10;  // of both thresholds of mallopt(3)

/// Of no consequence where it fails: the pages are small ones then.
void advise_large_pages(void* begin, std::size_t size) {
  constexpr std::uintptr_t kPage = 4096;
  auto* const first = static_cast<char*>(begin) - reinterpret_cast<std::uintptr_t>(begin) % kPage;
  const auto* const last = static_cast<char*>(begin) + size;
  ::madvise(first, static_cast<std::size_t>(last - first), MADV_HUGEPAGE);
}

}  // namespace

void use_large_pages() {
  ::mallopt(M_MMAP_THRESHOLD, static_cast<int>(kHeap / 2));  // smaller blocks are in the heap
  ::mallopt(M_ARENA_MAX, 1);                                 // each other arena would have its own heap
  ::mallopt(M_TRIM_THRESHOLD, static_cast<int>(2 * kHeap));
  ::mallopt(M_TOP_PAD, static_cast<int>(kHeap));
  // More than the heap has left: it grows by all of kHeap.
  void* const block = std::malloc(kBlock);
  const auto begin = reinterpret_cast<std::uintptr_t>(block);
  const auto end = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  if (block != nullptr && begin < end && end - begin < 2 * kHeap) advise_large_pages(block, end - begin);
  std::free(block);
  ::mallopt(M_TOP_PAD, kDefault);
}

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
  ::mallopt(M_MMAP_THRESHOLD, kDefault);
  ::mallopt(M_TRIM_THRESHOLD, kDefault);
  ::mallopt(M_ARENA_MAX, 1);
}

}  // namespace rewall
