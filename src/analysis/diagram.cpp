#include "analysis/diagram.h"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace rewall {
namespace {

constexpr std::uint32_t kFree = 0xffffffffU;
constexpr std::size_t kFirstTable = 1U << 10U;
constexpr std::size_t kFirstMemory = 1U << 10U;
constexpr std::size_t kLargestMemory = 1U << 21U;
constexpr unsigned kDeepestNesting = 8000;  // of the stack, some 300 bytes each

constexpr std::uint64_t mixed_hash(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 29U);
}

}  // namespace

Diagrams::Diagrams(const std::vector<unsigned>& bits) : table_(kFirstTable, kFree) {
  for (const auto n : bits) add_level(n);
  applied_.assign(kFirstMemory, {.f = kFree});
  chosen_.assign(kFirstMemory, {.f = kFree});
}

std::size_t Diagrams::add_level(unsigned bits) {
  greatest_.push_back(greatest_number(bits));
  return greatest_.size() - 1;
}

void Diagrams::push(std::size_t begin, Number last, Diagram to) {
  if (parts_.size() > begin && parts_.back().to == to)
    parts_.back().last = last;
  else
    parts_.push_back({last, to});
}

void Diagrams::grow_table() {
  table_.assign(table_.size() * 2, kFree);
  const auto mask = table_.size() - 1;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    auto slot = nodes_[i].hash & mask;
    while (table_[slot] != kFree) slot = (slot + 1) & mask;
    table_[slot] = i;
  }
  if (applied_.size() < std::min(table_.size(), kLargestMemory)) {
    auto before = std::move(applied_);
    applied_.assign(table_.size(), {.f = kFree});
    for (const auto& one : before)
      if (one.f != kFree) remember(applied_, one);
    chosen_.assign(table_.size(), {.f = kFree});
  }
}

// Makes a node of the parts from `begin` on, unless it is there, and takes them away.
Diagram Diagrams::finish(std::size_t level, std::size_t begin) {
  const std::span<const Part> parts(parts_.data() + begin, parts_.size() - begin);
  if (parts.size() == 1) {
    const auto only = parts.front().to;
    parts_.resize(begin);
    return only;
  }
  std::uint64_t long_hash = level;
  for (const auto& [last, to] : parts) {
    long_hash = mixed_hash(long_hash, static_cast<std::uint64_t>(last));
    long_hash = mixed_hash(long_hash, static_cast<std::uint64_t>(last >> 64U) ^ (std::uint64_t{to} << 20U));
  }
  const auto hash = static_cast<std::uint32_t>(long_hash ^ (long_hash >> 32U));
  const auto mask = table_.size() - 1;
  auto slot = hash & mask;
  for (; table_[slot] != kFree; slot = (slot + 1) & mask) {
    const auto& node = nodes_[table_[slot]];
    if (node.hash != hash || node.level != level || node.count != parts.size()) continue;
    bool equal = true;
    for (std::size_t i = 0; equal && i < parts.size(); ++i)
      equal = last_[node.first + i] == parts[i].last && to_[node.first + i] == parts[i].to;
    if (!equal) continue;
    parts_.resize(begin);
    return table_[slot];
  }
  const auto made = static_cast<std::uint32_t>(nodes_.size());
  table_[slot] = made;
  nodes_.push_back({.level = static_cast<std::uint32_t>(level),
                    .first = static_cast<std::uint32_t>(last_.size()),
                    .count = static_cast<std::uint32_t>(parts.size()),
                    .hash = hash});
  for (const auto& [last, to] : parts) {
    last_.push_back(last);
    to_.push_back(to);
  }
  parts_.resize(begin);
  gave_up_ = gave_up_ || last_.size() > most_edges_;
  if (nodes_.size() * 2 > table_.size()) grow_table();
  return made;
}

Diagram Diagrams::test(std::size_t level, const NumberSet& numbers, Diagram in, Diagram out) {
  const auto begin = parts_.size();
  const auto greatest = greatest_[level];
  Number next = 0;
  bool ended = false;
  for (const auto& [first, last] : numbers.ranges()) {
    if (first > greatest) break;
    if (first > next) push(begin, first - 1, out);
    push(begin, std::min(last, greatest), in);
    ended = last >= greatest;
    next = last + 1;
  }
  if (!ended) push(begin, greatest, out);
  return finish(level, begin);
}

void Diagrams::remember(std::vector<Remembered>& memory, const Remembered& what) {
  memory[mixed_hash(mixed_hash(what.f, what.g), what.h) & (memory.size() - 1)] = what;
}

