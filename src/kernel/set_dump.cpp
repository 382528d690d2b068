#include "kernel/set_dump.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter/ipset/ip_set.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/netlink_attributes.h"
#include "kernel/netlink_socket.h"
#include "kernel/set_words.h"
#include "rules/lines.h"
#include "rules/sets.h"

namespace rewall {

namespace {

constexpr int kRounds = 3;
constexpr std::uint64_t kSoonListed = 4096;  // members

/// Takes the messages of a listing: the first of a set has its header, and the members follow in pieces.
class Listing {
 public:
  Listing(const SetHandler& on_set, const MemberHandler& on_member)
      : on_set_(on_set), on_member_(on_member) {}

  void take(const nlmsghdr* message) {
    const auto at = attributes<IPSET_ATTR_CMD_MAX + 1>(message);
    if (at[IPSET_ATTR_TYPENAME] != nullptr) begin(at);
    if (at[IPSET_ATTR_ADT] == nullptr || !on_member_) return;
    for_each_nested(at[IPSET_ATTR_ADT], [&](const nlattr* data) {
      words_->take(data);
      on_member_(set_, {.words = words_->words(),
                        .known = words_->known(),
                        .temporary = words_->temporary(),
                        .replaced = words_->replaced()});
    });
  }

 private:
  void begin(const Attributes<IPSET_ATTR_CMD_MAX + 1>& at) {
    const nlattr* data = at[IPSET_ATTR_DATA];
    set_ = {.name = std::string(text(at[IPSET_ATTR_SETNAME])),
            .type = std::string(text(at[IPSET_ATTR_TYPENAME]))};
    const auto family = raw_number<std::uint8_t>(at[IPSET_ATTR_FAMILY]);
    set_.options = option_words(set_.type, family, data, set_.known);
    const auto header = attributes<IPSET_ATTR_CREATE_MAX + 1>(data);
    set_.timeouts = header[IPSET_ATTR_TIMEOUT] != nullptr;
    set_.comments = (number(header[IPSET_ATTR_CADT_FLAGS]) & IPSET_FLAG_WITH_COMMENT) != 0;
    set_.elements = number(header[IPSET_ATTR_ELEMENTS]);
    set_.referenced = number(header[IPSET_ATTR_REFERENCES]) != 0;
    words_.emplace(set_.type);
    on_set_(set_);
  }

  const SetHandler& on_set_;
  const MemberHandler& on_member_;
  KernelSet set_{};
  std::optional<MemberWords> words_{};
};

/// Can stand in a line of `ipset save`, and is read back from there.
bool can_be_said(const std::string& name) {
  return std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f || c == '"';
  });
}

bool has_word(std::string_view text, std::string_view word) {
  return std::ranges::any_of(split(text, ' '), [&](std::string_view one) { return one == word; });
}

/// What the kernel says that a listing in words must agree with.
struct Facts {
  KernelSet set{};
  std::optional<std::uint64_t> members{};  ///< without temporary ones; absent where nobody counted
};

/// All that is asked of the kernel about the sets in question.
struct Hearing {
  std::vector<Facts> sets{};
  bool heard = true;      ///< the kernel answered
  bool two_ways = false;  ///< a comment has what the text cannot say
};

bool asked_for(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::ranges::find(names, name) != names.end();
}

Hearing hear(const std::vector<std::string>& names) {
  Hearing hearing;
  hearing.heard = list_sets(
      [&](const KernelSet& set) {
        if (asked_for(names, set.name)) hearing.sets.push_back({.set = set});
      },
      {});
  for (Facts& facts : hearing.sets) {
    if (!facts.set.timeouts && !facts.set.comments) {
      facts.members = facts.set.elements;
    } else if (facts.set.comments || facts.set.elements <= kSoonListed) {
      facts.members = 0;
      list_sets([](const KernelSet&) {},
                [&](const KernelSet&, const KernelMember& member) {
                  if (!member.temporary) ++*facts.members;
                  hearing.two_ways = hearing.two_ways || member.replaced;
                },
                facts.set.name);
    }
  }
  return hearing;
}

Status refuse_names(const Hearing& hearing) {
  for (const Facts& facts : hearing.sets)
    if (!can_be_said(facts.set.name))
      return error_of<messages::set_name_unsayable>(
          rewall::quoted(facts.set.name), facts.set.referenced ? "delete the rules that name it, then " : "",
          shell_word(facts.set.name));
  return {};
}

bool agree(const Sets& sets, const Hearing& hearing) {
  return sets.sets.size() == hearing.sets.size() &&
         std::ranges::all_of(hearing.sets, [&](const Facts& facts) {
           const Set* set = sets.find(facts.set.name);
           return set != nullptr && set->type == facts.set.type &&
                  (!facts.members || *facts.members == set->members.size());
         });
}

