#include "core/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::size_t kLargePage = 2U << 20U;  // x86_64, and aarch64 with pages of 4 KiB
constexpr std::size_t kLargeBlock = kLargePage / 2;
constexpr std::size_t kHeap = 32U << 20U;
constexpr int kDefault = 128 << 10;  // of both thresholds of mallopt(3)

/// Of no consequence where it fails: the pages are small ones then.
void advise_large_pages(void* begin, std::size_t size) {
  constexpr std::uintptr_t kPage = 4096;
  auto* const first = static_cast<char*>(begin) - reinterpret_cast<std::uintptr_t>(begin) % kPage;
  const auto* const last = static_cast<char*>(begin) + size;
  ::madvise(first, static_cast<std::size_t>(last - first), MADV_HUGEPAGE);
}

/// A mapping that is a multiple of large pages begins at one (thp_get_unmapped_area in mm/huge_memory.c), and
/// malloc(3) maps a large block with its header before it.
[[maybe_unused]] std::size_t in_large_pages(std::size_t size) {
  constexpr std::size_t kHeader = 64;
  if (size < kLargeBlock || size > std::numeric_limits<std::size_t>::max() - kLargePage) return size;
  return (size + kHeader + kLargePage - 1) / kLargePage * kLargePage - kHeader;
}

}  // namespace

void use_large_pages() {
  ::mallopt(M_MMAP_THRESHOLD, static_cast<int>(kLargeBlock));
  ::mallopt(M_ARENA_MAX, 1);  // each other arena would have its own heap
  ::mallopt(M_TRIM_THRESHOLD, static_cast<int>(2 * kHeap));
  ::mallopt(M_TOP_PAD, static_cast<int>(kHeap));
  // More than the heap has left: it grows by all of kHeap.
  void* const block = std::malloc(kLargeBlock / 2);
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

#if defined(__has_feature)
#define REWALL_HAS_FEATURE(name) __has_feature(name)
#else
#define REWALL_HAS_FEATURE(name) 0
#endif

// AddressSanitizer has an operator new of its own.
#if !defined(__SANITIZE_ADDRESS__) && !REWALL_HAS_FEATURE(address_sanitizer)

void* operator new(std::size_t size) {
  const std::size_t whole = rewall::in_large_pages(size);
  while (true) {
    if (void* block = std::malloc(whole)) {
      if (whole >= rewall::kLargeBlock) rewall::advise_large_pages(block, whole);
      return block;
    }
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void operator delete(void* block) noexcept {
  std::free(block);
}

void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}

#endif
