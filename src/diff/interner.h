#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace rewall {

/// Numbers texts from 0 in the order they come; equal texts get equal numbers. The texts must outlive the
/// Interner.
class Interner {
 public:
  std::uint32_t operator()(std::string_view text) {
    return ids_.try_emplace(text, static_cast<std::uint32_t>(ids_.size())).first->second;
  }

 private:
  std::unordered_map<std::string_view, std::uint32_t> ids_{};
};

}  // namespace rewall
