#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// The rules of a chain while a file puts rules between them and takes rules out: each step takes a time that
/// grows with the logarithm of their number (a treap, Aragon and Seidel 1989). Places count from 0.
class RuleOrder {
 public:
  /// What a rule is found by; the text must outlive the object.
  using Key = std::function<std::string_view(const Rule&)>;

  RuleOrder(const std::vector<Rule>& rules, Key key);
  RuleOrder(const RuleOrder&) = delete;
  RuleOrder& operator=(const RuleOrder&) = delete;

  std::size_t size() const { return size_of(root_); }
  /// Puts a rule before the one at `place`; at the end where `place` is the size.
  void insert(std::size_t place, const Rule& rule);
  /// Takes out the rule at a place that is there.
  Rule remove(std::size_t place);
  /// The place of the first rule with a key.
  std::optional<std::size_t> find(std::string_view key);
  std::vector<Rule> rules() const;

 private:
  struct Node {
    Rule rule{};
    std::uint64_t priority = 0;
    Node* left = nullptr;
    Node* right = nullptr;
    Node* parent = nullptr;
    std::size_t size = 1;
  };
  struct Before {
    bool operator()(const Node* a, const Node* b) const { return place_of(a) < place_of(b); }
  };
  struct Halves {
    Node* first = nullptr;
    Node* second = nullptr;
  };

  static std::size_t size_of(const Node* node) { return node == nullptr ? 0 : node->size; }
  static std::size_t place_of(const Node* node);
  static void update(Node* node);
  static Node* join(Node* first, Node* second);
  static Halves part(Node* node, std::size_t first);
  Node* at(std::size_t place) const;
  Node* make(const Rule& rule);

  Key key_;
  std::deque<Node> nodes_{};
  std::vector<Node*> free_{};
  Node* root_ = nullptr;
  std::uint64_t random_;
  bool indexed_ = false;
  std::unordered_map<std::string_view, std::set<Node*, Before>> by_key_{};
};

}  // namespace rewall
