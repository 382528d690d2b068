#include "commands/syntax.h"

#include <algorithm>
#include <utility>

namespace rewall {

std::string_view Argument::name() const {
  const auto comma = names.rfind(',');
  return std::string_view(names).substr(comma == std::string::npos ? 0 : comma + 1);
}

Argument& Syntax::flag(std::string names, bool& value, std::string help) {
  return option(std::move(names), "", &value, std::move(help));
}

Argument& Syntax::flag(std::string names, int& times, std::string help) {
  return option(std::move(names), "", &times, std::move(help));
}

Argument& Syntax::option(std::string names, std::string type, decltype(Argument::target) target,
                         std::string help) {
  return arguments_.emplace_back(Argument{.names = std::move(names),
                                          .type = std::move(type),
                                          .help = std::move(help),
                                          .target = std::move(target)});
}

Argument& Syntax::positional(std::string name, decltype(Argument::target) target, std::string help) {
  auto& added = option(std::move(name), "", std::move(target), std::move(help));
  if (std::holds_alternative<std::vector<std::string>*>(added.target)) added.most = Argument::kMany;
  return added;
}

Argument* Syntax::find(std::string_view name) {
  const auto found = std::ranges::find(arguments_, name, &Argument::name);
  return found == arguments_.end() ? nullptr : &*found;
}

const Argument* Syntax::find(std::string_view name) const {
  const auto found = std::ranges::find(arguments_, name, &Argument::name);
  return found == arguments_.end() ? nullptr : &*found;
}

bool Syntax::takes_dashes() const {
  return std::ranges::any_of(arguments_, &Argument::takes_dashes);
}

const Argument* Syntax::dashed() const {
  const auto found = std::ranges::find(arguments_, true, &Argument::dashed);
  return found == arguments_.end() ? nullptr : &*found;
}

}  // namespace rewall
