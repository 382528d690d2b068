#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace rewall {

/// SHA-256 of a row of texts (FIPS 180-4), each with its length: rows that differ in where one text ends have
/// different ones. Not even who makes the texts himself finds two rows of one digest.
class Digest {
 public:
  using Value = std::array<std::uint8_t, 32>;

  Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void add(std::string_view text);
  /// Of all that was added; it begins anew.
  Value take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rewall
