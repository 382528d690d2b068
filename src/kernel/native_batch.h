#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "kernel/batch.h"
#include "kernel/native_objects.h"
#include "rules/native_tables.h"

namespace rewall {

/// The messages that turn native tables of LIVE into wanted ones, for the batch that changes those of
/// iptables too. What is new is copied from a scratch namespace in which nft loaded it, byte for byte: whole
/// tables, or part_to_load() of each. In a table of which rules, chains or elements alone differ, what stays
/// keeps its handle, counters and state; a table of which more differs is deleted and made anew in the same
/// transaction. Elements that packets bring are left as they are where their set stays.
class NativeBatch {
 public:
  /// `here` is a socket in LIVE's namespace, `there` one in the scratch namespace. All arguments must outlive
  /// the object.
  /// With `anew` all tables are deleted and made, also those that are as they are wanted.
  NativeBatch(const NativeTables& live, const NativeTables& wanted, NetlinkSocket& here, NetlinkSocket& there,
              bool anew = false)
      : live_(live), wanted_(wanted), here_(here), there_(there), anew_(anew) {}

  /// Turns the numbers of ipsets in the scratch namespace, which rules with a note (kIptablesNote) hold, into
  /// those of LIVE. False: the rule is left out.
  using Translate = std::function<Result<bool>(std::string& expressions)>;
  void translate_by(Translate translate) { translate_ = std::move(translate); }

  /// Adds the messages that take something away, and with put() those that bring something. Between the two
  /// the caller may add its own. Kind refused: LIVE has other rules by now. Kind kernel: the kernel does not
  /// answer.
  Status take_away(Batch& batch);
  Status put(Batch& batch);

  /// What the message with this number in the batch is about; empty for none of these.
  std::string about(std::uint32_t message) const;

 private:
  class Work;

  bool in_place(const NativeTable& live, const NativeTable& wanted) const;

  const NativeTables& live_;
  const NativeTables& wanted_;
  NetlinkSocket& here_;
  NetlinkSocket& there_;
  bool anew_;
  Translate translate_{};
  std::map<std::uint32_t, std::string> about_{};
  std::uint32_t next_number_ = 1;
};

/// What has to be loaded in the scratch namespace for a table of which LIVE has most: without the rules that
/// stay in their chains, and without the elements of sets that stay as they are. All of the table where it is
/// made anew. `texts` keeps the characters.
NativeTable part_to_load(const NativeTable& wanted, const NativeTable* live,
                         std::vector<std::shared_ptr<const std::string>>& texts);

/// A table as nft lists it where `given` was loaded: rules that have a note there are as they stand there.
NativeTable with_notes(NativeTable listed, const NativeTable& given,
                       std::vector<std::shared_ptr<const std::string>>& texts);

/// True when nft prints both tables word for word alike.
bool same_text(const NativeTable& a, const NativeTable& b);

/// The tables of `wanted` that are not word for word in `live`.
std::vector<const NativeTable*> differing_tables(const NativeTables& wanted, const NativeTables& live);

}  // namespace rewall