const Diagrams::Remembered& Diagrams::recall(const std::vector<Remembered>& memory, Diagram f, Diagram g,
                                             Diagram h) const {
  return memory[mixed_hash(mixed_hash(f, g), h) & (memory.size() - 1)];
}

Diagram Diagrams::apply(Operation operation, Leaf outcome, Diagram f, Diagram g) {
  if (is_constant(f)) {
    if (operation == Operation::either) return f == no() ? g : f;
    return leaf(f) == outcome ? g : f;
  }
  if (f == g) return f;
  if (operation != Operation::replace) {
    if (is_constant(g)) return apply(operation, outcome, g, f);
    if (f > g) std::swap(f, g);
  } else if (g == constant(outcome)) {
    return f;
  }
  if (gave_up_) return no();
  const auto h = outcome * 4 + static_cast<Diagram>(operation);
  if (const auto& known = recall(applied_, f, g, h); known.f == f && known.g == g && known.h == h)
    return known.result;
  gave_up_ = ++depth_ > kDeepestNesting;
  const auto result = apply_new(operation, outcome, f, g);
  --depth_;
  remember(applied_, {f, g, h, result});
  return result;
}

Diagram Diagrams::apply_new(Operation operation, Leaf outcome, Diagram f, Diagram g) {
  const auto begin = parts_.size();
  const auto level_f = level_or_end(f);
  const auto level_g = level_or_end(g);
  const auto level = std::min(level_f, level_g);
  // Nodes may move while the edges are walked, and are asked for again each time.
  std::uint32_t i = 0;
  std::uint32_t j = 0;
  const auto count_f = level_f == level ? nodes_[f].count : 0;
  const auto count_g = level_g == level ? nodes_[g].count : 0;
  while (i < count_f || j < count_g) {
    const auto from_f = count_f != 0 ? to_[nodes_[f].first + i] : f;
    const auto from_g = count_g != 0 ? to_[nodes_[g].first + j] : g;
    const auto last_f = count_f != 0 ? last_[nodes_[f].first + i] : greatest_[level];
    const auto last_g = count_g != 0 ? last_[nodes_[g].first + j] : greatest_[level];
    const auto last = std::min(last_f, last_g);
    const auto to = apply(operation, outcome, from_f, from_g);
    push(begin, last, to);
    if (count_f != 0 && last_f == last) ++i;
    if (count_g != 0 && last_g == last) ++j;
  }
  return finish(level, begin);
}

Diagram Diagrams::both(Diagram a, Diagram b) {
  return apply(Operation::both, 1, a, b);
}

Diagram Diagrams::either(Diagram a, Diagram b) {
  return apply(Operation::either, 0, a, b);
}

Diagram Diagrams::replace(Diagram f, Leaf outcome, Diagram by) {
  return apply(Operation::replace, outcome, f, by);
}

Diagram Diagrams::choose(Diagram condition, Diagram a, Diagram b) {
  if (is_constant(condition)) return condition == yes() ? a : b;
  if (a == b) return a;
  if (a == yes() && b == no()) return condition;
  if (const auto& known = recall(chosen_, condition, a, b);
      known.f == condition && known.g == a && known.h == b)
    return known.result;
  if (gave_up_) return no();
  gave_up_ = ++depth_ > kDeepestNesting;
  const auto result = choose_new(condition, a, b);
  --depth_;
  remember(chosen_, {condition, a, b, result});
  return result;
}

Diagram Diagrams::choose_new(Diagram condition, Diagram a, Diagram b) {
  const auto begin = parts_.size();
  const std::array<Diagram, 3> all{condition, a, b};
  const auto level = std::min({level_or_end(condition), level_or_end(a), level_or_end(b)});
  std::array<std::uint32_t, 3> place{};
  for (;;) {
    std::array<Diagram, 3> to = all;
    std::array<Number, 3> lasts{};
    Number last = greatest_[level];
    for (std::size_t k = 0; k < 3; ++k) {
      lasts[k] = greatest_[level];
      if (level_or_end(all[k]) != level) continue;
      const auto edge = nodes_[all[k]].first + place[k];
      to[k] = to_[edge];
      lasts[k] = last_[edge];
      last = std::min(last, lasts[k]);
    }
    push(begin, last, choose(to[0], to[1], to[2]));
    if (last == greatest_[level]) break;
    for (std::size_t k = 0; k < 3; ++k)
      if (lasts[k] == last) ++place[k];
  }
  return finish(level, begin);
}

