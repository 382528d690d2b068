#include "analysis/expectations.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "analysis/model.h"
#include "analysis/walk.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::array<std::pair<std::string_view, Verdict>, 3> kExpected{
    {{"accept", Verdict::accept}, {"drop", Verdict::drop}, {"reject", Verdict::reject}}};

/// The words of a line, and what stands behind its `#`.
struct ExpectLine {
  std::vector<std::string> words{};
  std::string comment{};
  bool unclosed = false;
};

// Quotes as in a shell, without its escapes: a line of `tcpdump -n` is one word.
ExpectLine split_expect_line(std::string_view line) {
  ExpectLine out;
  std::optional<std::string> word;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        *word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      if (!word) word.emplace();
    } else if (c == ' ' || c == '\t') {
      if (word) out.words.push_back(*std::exchange(word, std::nullopt));
    } else if (c == '#' && !word) {
      out.comment = trim(line.substr(i + 1));
      return out;
    } else {
      if (!word) word.emplace();
      *word += c;
    }
  }
  if (word) out.words.push_back(*std::move(word));
  out.unclosed = quote != 0;
  return out;
}

std::string quoted_word(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_of(" \t'\"#") == std::string::npos;
  if (plain) return word;
  const char quote = word.find('\'') == std::string::npos ? '\'' : '"';
  return quote + word + quote;
}

std::string joined_words(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + quoted_word(word);
  return text;
}

CheckedExpectation checked(const Expectation& expectation, const Model& model) {
  const auto found = trace(model, expectation.packet);
  CheckedExpectation out{.expectation = &expectation,
                         .verdict = found.verdict,
                         .depends_on = found.depends_on,
                         .decided_by = deciding_step(found, model.family())};
  if (found.verdict == Verdict::depends)
    out.answered = Answered::unproved;
  else if (found.verdict != expectation.verdict)
    out.answered = Answered::fails;
  return out;
}

}  // namespace

std::string_view CheckedExpectation::verdict_name() const {
  return name(verdict);
}

std::string_view expected_word(Verdict verdict) {
  return std::ranges::find(kExpected, verdict, &std::pair<std::string_view, Verdict>::second)->first;
}

std::string Expectation::text() const {
  return format("{} {}", expected_word(verdict), joined_words(words));
}

std::optional<Verdict> read_expected_verdict(std::string_view word) {
  const auto text = lower(word);
  const auto* found = std::ranges::find(kExpected, text, &std::pair<std::string_view, Verdict>::first);
  return found == kExpected.end() ? std::nullopt : std::optional(found->second);
}

std::string Expectation::packet_text() const {
  return joined_words(words);
}

Result<Expectation> make_expectation(Verdict verdict, std::vector<std::string> packet, std::string comment) {
  auto read = TRY(read_packet(packet));
  return Expectation{.verdict = verdict,
                     .words = std::move(packet),
                     .packet = std::move(read),
                     .comment = std::move(comment)};
}

Result<std::vector<Expectation>> read_expectations(std::string_view text, std::string_view name) {
  std::vector<Expectation> all;
  std::size_t number = 0;
  for (const auto line : split_lines(text)) {
    ++number;
    auto parts = split_expect_line(line);
    if (parts.words.empty()) continue;
    const auto verdict = read_expected_verdict(parts.words.front());
    if (!verdict)
      return error_of<messages::bad_expectation>(
          name, number, format("'{}' is no verdict: accept, drop or reject", escape(parts.words.front())));
    if (parts.unclosed) return error_of<messages::bad_expectation>(name, number, "a quote is not closed");
    parts.words.erase(parts.words.begin());
    auto made = make_expectation(*verdict, std::move(parts.words), std::move(parts.comment));
    if (!made) {
      auto error = error_of<messages::bad_expectation>(name, number, made.error().message);
      if (!made.error().hint.empty()) error.hint = made.error().hint;
      return error;
    }
    made->line = number;
    all.push_back(*std::move(made));
  }
  return all;
}

std::string print_expectation(const Expectation& expectation) {
  const auto& comment = expectation.comment;
  return expectation.text() + (comment.empty() ? "" : "  # " + comment);
}

std::string CheckedExpectation::reason() const {
  if (answered != Answered::unproved) return format("{} by {}", name(verdict), decided_by);
  return format("depends on {}", depends_on.empty() ? "what is not known" : join(depends_on, ", "));
}

std::string CheckedExpectation::text() const {
  return format("'{}' (line {}): {}", expectation->text(), expectation->line, reason());
}

std::vector<CheckedExpectation> check_expectations(const std::vector<Expectation>& expectations,
                                                   const Ruleset& ruleset, const HostFacts& facts) {
  std::array<std::optional<Model>, 2> models;
  std::vector<CheckedExpectation> all;
  all.reserve(expectations.size());
  for (const auto& expectation : expectations) {
    auto& model = models[expectation.packet.family == Family::ipv4 ? 0 : 1];
    if (!model) model.emplace(ruleset, expectation.packet.family, facts);
    all.push_back(checked(expectation, *model));
  }
  return all;
}

std::string deciding_step(const Trace& trace, Family family) {
  if (trace.path.empty()) return "no rule";
  const Step& last = trace.path.back();
  const auto where = format("{}{} {} {}", last.backend == Backend::legacy ? "legacy " : "",
                            short_name(family), last.table, last.chain);
  if (last.pos == 0) return format("{} {}", where, last.action);
  return format("{} {}: {}", where, last.pos, last.rule);
}

}  // namespace rewall
