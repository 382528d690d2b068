#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "kernel/channel.h"
#include "kernel/namespace.h"
#include "kernel/set_numbers.h"
#include "rules/ruleset.h"

namespace rewall {

/// A scratch namespace that took rules of the nft backend, and the ways to read them there.
struct Scratch {
  explicit Scratch(ScratchNamespace made) : space(std::move(made)) {
    space.run([this] {
      channel = std::make_unique<Channel>();
      numbers = std::make_unique<SetNumbers>();
    });
  }

  ScratchNamespace space;
  std::unique_ptr<Channel> channel{};
  std::unique_ptr<SetNumbers> numbers{};
  /// By family, table and chain: the k-th rule there is the wanted chain's rule at this position, from 0.
  std::map<std::tuple<Family, std::string, std::string>, std::vector<std::uint32_t>> positions{};
};

}  // namespace rewall
