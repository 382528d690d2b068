#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace rewall {

/// Computes the SHA-256 (FIPS 180-4) of a list of texts. Each text is hashed with its length before it, so
/// {"ab", "c"} and {"a", "bc"} have different digests. No one can construct two lists with the same digest.
class Digest {
 public:
  using Value = std::array<std::uint8_t, 32>;

  Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  /// Appends a text to the list.
  void add(std::string_view text);
  /// The digest of the texts added since the last take(); the list is empty afterwards.
  Value take();
  /// The same in 64 hexadecimal digits.
  std::string take_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The SHA-1 (FIPS 180-4) of the parts of one text, by which git names its objects.
std::array<std::uint8_t, 20> sha1(std::initializer_list<std::string_view> parts);

}  // namespace rewall
