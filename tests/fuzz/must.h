#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace rewall::fuzz {

/// libFuzzer keeps the input of a program that aborts.
inline void must(bool holds, std::string_view what, const std::string& text) {
  if (holds) return;
  std::cerr << what << ":\n" << text << '\n';
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace rewall::fuzz
