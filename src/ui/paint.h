#pragma once

#include <string>
#include <string_view>

namespace rewall {

/// Puts text into colours (ECMA-48), or returns it unchanged where `on` is false.
struct Paint {
  bool on = false;

  std::string added(std::string_view text) const { return with("32", text); }
  std::string removed(std::string_view text) const { return with("31", text); }
  std::string changed(std::string_view text) const { return with("33", text); }
  std::string moved(std::string_view text) const { return with("36", text); }
  std::string heading(std::string_view text) const { return with("1", text); }
  std::string quiet(std::string_view text) const { return with("2", text); }

 private:
  std::string with(std::string_view code, std::string_view text) const {
    if (!on) return std::string(text);
    return std::string("\x1b[").append(code).append("m").append(text).append("\x1b[0m");
  }
};

}  // namespace rewall
