#include "ops/host/opened_ports.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "core/digest.h"
#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/host_facts.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/history/open_ports.h"
#include "ops/history/revision.h"

namespace rewall {
namespace {

constexpr std::string_view kOpenedVersion = "opened 1";
constexpr std::string_view kGoodTag = "good";

using PortChanges = std::vector<PortChange>;
using RuleFiles = std::map<std::string, std::string>;  ///< hashes of files, by name

/// What the ports hang on: no expectations, and no file without a line.
RuleFiles rule_files(std::map<std::string, std::string> files, const std::string& empty) {
  std::erase_if(files, [&](const auto& file) { return file.first == "expect" || file.second == empty; });
  return files;
}

/// The name that git gives a file.
std::string file_hash(std::string_view text) {
  std::string out;
  const auto header = format("blob {}", text.size());
  for (const auto byte : sha1({header, std::string_view("\0", 1), text})) out += format("{:02x}", byte);
  return out;
}

RuleFiles rule_files_of(const Ruleset& ruleset) {
  RuleFiles hashes;
  for (const auto& [name, text] : files_of(ruleset)) hashes[name] = file_hash(text);
  return hashes;
}

/// The facts that tell what the world can reach. Addresses of a link are one to it: containers come and go
/// with theirs.
HostFacts lasting_facts() {
  auto facts = host_facts_if_known();
  const NumberRange link{Number{0xfe8} << 116U, (Number{0xfe8} << 116U) | greatest_number(118)};
  const auto is_of_link = [&](Number address) { return link.first <= address && address <= link.last; };
  bool has_link = false;
  for (auto& interface : facts.interfaces) {
    has_link = std::erase_if(interface.v6, is_of_link) > 0 || has_link;
    std::erase_if(interface.v6_networks, [&](const NumberRange& range) { return is_of_link(range.first); });
  }
  std::erase_if(facts.interfaces, [](const HostFacts::Interface& interface) {
    return interface.v4.empty() && interface.v6.empty();
  });
  std::erase_if(facts.local_v6, [&](const NumberRange& range) { return is_of_link(range.first); });
  if (has_link) facts.local_v6.push_back(link);
  return facts;
}

std::string range_words(const NumberRange& range) {
  const auto words = [](Number number) {
    return format("{:x}.{:x}", static_cast<std::uint64_t>(number >> 64U), static_cast<std::uint64_t>(number));
  };
  return words(range.first) + "-" + words(range.last);
}

void add_facts(Digest& digest, const HostFacts& facts) {
  std::string text = format("{} {} {}\n", facts.known, facts.ipsec, facts.routes_by_mark);
  for (const auto& interface : facts.interfaces) {
    text += format("{} {}", interface.name, interface.group);
    for (const auto* addresses : {&interface.v4, &interface.v6})
      for (const auto address : *addresses) text += " " + range_words({address, address});
    for (const auto* networks : {&interface.v4_networks, &interface.v6_networks})
      for (const auto& range : *networks) text += " " + range_words(range);
    text += format(" {} {} {} {}\n", interface.v4_default, interface.v6_default, interface.v4_forwards,
                   interface.v6_forwards);
  }
  for (const auto* ranges : {&facts.local_v4, &facts.local_v6})
    for (const auto& range : *ranges) text += range_words(range) + "\n";
  digest.add(text);
}

/// Everything that an answer hangs on.
std::string question_digest(const RuleFiles& good, const RuleFiles& now, const HostFacts& facts) {
  Digest digest;
  digest.add(REWALL_VERSION);
  for (const auto* files : {&good, &now}) {
    digest.add(format("{}", files->size()));
    for (const auto& [name, hash] : *files) {
      digest.add(name);
      digest.add(hash);
    }
  }
  add_facts(digest, facts);
  return digest.take_hex();
}

// --- the file

struct RememberedPorts {
  std::string question{};
  bool unknown = false;  ///< there is no answer
  PortChanges changes{};
};

std::string change_line(const PortChange& change) {
  std::string numbers;
  for (const auto& [first, last] : change.numbers.ranges())
    numbers += format("{}{}-{}", numbers.empty() ? "" : ",", static_cast<unsigned>(first),
                      static_cast<unsigned>(last));
  return format("{} {} {} {}", name(change.family), change.protocol, name(change.from), numbers);
}

std::optional<NumberSet> read_numbers(std::string_view text) {
  std::vector<NumberRange> ranges;
  for (const auto part : split(text, ',')) {
    const auto dash = part.find('-');
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    if (dash == std::string_view::npos || !read_number(part.substr(0, dash), first) ||
        !read_number(part.substr(dash + 1), last) || last < first)
      return std::nullopt;
    ranges.push_back({first, last});
  }
  return NumberSet(std::move(ranges));
}

std::optional<PortChange> read_change(std::string_view line) {
  const auto words = split(line, ' ');
  if (words.size() != 4) return std::nullopt;
  PortChange change{.protocol = std::string(words[1]), .to = OpenTo::world};
  if (words[0] != name(Family::ipv4) && words[0] != name(Family::ipv6)) return std::nullopt;
  change.family = words[0] == name(Family::ipv4) ? Family::ipv4 : Family::ipv6;
  if (words[2] != name(OpenTo::nobody) && words[2] != name(OpenTo::some)) return std::nullopt;
  change.from = words[2] == name(OpenTo::some) ? OpenTo::some : OpenTo::nobody;
  const auto numbers = read_numbers(words[3]);
  if (!numbers) return std::nullopt;
  change.numbers = *numbers;
  return change;
}

std::optional<RememberedPorts> read_remembered(const Repository& repository) {
  const auto text = read_plain_file(StatePaths(repository).opened());
  if (!text) return std::nullopt;
  RememberedPorts remembered;
  const StateKeys keys{{"question", required(text_key(remembered.question))},
                       {"unknown",
                        {.read =
                             [&](std::string_view word) {
                               remembered.unknown = true;
                               return word == "yes";
                             }}},
                       {"port",
                        {.read =
                             [&](std::string_view line) {
                               auto change = read_change(line);
                               if (!change) return false;
                               remembered.changes.push_back(*std::move(change));
                               return true;
                             },
                         .repeats = true}}};
  if (!parse_state(*text, kOpenedVersion, keys)) return std::nullopt;
  return remembered;
}

void remember(const Repository& repository, const RememberedPorts& ports) {
  StateLines lines;
  lines.add("question", ports.question);
  if (ports.unknown) lines.add("unknown", "yes");
  for (const auto& change : ports.changes) lines.add("port", change_line(change));
  const auto path = StatePaths(repository).opened();
  make_way(path);
  // Without it the next status computes the answer again.
  if (auto kept = write_file(path, lines.text(kOpenedVersion), 0600, Sync::no); !kept)
    log_info("the opened ports were not kept: {}", kept.error().message);
}

// --- the answer

/// Text that parses to more rules than kMostRulesAtOnce need not be parsed.
bool has_too_many_rules(const Files& files) {
  std::size_t count = 0;
  for (const auto& [name, text] : files)
    for (auto at = text.find("\n-A "); at != std::string::npos; at = text.find("\n-A ", at + 1)) ++count;
  return count > kMostRulesAtOnce;
}

Result<std::optional<Ruleset>> rules_of_snapshot(const Repository& repository, const std::string& hash) {
  auto files = TRY(read_snapshot_files(repository, hash, Proof::checksum));
  if (has_too_many_rules(files.files)) return std::optional<Ruleset>{};
  return std::optional(TRY(to_revision(std::move(files))).ruleset);
}

Result<std::optional<PortChanges>> opened_between(const Repository& repository, const std::string& good,
                                                  const std::string& head, const Ruleset* live,
                                                  const HostFacts& facts) {
  const auto before = TRY(rules_of_snapshot(repository, good));
  if (!before) return std::optional<PortChanges>{};
  std::optional<Ruleset> recorded;
  if (live == nullptr) {
    recorded = TRY(rules_of_snapshot(repository, head));
    if (!recorded) return std::optional<PortChanges>{};
    live = &*recorded;
  }
  auto changes = port_changes(*before, *live, facts);
  if (changes) std::erase_if(*changes, [](const PortChange& change) { return change.to != OpenTo::world; });
  return changes;
}

Result<std::optional<PortChanges>> ask_opened(const Repository& repository, const std::string& head,
                                              const Ruleset* live) {
  const auto tags = TRY(repository.tags());
  const auto good = std::ranges::find(tags, kGoodTag, &Tag::name);
  if (good == tags.end() || (live == nullptr && head.empty())) return std::optional<PortChanges>{};
  if (live != nullptr && has_too_many_rules(*live)) return std::optional<PortChanges>{};
  if (live == nullptr && good->hash == head) return std::optional(PortChanges{});
  const auto empty = file_hash("");
  const auto before = rule_files(TRY(repository.file_hashes(good->hash)), empty);
  const auto now =
      rule_files(live != nullptr ? rule_files_of(*live) : TRY(repository.file_hashes(head)), empty);
  if (before == now) return std::optional(PortChanges{});
  const auto facts = lasting_facts();
  RememberedPorts answer{.question = question_digest(before, now, facts)};
  if (auto known = read_remembered(repository); known && known->question == answer.question)
    return known->unknown ? std::optional<PortChanges>{} : std::optional(std::move(known->changes));
  auto opened = TRY(opened_between(repository, good->hash, head, live, facts));
  answer.unknown = !opened;
  if (opened) answer.changes = *opened;
  remember(repository, answer);
  return opened;
}

}  // namespace

std::optional<std::vector<PortChange>> opened_since_good(const Repository& repository,
                                                         const std::string& head, const Ruleset* live) {
  auto opened = ask_opened(repository, head, live);
  if (opened) return *std::move(opened);
  log_info("the ports that were opened are not known: {}", opened.error().message);
  return std::nullopt;
}

}  // namespace rewall
