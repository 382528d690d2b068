#include "judge/judge.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <stdexcept>

#include "analysis/walk.h"
#include "core/format.h"
#include "core/text.h"
#include "rules/parse.h"

namespace rewall::judge {

namespace {

constexpr std::array kFamilies{Family::ipv4, Family::ipv6};
constexpr const char* kTables[] = {"raw", "mangle", "nat", "filter", "security"};

std::string empty_tables() {
  std::string out;
  for (const auto* table : kTables) out += empty_table(table);
  return out;
}

std::string place_text(const Place& place) {
  return std::string(name(place.backend)) + " " + place.table + " " + place.chain + " " +
         std::to_string(place.pos);
}

/// An answer that says that the packet is refused, and not that its time was up.
bool refuses(const Seen& answer) {
  if (answer.protocol == 6) return (answer.tcp_flags & 4) != 0;
  if (answer.family == Family::ipv4) return answer.protocol == 1 && answer.type == 3;
  return answer.protocol == 58 && answer.type == 1;
}
bool expired(const Seen& answer) {
  return answer.family == Family::ipv4 ? answer.protocol == 1 && answer.type == 11
                                       : answer.protocol == 58 && answer.type == 3;
}

std::string text_of(const Seen& seen) {
  std::string out = address_text(seen.source, seen.family) + "." + std::to_string(seen.source_port) + " > " +
                    address_text(seen.destination, seen.family) + "." +
                    std::to_string(seen.destination_port) + " proto " + std::to_string(seen.protocol);
  if (is_icmp(seen.protocol, seen.family))
    out += " type " + std::to_string(seen.type) + "/" + std::to_string(seen.code);
  return out + " ttl " + std::to_string(seen.ttl) + " tos " + std::to_string(seen.tos);
}

bool belongs(const Shot& shot, const Connection& to) {
  const auto& of = shot.connection;
  const bool there = of.source == to.source && of.destination == to.destination &&
                     of.source_port == to.source_port && of.destination_port == to.destination_port;
  const bool back = of.source == to.reply_source && of.destination == to.reply_destination &&
                    of.source_port == to.reply_source_port &&
                    of.destination_port == to.reply_destination_port;
  return of.protocol == to.protocol && (there || back);
}

/// What rests on more than the packet: these decide nothing that the model could know.
bool is_unknown(const std::string& part) {
  static const std::set<std::string> kUnknown{"limit",  "statistic", "recent", "u32",
                                              "string", "connbytes", "cpu"};
  if (part.starts_with("-j NFQUEUE")) return true;
  return part.starts_with("-m ") && kUnknown.contains(part.substr(3, part.find(' ', 3) - 3));
}

}  // namespace

struct Judge::Loaded {
  Ruleset ruleset{};
  std::string text{};  ///< for people
  std::map<Family, std::unique_ptr<Model>> models{};
  std::map<std::pair<Family, Place>, std::string_view> words{};
  std::map<std::pair<Family, Place>, std::vector<std::string>> parts{};
};

std::string Judge::restore_program(Family family, Backend backend, const char* what) const {
  return (family == Family::ipv4 ? "iptables-" : "ip6tables-") + std::string(name(backend)) + "-" + what;
}

std::set<std::string> Judge::set_types() {
  std::set<std::string> out;
  for (const std::string type :
       {"hash:ip", "hash:net", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net", "hash:net,port",
        "hash:net,iface", "hash:net,net", "hash:net,port,net", "hash:ip,mark", "hash:mac", "hash:ip,mac",
        "bitmap:ip", "bitmap:port", "bitmap:ip,mac", "list:set"}) {
    const std::string range = type == "bitmap:port"        ? " range 0-9"
                              : type.starts_with("bitmap") ? " range 10.1.0.0-10.1.0.255"
                                                           : "";
    if (lab_.program({"ipset", "restore"}, "create t " + type + range + "\ndestroy t\n")) out.insert(type);
  }
  return out;
}

void Judge::load_empty(bool nft, bool legacy) {
  for (const auto family : kFamilies)
    for (const auto backend : {Backend::nft, Backend::legacy}) {
      if (!(backend == Backend::nft ? nft : legacy)) continue;
      if (!lab_.program({restore_program(family, backend, "restore")}, empty_tables()))
        throw std::runtime_error(lab_.error);
    }
  std::string gone;
  for (const auto& set : old_sets_) gone += "destroy " + set + "\n";
  old_sets_.clear();
  if (!gone.empty() && !lab_.program({"ipset", "restore"}, gone)) throw std::runtime_error(lab_.error);
}

/// Loads a text without the rules that the host's programs refuse.
bool Judge::restore(Family family, Backend backend, std::string text) {
  for (int tries = 0; tries < 12; ++tries) {
    if (lab_.program({restore_program(family, backend, "restore")}, text)) return true;
    // "Error occurred at line: 9", "line 23: RULE_APPEND failed (Invalid argument): ..."
    const auto at = lab_.error.rfind("line");
    const auto digits = at == std::string::npos ? at : lab_.error.find_first_of("0123456789", at);
    if (digits == std::string::npos) return false;
    auto lines = split_lines(text);
    const auto number = std::strtoul(lab_.error.c_str() + digits, nullptr, 10);
    if (number == 0 || number > lines.size() || !lines[number - 1].starts_with("-A")) {
      ++report_.refusals["at COMMIT"];
      return false;
    }
    ++report_.refusals[std::string(name(backend)) + ": " + std::string(lines[number - 1]) +
                       lab_.error.substr(0, 160)];
    std::string rest;
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (i + 1 != number) rest.append(lines[i]) += '\n';
    text = std::move(rest);
  }
  return false;
}

bool Judge::load(const RulesetText& text, bool nft, bool legacy) {
  loaded_ = std::make_shared<Loaded>();
  if (!text.sets.empty()) {
    old_sets_ = text.set_names;
    if (!lab_.program({"ipset", "restore"}, text.sets)) {
      (void)lab_.program({"ipset", "destroy"});
      old_sets_.clear();
      return false;
    }
  }
  for (const auto& [where, words] : text.tables)
    if (!restore(where.first, where.second, words)) return false;
  auto& out = loaded_->ruleset;
  out.backend = nft ? Backend::nft : Backend::legacy;
  for (const auto family : kFamilies)
    for (const auto backend : {Backend::nft, Backend::legacy}) {
      if (!(backend == Backend::nft ? nft : legacy)) continue;
      const auto saved = lab_.program({restore_program(family, backend, "save")});
      if (!saved) throw std::runtime_error(lab_.error);
      loaded_->text += "### " + restore_program(family, backend, "save") + "\n" + *saved;
      auto tables = parse_saved(*saved, family, "save");
      if (!tables) throw std::runtime_error(tables.error().message);
      out[Slot{family, nft && legacy && backend == Backend::legacy}] = *std::move(tables);
    }
  const auto sets = lab_.program({"ipset", "save"});
  if (!sets) throw std::runtime_error(lab_.error);
  loaded_->text += "### ipset save\n" + *sets;
  auto parsed = parse_sets(*sets, "sets");
  if (!parsed) throw std::runtime_error(parsed.error().message);
  out.sets = *std::move(parsed);
  for (const auto slot : Ruleset::slots())
    for (const auto& table : out[slot].tables)
      for (const auto& chain : table.chains)
        for (std::size_t i = 0; i < chain.rules.size(); ++i) {
          const Place place{out.backend_of(slot), table.name, chain.name, i + 1};
          loaded_->words[{slot.family, place}] = chain.rules[i].words;
        }
  for (const auto family : kFamilies)
    loaded_->models[family] = std::make_unique<Model>(out, family, lab_.facts());
  lab_.learn(nft, legacy);
  return true;
}

std::vector<Shot> Judge::connect(Family family, std::size_t count) {
  std::vector<Shot> out;
  for (std::size_t i = 0; i < count * 2 && out.size() < count; ++i) {
    auto shot = packets_.first(family);
    if (std::ranges::any_of(out, [&](const Shot& other) {
          return other.connection.source_port == shot.connection.source_port &&
                 other.connection.destination_port == shot.connection.destination_port;
        }))
      continue;
    const auto leave = [&](Shot one) {
      one.go = true;
      const auto outcome = lab_.shoot(one, false);
      if (!outcome.arrived || (outcome.at == Hook::postrouting && !outcome.far))
        throw std::runtime_error("a first packet was lost: " + words_of(one));
    };
    leave(shot);
    auto reply = shot;
    std::swap(reply.source, reply.destination);
    std::swap(reply.source_port, reply.destination_port);
    reply.hook = shot.hook == Hook::input    ? Hook::output
                 : shot.hook == Hook::output ? Hook::input
                                             : Hook::forward;
    reply.in = shot.hook == Hook::input ? "" : shot.out;
    reply.tcp_flags = 18;
    reply.icmp_type = family == Family::ipv4 ? 0 : 129;
    leave(reply);
    shot.tcp_flags = 16;
    if (shot.protocol == 6) leave(shot);
    shot.connection.status = seen_reply | assured | confirmed;
    shot.connection.mark = static_cast<std::uint32_t>(chance_.one_in(2)   ? 0
                                                      : chance_.one_in(2) ? chance_.below(4)
                                                                          : chance_.number());
    out.push_back(shot);
  }
  return out;
}

bool Judge::run_one(const RulesetText& text, std::size_t packets, bool nft, bool legacy) {
  load_empty(nft, legacy);
  packets_.take(text, report_.decided);
  std::map<Family, std::vector<Shot>> pool;
  for (const auto family : kFamilies) pool[family] = connect(family, 8);
  const bool loads = load(text, nft, legacy);
  if (!loads) ++report_.refused;
  if (loads) {
    ++report_.rulesets;
    for (std::size_t i = 0; i < packets; ++i) {
      const auto family = only_ ? *only_ : i % 2 == 0 ? Family::ipv4 : Family::ipv6;
      const auto& connections = pool[family];
      // By chance a new packet can be one of a connection that is there.
      const auto there_already = [&](const Shot& shot) {
        return std::ranges::any_of(connections, [&](const Shot& of) { return belongs(shot, of.connection); });
      };
      const auto what = chance_.below(16);
      if (what < 3 && !connections.empty()) {
        const auto& of = chance_.any(connections);
        auto shot = packets_.established(of);
        lab_.set_mark(of, of.connection.mark);
        judge(shot);
      } else if (what == 3 && !connections.empty()) {
        const auto& of = chance_.any(connections);
        auto shot = packets_.related(of);
        lab_.set_mark(of, of.connection.mark);
        judge(shot);
      } else if (what == 4) {
        const auto shot = packets_.first(family);
        if (!there_already(shot)) flow(shot);
      } else {
        auto shot = packets_.next(family);
        if (!there_already(shot)) judge(shot);
      }
    }
  }
  for (const auto& [family, connections] : pool)
    for (const auto& of : connections) lab_.forget(of);
  return loads;
}

/// Gives the lab's interfaces names, addresses and networks that the rules speak of.
void Judge::move_in(const Tables& tables) {
  std::set<std::string> names;
  std::vector<std::string> addresses;
  for (const auto& table : tables.tables)
    for (const auto& chain : table.chains)
      for (const auto& rule : chain.rules) {
        const auto parsed = parse_rule(rule.words, tables.family);
        if (!parsed) continue;
        for (const auto& option : parsed->options) {
          if (option.values.empty()) continue;
          auto value = option.values[0];
          if (option.name == "-s" || option.name == "-d") addresses.push_back(value);
          if (option.name != "-i" && option.name != "-o") continue;
          if (value.ends_with('+')) value.back() = '0';
          if (value.size() < 16 && value != "lo" && value.find_first_of("/: %") == std::string::npos)
            names.insert(value);
        }
      }
  const std::vector<std::string> all(names.begin(), names.end());
  for (std::size_t i = 1; i < lab_.links().size() && !all.empty(); ++i) {
    const auto& name = chance_.any(all);
    if (std::ranges::none_of(lab_.links(), [&](const Link& link) { return link.name == name; }))
      lab_.rename(i, name);
  }
  const unsigned width = tables.family == Family::ipv4 ? 32 : 128;
  for (int i = 0; i < 8 && !addresses.empty(); ++i) {
    const auto& text = chance_.any(addresses);
    const auto slash = text.find('/');
    const auto length = slash == std::string::npos
                            ? width
                            : static_cast<unsigned>(std::strtoul(text.c_str() + slash + 1, nullptr, 10));
    if (text.find('.', slash == std::string::npos ? text.size() : slash) != std::string::npos || length < 8 ||
        length > width)
      continue;
    std::vector<std::string> words{"-s", text.substr(0, slash)};
    const auto packet = read_packet(words, tables.family);
    if (!packet) continue;
    const Number address = (*packet)[Field::source].ranges()[0].first;
    const auto odd = tables.family == Family::ipv4
                         ? address >> 28 >= 14 || address >> 24 == 127 || address >> 24 == 0
                         : address >> 125 != 1 && address >> 121 != 0x7e;
    const auto link = chance_.between(1, lab_.links().size() - 1);
    if (odd || lab_.route(address, tables.family) == "lo") continue;
    if (length == width)
      lab_.add_address(link, address, tables.family);
    else if (length + 2 <= width)
      lab_.add_network(
          link, {address & ~greatest_number(width - length), address | greatest_number(width - length)},
          length, tables.family);
  }
}

bool Judge::run_dump(const std::string& dump, Family family, Backend backend, std::size_t packets) {
  const bool nft = backend == Backend::nft;
  load_empty(nft, !nft);
  if (!lab_.program({restore_program(family, backend, "restore")}, dump)) {
    load_empty(nft, !nft);
    return false;
  }
  const auto saved = lab_.program({restore_program(family, backend, "save")});
  if (!saved) throw std::runtime_error(lab_.error);
  auto tables = parse_saved(*saved, family, "save");
  if (!tables) throw std::runtime_error(tables.error().message);
  lab_.forget_places();
  move_in(*tables);
  RulesetText text;
  text.tables[{family, backend}] = *saved;
  only_ = family;
  const bool loads = run_one(text, packets, nft, !nft);
  only_.reset();
  return loads;
}

void Judge::run_random(std::size_t packets, std::size_t packets_each, bool nft, bool legacy) {
  RandomRulesets rulesets(seed_ * 7919 + 1, set_types(), report_.decided);
  const auto until = report_.packets + packets;
  while (report_.packets < until) {
    const bool both = nft && legacy && chance_.one_in(8);
    const bool on_nft = nft && (both || !legacy || chance_.one_in(2));
    run_one(rulesets.next(on_nft, both || !on_nft), packets_each, on_nft, both || !on_nft);
    // The other backend's tables must be empty for the next.
    load_empty(on_nft, both || !on_nft);
    if (report_.refused > 20 + report_.rulesets)
      throw std::runtime_error("too many rulesets do not load: " + lab_.error);
  }
}

Outcome Judge::judged(Shot& shot) {
  auto outcome = lab_.shoot(shot);
  ++report_.packets;
  for (const auto& place : outcome.counted)
    for (const auto& part : parts(shot.family, place)) ++report_.matched[part];
  compare(shot, outcome);
  return outcome;
}

void Judge::judge(Shot& shot) {
  (void)judged(shot);
}

void Judge::flow(Shot shot) {
  shot.go = true;
  const auto there = judged(shot);
  if (there.arrived && there.connection_mark) {
    // What answers: from where the packet arrived.
    auto reply = shot;
    reply.source = there.arrived->destination;
    reply.destination = there.arrived->source;
    reply.source_port = there.arrived->destination_port;
    reply.destination_port = there.arrived->source_port;
    reply.tcp_flags = 18;
    reply.icmp_type = shot.family == Family::ipv4 ? 0 : 129;
    reply.icmp_id = there.arrived->icmp_id;
    reply.ttl = 64;
    const bool from_here = there.at == Hook::input;
    reply.in = from_here ? "" : there.out;
    reply.mark = 0;
    reply.state = ConnectionState::established;
    reply.reply = true;
    auto& of = reply.connection;
    of.reply_source = reply.source;
    of.reply_destination = reply.destination;
    of.reply_source_port = reply.source_port;
    of.reply_destination_port = reply.destination_port;
    of.mark = *there.connection_mark;
    const bool dnat_done = of.reply_source != of.destination ||
                           (has_ports(of.protocol) && of.reply_source_port != of.destination_port);
    const bool snat_done = of.reply_destination != of.source ||
                           (has_ports(of.protocol) && of.reply_destination_port != of.source_port);
    of.status =
        static_cast<std::uint8_t>(seen_reply | confirmed | (dnat_done ? dnat : 0) | (snat_done ? snat : 0));
    const auto to = lab_.route(reply.destination, reply.family);
    reply.hook = from_here ? Hook::output : to == "lo" ? Hook::input : Hook::forward;
    // PREROUTING gives it back the destination by which it leaves.
    const auto out = reply.hook == Hook::forward ? lab_.route(of.source, reply.family) : to;
    reply.out = reply.hook == Hook::input ? "" : out;
    // The lab's own interface has no far end.
    if (from_here || (there.out != "lo" && there.far)) {
      reply.tag = static_cast<std::uint16_t>(reply.tag ^ 0x4000);
      (void)judged(reply);
    }
  }
  if (there.connection_mark) lab_.forget(shot);
}

const std::vector<std::string>& Judge::parts(Family family, const Place& place) {
  auto& known = loaded_->parts[{family, place}];
  if (known.empty())
    if (const auto words = loaded_->words.find({family, place}); words != loaded_->words.end())
      if (const auto rule = parse_rule(words->second, family))
        known = parts_of(*rule, &loaded_->ruleset.sets);
  return known;
}

void Judge::disagree(const std::string& kind, const Shot& shot, const Outcome& outcome) {
  if (odd_dccp(shot)) {
    ++report_.verdicts["of a protocol that this kernel does not track"];
    return;
  }
  ++report_.disagreements[kind];
  ++report_.disagreement_count;
  if (report_.disagreements[kind] > 12) return;
  std::string out = "=== " + kind + ": seed " + std::to_string(seed_) + ", ruleset " +
                    std::to_string(report_.rulesets) + ", packet " + std::to_string(report_.packets) + "\n" +
                    packet_words(asked(shot, outcome)) + "\nkernel:\n";
  for (const auto& place : outcome.counted)
    out += "  " + place_text(place) + ": " + std::string(loaded_->words[{shot.family, place}]) + "\n";
  if (outcome.arrived)
    out += "  arrived at " + std::string(name(outcome.at)) + " " + outcome.out + ": " +
           text_of(*outcome.arrived) + " mark " + std::to_string(outcome.mark) + " connmark " +
           (outcome.connection_mark ? std::to_string(*outcome.connection_mark) : "none") + "\n";
  for (const auto& answer : outcome.answers) out += "  answer: " + text_of(answer) + "\n";
  const auto said = trace(*loaded_->models[shot.family], asked(shot, outcome), Why::yes);
  out += "model: " + std::string(name(said.verdict)) + "\n";
  for (const auto& step : said.path) {
    out += "  " + std::string(name(step.backend)) + " " + step.table + " " + step.chain + " " +
           std::to_string(step.pos) + ": " + step.rule + " [" + step.action + "]" +
           (step.perhaps ? " perhaps: " + step.hangs_on : "") + "\n";
  }
  for (const auto& word : said.depends_on) out += "  depends on " + word + "\n";
  out += "  left as " + packet_words(said.packet) + "\n";
  std::cout << out;
  if (const char* folder = std::getenv("REWALL_JUDGE_FOLDER")) {
    std::ofstream file(std::string(folder) + "/" + std::to_string(seed_) + "-" +
                       std::to_string(report_.rulesets) + "-" + std::to_string(report_.packets));
    file << out;
    for (const auto& step : said.path)
      for (const auto& passed : step.passed)
        file << "    passed in " << step.table << " " << step.chain << " " << passed.pos << ": "
             << passed.rule << ": " << passed.condition << " but " << passed.value << "\n";
    file << loaded_->text;
  }
}

/// The packet, with the interface that it left by. Where a rule sent it to another destination, and it was
/// dropped behind that, nobody knows.
Packet Judge::asked(const Shot& shot, const Outcome& outcome) {
  auto packet = packet_of(shot);
  if (shot.hook == Hook::output) return packet;
  const bool translated = std::ranges::any_of(outcome.counted, [&](const Place& place) {
    if (place.table != "nat") return false;
    const auto words = loaded_->words[{shot.family, place}];
    return words.find("-j DNAT") != words.npos || words.find("-j REDIRECT") != words.npos ||
           words.find("-j NETMAP") != words.npos;
  });
  auto& out = packet[Field::out_interface];
  if (outcome.arrived && outcome.at == Hook::postrouting)
    out = NumberSet::one(interface_number(outcome.out));
  else if (shot.hook == Hook::input || translated)
    out = whole(Field::out_interface, shot.family);
  return packet;
}

/// A kernel without connection tracking of DCCP sees no ports of it where rules ask for the connection's, or
/// for NAT.
bool Judge::odd_dccp(const Shot& shot) const {
  static const bool tracked = std::filesystem::exists("/proc/sys/net/netfilter/nf_conntrack_dccp_loose");
  if (shot.protocol != 33 || tracked) return false;
  const auto& text = loaded_->text;
  for (const auto* word : {"srcport", "dstport", "-j SNAT", "-j DNAT", "-j MASQUERADE", "-j REDIRECT"})
    if (text.find(word) != text.npos) return true;
  return false;
}

/// Versions of Linux redirect multicast of IPv6 to other addresses; and the first address of an IPv6 network,
/// to which a rule can send a packet, is one of this host where it is a router. What NAT makes a broadcast of
/// in OUTPUT meets POSTROUTING twice: this host hears it too (ip_mc_output() of net/ipv4/ip_output.c).
bool Judge::beyond_the_lab(const Shot& shot, const Outcome& outcome, const Trace& said) const {
  if (shot.family == Family::ipv4)
    return shot.hook == Hook::output &&
           std::ranges::any_of(lab_.facts().interfaces, [&](const auto& interface) {
             return std::ranges::any_of(interface.v4_networks, [&](const auto& network) {
               return shot.destination != network.last &&
                      said.packet[Field::destination].contains(network.last);
             });
           });
  if (shot.packet_type != 0 &&
      std::ranges::any_of(outcome.counted, [&](const Place& place) { return place.table == "nat"; }))
    return true;
  for (const auto& interface : lab_.facts().interfaces)
    for (const auto& network : interface.v6_networks)
      if (said.packet[Field::destination].contains(network.first) && shot.destination != network.first)
        return true;
  return false;
}

void Judge::compare(const Shot& shot, const Outcome& outcome) {
  const auto packet = asked(shot, outcome);
  const auto said = trace(*loaded_->models[shot.family], packet);
  if (beyond_the_lab(shot, outcome, said)) {
    ++report_.verdicts["left out"];
    return;
  }
  if (const auto quick = verdict(*loaded_->models[shot.family], packet); quick != said.verdict) {
    disagree("verdict() " + std::string(name(quick)) + " for trace() " + std::string(name(said.verdict)),
             shot, outcome);
    return;
  }
  static constexpr const char* kStates[] = {"INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"};
  ++report_.states[kStates[static_cast<std::size_t>(shot.state)]];
  const bool refused = std::ranges::any_of(outcome.answers, refuses);
  if (!outcome.arrived && std::ranges::any_of(outcome.answers, expired)) {
    ++report_.verdicts["expired"];
    return;
  }
  const Verdict kernel = outcome.arrived ? Verdict::accept : refused ? Verdict::reject : Verdict::drop;
  ++report_.verdicts[std::string(name(kernel))];
  const bool unknown = std::ranges::any_of(said.path, [](const Step& step) { return step.perhaps; });
  if (said.verdict == Verdict::depends) {
    ++report_.depends_count;
    for (const auto& word : said.depends_on) ++report_.depends[word];
    return;
  }
  if (said.verdict != kernel) {
    // Nobody answers a RST, an ICMP error, what all hear, or a wrong checksum: such a REJECT is a drop to
    // see. Of protocols that REJECT does not know it finds every checksum wrong (nf_ip_checksum).
    const bool broadcast = shot.hook == Hook::input && lab_.route(shot.destination, shot.family) != "lo";
    const bool unanswered = (shot.protocol != 6 && shot.protocol != 17) ||
                            (shot.protocol == 6 && (shot.tcp_flags & 4) != 0) || shot.packet_type != 0 ||
                            shot.bad_checksum || broadcast;
    if (said.verdict != Verdict::reject || kernel != Verdict::drop || !unanswered) {
      disagree("verdict " + std::string(name(said.verdict)) + " for " + std::string(name(kernel)), shot,
               outcome);
      return;
    }
  }
  if (unknown) {
    ++report_.with_unknowns;
    return;
  }
  std::vector<Place> expected;
  for (const auto& step : said.path)
    if (step.pos != 0 && !step.chain.empty())
      expected.push_back({step.backend, step.table, step.chain, step.pos});
  auto counted = outcome.counted;
  std::erase_if(counted, [](const Place& place) { return place.pos == 0; });
  std::ranges::sort(expected);
  std::ranges::sort(counted);
  if (expected != counted) {
    disagree("rules", shot, outcome);
    return;
  }
  for (auto step = said.path.rbegin(); step != said.path.rend(); ++step) {
    if (step->pos == 0 || step->chain.empty()) continue;
    for (const auto& part : parts(shot.family, {step->backend, step->table, step->chain, step->pos}))
      ++report_.decided[part];
    break;
  }
  if (!outcome.arrived) return;
  const auto check = [&](Field field, Number value, const char* what) {
    if (said.packet[field].contains(value)) return true;
    disagree(std::string("left with another ") + what, shot, outcome);
    return false;
  };
  const auto& seen = *outcome.arrived;
  if (seen.source != shot.source || seen.destination != shot.destination ||
      (has_ports(shot.protocol) &&
       (seen.source_port != shot.source_port || seen.destination_port != shot.destination_port)))
    ++report_.translated;
  if (!check(Field::source, seen.source, "source") ||
      !check(Field::destination, seen.destination, "destination") || !check(Field::ttl, seen.ttl, "ttl") ||
      !check(Field::tos, seen.tos, "tos") || !check(Field::mark, outcome.mark, "mark"))
    return;
  if (has_ports(shot.protocol) &&
      (!check(Field::source_port, seen.source_port, "source port") ||
       !check(Field::destination_port, seen.destination_port, "destination port")))
    return;
  if (outcome.connection_mark)
    (void)check(Field::connection_mark, *outcome.connection_mark, "connection mark");
}

std::string Judge::summary(bool coverage) const {
  std::string out = "seed " + std::to_string(seed_) + ": " + std::to_string(report_.packets) + " packets, " +
                    std::to_string(report_.rulesets) + " rulesets (" + std::to_string(report_.refused) +
                    " refused), " + std::to_string(report_.disagreement_count) + " disagreements, " +
                    std::to_string(report_.depends_count) + " depend, " +
                    std::to_string(report_.with_unknowns) + " more met an unknown, " +
                    std::to_string(report_.translated) + " translated\n";
  const auto list = [&](const char* what, const auto& map) {
    out += std::string("  ") + what + ":";
    for (const auto& [word, count] : map) out += " " + word + " " + std::to_string(count) + ";";
    out += "\n";
  };
  list("verdicts", report_.verdicts);
  list("states", report_.states);
  list("disagreements", report_.disagreements);
  if (coverage) {
    if (std::getenv("REWALL_JUDGE_REFUSALS") != nullptr)
      for (const auto& [word, count] : report_.refusals)
        out += "refused: " + std::to_string(count) + " x " + word + "\n";
    list("depends on", report_.depends);
    for (const auto& [word, count] : report_.matched) {
      const auto decided = report_.decided.find(word);
      out += "  " + std::to_string(count) + " x " + word + ", decided " +
             std::to_string(decided == report_.decided.end() ? 0 : decided->second) + "\n";
    }
    out += "  decided less than " + std::to_string(kEnough) + " packets:";
    for (const auto& [word, count] : report_.matched) {
      const auto decided = report_.decided.find(word);
      const auto times = decided == report_.decided.end() ? 0 : decided->second;
      if (times < kEnough && !is_unknown(word)) out += " " + word + " " + std::to_string(times) + ";";
    }
    out += "\n";
  }
  return out;
}

}  // namespace rewall::judge
