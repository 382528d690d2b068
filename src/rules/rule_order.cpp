#include "rules/rule_order.h"

#include <random>
#include <utility>

namespace rewall {

// The priorities are not to be guessed: who knows them can choose places that make a list of the tree.
RuleOrder::RuleOrder(const std::vector<Rule>& rules, Key key)
    : key_(std::move(key)), random_(std::random_device{}() | 1U) {
  for (const Rule& rule : rules) root_ = join(root_, make(rule));
}

RuleOrder::Node* RuleOrder::make(const Rule& rule) {
  // xorshift64 (Marsaglia 2003).
  random_ ^= random_ << 13U;
  random_ ^= random_ >> 7U;
  random_ ^= random_ << 17U;
  Node* node = nullptr;
  if (free_.empty()) {
    node = &nodes_.emplace_back();
  } else {
    node = free_.back();
    free_.pop_back();
  }
  *node = Node{.rule = rule, .priority = random_};
  return node;
}

void RuleOrder::update(Node* node) {
  node->size = 1 + size_of(node->left) + size_of(node->right);
  if (node->left != nullptr) node->left->parent = node;
  if (node->right != nullptr) node->right->parent = node;
}

std::size_t RuleOrder::place_of(const Node* node) {
  std::size_t place = size_of(node->left);
  for (; node->parent != nullptr; node = node->parent)
    if (node == node->parent->right) place += 1 + size_of(node->parent->left);
  return place;
}

// As deep as the tree: about 60 for a million rules.
RuleOrder::Node* RuleOrder::join(Node* first, Node* second) {  // NOLINT(misc-no-recursion)
  if (first == nullptr) return second;
  if (second == nullptr) return first;
  if (first->priority > second->priority) {
    first->right = join(first->right, second);
    update(first);
    return first;
  }
  second->left = join(first, second->left);
  update(second);
  return second;
}

RuleOrder::Halves RuleOrder::part(Node* node, std::size_t first) {  // NOLINT(misc-no-recursion)
  if (node == nullptr) return {};
  node->parent = nullptr;
  if (size_of(node->left) < first) {
    auto [left, right] = part(node->right, first - size_of(node->left) - 1);
    node->right = left;
    update(node);
    if (right != nullptr) right->parent = nullptr;
    return {node, right};
  }
  auto [left, right] = part(node->left, first);
  node->left = right;
  update(node);
  if (left != nullptr) left->parent = nullptr;
  return {left, node};
}

RuleOrder::Node* RuleOrder::at(std::size_t place) const {
  Node* node = root_;
  while (size_of(node->left) != place) {
    if (place < size_of(node->left)) {
      node = node->left;
    } else {
      place -= size_of(node->left) + 1;
      node = node->right;
    }
  }
  return node;
}

void RuleOrder::insert(std::size_t place, const Rule& rule) {
  auto [before, after] = part(root_, place);
  Node* node = make(rule);
  root_ = join(join(before, node), after);
  if (indexed_) by_key_[key_(rule)].insert(node);
}

Rule RuleOrder::remove(std::size_t place) {
  Node* node = at(place);
  if (indexed_) by_key_[key_(node->rule)].erase(node);
  auto [before, rest] = part(root_, place);
  auto [one, after] = part(rest, 1);
  root_ = join(before, after);
  if (root_ != nullptr) root_->parent = nullptr;
  free_.push_back(one);
  return one->rule;
}

std::optional<std::size_t> RuleOrder::find(std::string_view key) {
  if (!indexed_) {
    indexed_ = true;
    for (std::size_t i = 0; i < size(); ++i) {
      Node* node = at(i);
      auto& places = by_key_[key_(node->rule)];
      places.insert(places.end(), node);
    }
  }
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second.empty()) return std::nullopt;
  return place_of(*found->second.begin());
}

std::vector<Rule> RuleOrder::rules() const {
  std::vector<Rule> all;
  all.reserve(size());
  std::vector<const Node*> stack;
  for (const Node* node = root_; node != nullptr || !stack.empty();) {
    for (; node != nullptr; node = node->left) stack.push_back(node);
    node = stack.back();
    stack.pop_back();
    all.push_back(node->rule);
    node = node->right;
  }
  return all;
}

}  // namespace rewall