template <class Of>
Diagram Diagrams::map_nodes(Diagram f, const Of& of_constant, std::unordered_map<Diagram, Diagram>& done) {
  if (is_constant(f)) return of_constant(f);
  if (const auto found = done.find(f); found != done.end()) return found->second;
  std::vector<Part> parts;
  const auto node = nodes_[f];
  parts.reserve(node.count);
  bool later = true;
  for (std::uint32_t i = 0; i < node.count; ++i) {
    const auto to = map_nodes(to_[node.first + i], of_constant, done);
    later = later && level_or_end(to) > node.level;
    parts.push_back({last_[node.first + i], to});
  }
  Diagram result = 0;
  if (later) {
    const auto begin = parts_.size();
    for (const auto& [last, to] : parts) push(begin, last, to);
    result = finish(node.level, begin);
  } else {
    result = split(node.level, std::move(parts));
  }
  done.emplace(f, result);
  return result;
}

// A balanced tree of choices: each range is asked for at its place among the levels of what it goes to.
Diagram Diagrams::split(std::size_t level, std::vector<Part> parts) {
  std::unordered_map<Diagram, std::vector<NumberRange>> ranges;
  std::vector<Diagram> order;
  Number first = 0;
  for (const auto& [last, to] : parts) {
    if (!ranges.contains(to)) order.push_back(to);
    ranges[to].push_back({first, last});
    first = last + 1;
  }
  std::vector<std::pair<NumberSet, Diagram>> choices;
  for (const auto to : order) choices.emplace_back(NumberSet(std::move(ranges[to])), to);
  while (choices.size() > 1) {
    std::vector<std::pair<NumberSet, Diagram>> fewer;
    for (std::size_t i = 0; i < choices.size(); i += 2) {
      if (i + 1 == choices.size()) {
        fewer.push_back(std::move(choices[i]));
        continue;
      }
      const auto in = test(level, choices[i].first);
      fewer.emplace_back(rewall::either(choices[i].first, choices[i + 1].first),
                         choose(in, choices[i].second, choices[i + 1].second));
    }
    choices = std::move(fewer);
  }
  return choices.front().second;
}

Diagram Diagrams::translate(Diagram f, const std::function<Leaf(Leaf)>& outcome) {
  std::unordered_map<Diagram, Diagram> done;
  return map_nodes(
      f, [&](Diagram one) { return constant(outcome(leaf(one))); }, done);
}

Diagram Diagrams::where(Diagram f, const std::function<bool(Leaf)>& is) {
  return translate(f, [&](Leaf outcome) { return is(outcome) ? 1U : 0U; });
}

Diagram Diagrams::replace(Diagram f, const std::map<Leaf, Diagram>& by) {
  if (by.size() == 1) return replace(f, by.begin()->first, by.begin()->second);
  std::unordered_map<Diagram, Diagram> done;
  return map_nodes(
      f,
      [&](Diagram one) {
        const auto found = by.find(leaf(one));
        return found != by.end() ? found->second : one;
      },
      done);
}

namespace {

// Numbers of levels from `first` on are free: a node there is the union of its edges.
class Projection {
 public:
  Projection(Diagrams& diagrams, std::size_t first) : diagrams_(diagrams), first_(first) {}

  Diagram of(Diagram f) {
    if (Diagrams::is_constant(f)) return f;
    if (const auto found = done_.find(f); found != done_.end()) return found->second;
    Diagram result = Diagrams::no();
    const auto level = diagrams_.level(f);
    if (level >= first_) {
      const auto leaves = diagrams_.leaves(f);
      result = std::ranges::binary_search(leaves, 1U) ? Diagrams::yes() : Diagrams::no();
    } else {
      for (const auto& [numbers, to] : diagrams_.ways(f))
        result = diagrams_.either(result, diagrams_.test(level, numbers, of(to)));
    }
    done_.emplace(f, result);
    return result;
  }

 private:
  Diagrams& diagrams_;
  std::size_t first_;
  std::unordered_map<Diagram, Diagram> done_{};
};

}  // namespace

Diagram Diagrams::possible(Diagram f, std::size_t first) {
  return Projection(*this, first).of(f);
}

std::vector<Diagrams::Edge> Diagrams::edges(Diagram f) const {
  std::vector<Edge> out;
  const auto& node = nodes_[f];
  Number first = 0;
  for (std::uint32_t i = node.first; i < node.first + node.count; ++i) {
    out.push_back({{first, last_[i]}, to_[i]});
    first = last_[i] + 1;
  }
  return out;
}

