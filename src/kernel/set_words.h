#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rewall {

/// The parts of a set's type behind the colon: "hash:ip,port,net".
enum class SetPart { ip, net, port, iface, mac, mark, set, unknown };
std::vector<SetPart> parts_of_type(std::string_view type);

/// Puts a member into words.
class MemberWords {
 public:
  explicit MemberWords(std::string_view type)
      : parts_(parts_of_type(type)), bitmap_(type.starts_with("bitmap:")) {}

  /// `data` is one IPSET_ATTR_DATA of a listing. The views last until the next call.
  void take(const nlattr* data);
  std::string_view words() const { return words_; }
  bool known() const { return known_; }
  bool temporary() const { return seconds_ != 0; }
  bool replaced() const { return replaced_; }

 private:
  std::vector<SetPart> parts_;
  bool bitmap_;
  std::string words_{};
  bool known_ = true;
  bool replaced_ = false;
  std::uint32_t seconds_ = 0;
};

/// The options of a set, from IPSET_ATTR_DATA of its header; `known` becomes false where one has no words.
std::string option_words(std::string_view type, std::uint8_t family, const nlattr* data, bool& known);

}  // namespace rewall
