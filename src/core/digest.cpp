#include "core/digest.h"

#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "core/format.h"

namespace rewall {

struct Digest::State {
  sha256_ctx context{};
};

Digest::Digest() : state_(std::make_unique<State>()) {
  sha256_init(&state_->context);
}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::add(std::string_view text) {
  const std::uint64_t length = text.size();
  sha256_update(&state_->context, sizeof length, reinterpret_cast<const std::uint8_t*>(&length));
  sha256_update(&state_->context, text.size(), reinterpret_cast<const std::uint8_t*>(text.data()));
}

Digest::Value Digest::take() {
  Value value{};
  sha256_digest(&state_->context, value.size(), value.data());
  return value;
}

std::string Digest::take_hex() {
  std::string hex;
  for (const std::uint8_t byte : take()) hex += format("{:02x}", byte);
  return hex;
}

std::array<std::uint8_t, 20> sha1(std::initializer_list<std::string_view> parts) {
  sha1_ctx context{};
  sha1_init(&context);
  for (const std::string_view part : parts)
    sha1_update(&context, part.size(), reinterpret_cast<const std::uint8_t*>(part.data()));
  std::array<std::uint8_t, 20> value{};
  sha1_digest(&context, value.size(), value.data());
  return value;
}

}  // namespace rewall