std::vector<std::pair<NumberSet, Diagram>> Diagrams::ways(Diagram f) const {
  std::vector<std::pair<std::vector<NumberRange>, Diagram>> found;
  std::unordered_map<Diagram, std::size_t> place;
  for (const auto& [range, to] : edges(f)) {
    const auto [at, fresh] = place.emplace(to, found.size());
    if (fresh) found.emplace_back(std::vector<NumberRange>{}, to);
    found[at->second].first.push_back(range);
  }
  std::vector<std::pair<NumberSet, Diagram>> out;
  out.reserve(found.size());
  for (auto& [ranges, to] : found) out.emplace_back(NumberSet(std::move(ranges)), to);
  return out;
}

// Calls `visit` once for each node and constant that f leads to, and for f.
template <class Visit>
void Diagrams::each(Diagram f, const Visit& visit) const {
  std::vector<Diagram> waiting{f};
  std::unordered_set<Diagram> seen{f};
  while (!waiting.empty()) {
    const auto next = waiting.back();
    waiting.pop_back();
    visit(next);
    if (is_constant(next)) continue;
    const auto& node = nodes_[next];
    for (auto i = node.first; i < node.first + node.count; ++i)
      if (seen.insert(to_[i]).second) waiting.push_back(to_[i]);
  }
}

std::vector<Leaf> Diagrams::leaves(Diagram f) const {
  std::vector<Leaf> found;
  each(f, [&](Diagram one) {
    if (is_constant(one)) found.push_back(leaf(one));
  });
  std::ranges::sort(found);
  return found;
}

std::size_t Diagrams::size(Diagram f) const {
  std::size_t nodes = 0;
  each(f, [&](Diagram one) { nodes += is_constant(one) ? 0U : 1U; });
  return nodes;
}

Leaf Diagrams::value(Diagram f, std::span<const Number> numbers) const {
  while (!is_constant(f)) {
    const auto& node = nodes_[f];
    const auto begin = last_.begin() + node.first;
    const auto at = std::lower_bound(begin, begin + node.count, numbers[node.level]);
    f = to_[static_cast<std::size_t>(at - last_.begin())];
  }
  return leaf(f);
}

namespace {

double share_below(const Diagrams& diagrams, Diagram f, std::unordered_map<Diagram, double>& done) {
  if (Diagrams::is_constant(f)) return Diagrams::leaf(f) == 1 ? 1 : 0;
  if (const auto found = done.find(f); found != done.end()) return found->second;
  double sum = 0;
  const auto edges = diagrams.edges(f);
  const auto all = static_cast<double>(edges.back().range.last) + 1;
  for (const auto& [range, to] : edges)
    sum += (static_cast<double>(range.last - range.first) + 1) / all * share_below(diagrams, to, done);
  done.emplace(f, sum);
  return sum;
}

}  // namespace

double Diagrams::share(Diagram f) const {
  std::unordered_map<Diagram, double> done;
  return share_below(*this, f, done);
}

void Diagrams::keep(const std::vector<Diagram*>& roots) {
  const auto old_nodes = std::move(nodes_);
  const auto old_last = std::move(last_);
  const auto old_to = std::move(to_);
  nodes_.clear();
  last_.clear();
  to_.clear();
  std::vector<bool> needed(old_nodes.size());
  std::vector<Diagram> waiting;
  for (const auto* root : roots) waiting.push_back(*root);
  while (!waiting.empty()) {
    const auto f = waiting.back();
    waiting.pop_back();
    if (is_constant(f) || needed[f]) continue;
    needed[f] = true;
    const auto& node = old_nodes[f];
    waiting.insert(waiting.end(), old_to.begin() + node.first, old_to.begin() + node.first + node.count);
  }
  // A node is made after those that it leads to, so that these have their new names by then.
  std::vector<Diagram> names(old_nodes.size());
  table_.assign(table_.size(), kFree);
  for (auto* memory : {&applied_, &chosen_}) memory->assign(memory->size(), {.f = kFree});
  for (std::size_t f = 0; f < old_nodes.size(); ++f) {
    if (!needed[f]) continue;
    const auto& node = old_nodes[f];
    const auto begin = parts_.size();
    for (auto i = node.first; i < node.first + node.count; ++i)
      push(begin, old_last[i], is_constant(old_to[i]) ? old_to[i] : names[old_to[i]]);
    names[f] = finish(node.level, begin);
  }
  for (auto* root : roots)
    if (!is_constant(*root)) *root = names[*root];
}

}  // namespace rewall