/// `ipset save` 7 says nothing of forceadd, which decides what a full set does with one member more.
void say_forceadd(Sets& sets, const Hearing& hearing) {
  constexpr std::string_view kOption = "forceadd";
  for (const Facts& facts : hearing.sets) {
    if (!has_word(facts.set.options, kOption)) continue;
    const auto set = std::ranges::find(sets.sets, facts.set.name, &Set::name);
    if (set == sets.sets.end() || has_word(set->options, kOption)) continue;
    // Where newer versions say it.
    const auto at = std::min(set->options.find(" skbinfo"), set->options.find(" bucketsize"));
    set->options.insert(std::min(at, set->options.size()), format(" {}", kOption));
  }
}

/// A set in the words of the kernel's own listing.
struct ListedSet {
  std::string name{};
  std::string lines{};
  bool known = true;         ///< all of it has words here
  std::size_t replaced = 0;  ///< members
};

/// The sets in the words of the kernel's own listing; what it has no words for in those of `ipset save`,
/// where no comment makes two readings of these possible.
Result<Sets> in_own_words(const std::vector<std::string>& names, SetsText words, const SaveAgain& again,
                          std::string& note) {
  std::vector<ListedSet> listed;
  const bool heard = list_sets(
      [&](const KernelSet& set) {
        if (!asked_for(names, set.name)) return;
        listed.push_back({.name = set.name,
                          .lines = format("create {} {} {}\n", set.name, set.type, set.options),
                          .known = set.known});
      },
      [&](const KernelSet& set, const KernelMember& member) {
        if (!asked_for(names, set.name)) return;
        auto& last = listed.back();
        last.known = last.known && member.known;
        last.replaced += member.replaced ? 1 : 0;
        last.lines += format("add {} {}\n", set.name, member.words);
      });
  if (!heard) return error_of<messages::set_unsayable>("the sets");
  std::string text;
  std::size_t replaced = 0;
  std::string where;
  for (ListedSet& set : listed) {
    if (!set.known && set.replaced > 0)
      return error_of<messages::set_unsayable>("set " + rewall::quoted(set.name));
    text += set.known ? set.lines : TRY(again(set.name));
    replaced += set.replaced;
    if (set.replaced > 0) where = set.name;
  }
  auto sets = parse_sets(std::move(text), "the kernel's sets", words);
  if (!sets) return Error{.kind = ErrorKind::capture, .message = std::move(sets).error().message};
  if (replaced > 0)
    note = format("set {}: what a comment cannot hold in a file (line breaks, quotes) stands as '?' in {}",
                  rewall::quoted(where), counted(replaced, "member"));
  return sets;
}

}  // namespace

bool list_sets(const SetHandler& set, const MemberHandler& member, const std::string& only) {
  NetlinkSocket socket;
  if (!socket) return false;
  NetlinkRequest request(IPSET_CMD_SAVE, AF_INET, NLM_F_DUMP | NLM_F_ACK, NFNL_SUBSYS_IPSET);
  request.add(IPSET_ATTR_PROTOCOL, std::uint8_t{IPSET_PROTOCOL_MIN});
  if (!only.empty()) request.add(IPSET_ATTR_SETNAME, only);
  if (!member) request.add(IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER, std::uint32_t{IPSET_FLAG_LIST_HEADER});
  Listing listing(set, member);
  return socket.ask(request, [&](const nlmsghdr* message) { listing.take(message); }) == 0;
}

std::optional<SetsDigest> digest_of_kernel() {
  SetsDigest digest;
  SetDigest* last = nullptr;
  bool list = false;
  bool known = true;
  const bool heard = list_sets(
      [&](const KernelSet& set) {
        last = &digest[set.name];
        last->kind = kind_of(set.type, set.options);
        list = set.type == "list:set";
        known = known && set.known;
      },
      [&](const KernelSet&, const KernelMember& member) {
        known = known && member.known;
        if (!member.temporary) add_member(last->members, member.words, list);
      });
  if (!heard || !known) return std::nullopt;
  return digest;
}

Result<Sets> agreed_sets(std::string text, const SaveAgain& again, SetsText words,
                         const std::vector<std::string>& names, std::string& note) {
  for (int round = 1;; ++round) {
    const Hearing hearing = hear(names);
    TRY(refuse_names(hearing));
    if (hearing.two_ways) return in_own_words(names, words, again, note);
    auto sets = parse_sets(std::move(text), "ipset save", words);
    if (sets && (!hearing.heard || agree(*sets, hearing))) {
      say_forceadd(*sets, hearing);
      return sets;
    }
    if (round == kRounds && !sets)
      return Error{.kind = ErrorKind::capture, .message = std::move(sets).error().message};
    if (round == kRounds) return in_own_words(names, words, again, note);
    text = TRY(again({}));
  }
}

Result<Sets> sayable_sets(const SaveAgain& again, SetsText words, std::string& note) {
  std::vector<std::string> names;
  const bool heard = list_sets(
      [&](const KernelSet& set) {
        if (can_be_said(set.name)) names.push_back(set.name);
      },
      {});
  if (!heard) return error_of<messages::set_unsayable>("the sets");
  return names.empty() ? Sets{} : in_own_words(names, words, again, note);
}

}  // namespace rewall
