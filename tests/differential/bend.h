#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/text.h"
#include "support/corpus.h"

namespace rewall {

/// Makes rules files that nobody wrote of real ones: the dumps and single rules of the corpus, bent at random
/// in the ways in which people and programs write such files. The same seed makes the same files.
class Bender {
 public:
  struct File {
    std::string text{};
    Family family = Family::ipv4;
  };

  Bender(const std::filesystem::path& folder, unsigned seed) : random_(seed) {
    for (const auto& row : rows(folder / "manifest.tsv")) {
      auto text = contents(folder / "dumps" / row.at("file"));
      if (!text.empty() && text.size() < 4000) dumps_.push_back({std::move(text), family_of(row)});
    }
    for (auto& row : rows(folder / "rules.tsv")) rules_.push_back(std::move(row));
  }

  File next() {
    File file = one_in(3) ? dumps_[below(dumps_.size())] : of_rules();
    lines_.clear();
    for (const auto line : split_lines(file.text)) lines_.emplace_back(line);
    for (auto bends = below(5); bends > 0 && !lines_.empty(); --bends) bend();
    file.text = join(lines_, "\n") + (one_in(50) ? "" : "\n");
    if (one_in(100)) file.text.insert(0, "\xef\xbb\xbf");
    if (one_in(60)) bend_bytes(file.text);
    return file;
  }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class Items>
  const auto& any(const Items& items) {
    return items[below(std::size(items))];
  }

  // A file of some rules of one table, those that load more often than the others.
  File of_rules() {
    const Row* first = &any(rules_);
    File file{.family = family_of(*first)};
    std::string chains;
    std::string rules;
    for (std::size_t i = 0; i < 40 && split_lines(rules).size() < 5; ++i) {
      const auto& row = i == 0 ? *first : any(rules_);
      const bool fits = row.at("table") == first->at("table") && row.at("family") == first->at("family");
      if (!fits || (row.at("status") != "0" && !one_in(20))) continue;
      rules += "-A " + row.at("chain") + ' ' + row.at("rule") + '\n';
    }
    if (one_in(2)) {
      chains = ":MY - [0:0]\n:web - [0:0]\n";
      rules += "-A MY -p tcp --dport 80 -j web\n-A web -s 192.0.2.1 -m comment --comment \"a b\" -j ACCEPT\n";
      if (file.family == Family::ipv6) rules.replace(rules.find("192.0.2.1"), 9, "2001:db8::1");
    }
    file.text = '*' + first->at("table") + '\n' + chains + rules + "COMMIT\n";
    return file;
  }

  // A line that begins with a mark of the given ones.
  std::string* line_of(std::string_view marks) {
    std::vector<std::string*> fitting;
    for (auto& line : lines_)
      if (!line.empty() && marks.find(line[0]) != std::string_view::npos) fitting.push_back(&line);
    return fitting.empty() ? nullptr : any(fitting);
  }
  std::string* rule() { return line_of("-["); }

  // Where a word begins and ends; outside quotes as far as nobody bent them.
  struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  static std::vector<Span> words(const std::string& line) {
    std::vector<Span> all;
    bool quoted = false;
    std::size_t begin = std::string::npos;
    for (std::size_t i = 0; i <= line.size(); ++i) {
      const bool blank = i == line.size() || (!quoted && (line[i] == ' ' || line[i] == '\t'));
      if (i < line.size() && line[i] == '"') quoted = !quoted;
      if (!blank && begin == std::string::npos) begin = i;
      if (blank && begin != std::string::npos) {
        all.push_back({begin, i});
        begin = std::string::npos;
      }
    }
    return all;
  }

  void bend() {
    using Bend = void (Bender::*)();
    static constexpr Bend kBends[] = {
        &Bender::repeat,    &Bender::swap_lines, &Bender::drop,        &Bender::counters,   &Bender::mark,
        &Bender::command,   &Bender::blanks,     &Bender::quote,       &Bender::attach,     &Bender::shorten,
        &Bender::value,     &Bender::extra,      &Bender::declaration, &Bender::head,       &Bender::new_line,
        &Bender::line_ends, &Bender::list,       &Bender::negate,      &Bender::move_words, &Bender::quote,
        &Bender::attach,    &Bender::shorten,    &Bender::value,       &Bender::command};
    (this->*any(kBends))();
  }

  void repeat() { lines_.insert(lines_.begin() + static_cast<long>(below(lines_.size())), any(lines_)); }
  void swap_lines() { std::swap(lines_[below(lines_.size())], lines_[below(lines_.size())]); }
  void drop() { lines_.erase(lines_.begin() + static_cast<long>(below(lines_.size()))); }

  void counters() {
    auto* line = rule();
    if (line == nullptr) return;
    static const std::vector<std::string> kBefore = {"[5:600] ", "[5:600]", "[x:y] ",
                                                     " [1:2] ",  "[1:] ",   "[1 2] "};
    static const std::vector<std::string> kWithin = {"-c 5 600",
                                                     "-c 5,600",
                                                     "--set-counters 5 600",
                                                     "--set-counters=5 6",
                                                     "-c5 600",
                                                     "--set-c 5 600",
                                                     "-c x y",
                                                     "\"-c\" 5 600",
                                                     "! -c 1 2"};
    if (one_in(2)) {
      line->insert(0, any(kBefore));
    } else {
      insert_word(*line, any(kWithin));
    }
  }

  void insert_word(std::string& line, const std::string& word) {
    const auto all = words(line);
    if (all.empty() || one_in(4)) {
      line += ' ' + word;
    } else {
      line.insert(any(all).begin, word + ' ');
    }
  }

  void mark() {
    auto* line = rule();
    if (line == nullptr) return;
    static const std::vector<std::string> kMarks = {"-4", "-6", "--ipv4", "--ipv6", "--ipv", "\"-6\"", "-46"};
    if (one_in(3)) {
      insert_word(*line, any(kMarks));
    } else {
      line->insert(0, any(kMarks) + ' ');
    }
  }

  void command() {
    auto* line = rule();
    if (line == nullptr || !line->starts_with("-A ")) return;
    const auto chain = line->substr(3, line->find(' ', 3) - 3);
    const auto rest = line->substr(std::min(3 + chain.size(), line->size()));
    static const std::vector<std::string> kForms = {
        "--append {}", "--append={}", "--app {}", "-A{}",        "-A \"{}\"",   "\"-A\" {}",
        "-I {}",       "-I {} 1",     "-I {} 2",  "-I{} 1",      "--insert={}", "--ins {} 1",
        "-R {} 1",     "-I {} 0x1",   "-I {} 99", "-vA {}",      "-4A {}",      "-6A {}",
        "-C {}",       "-D {}",       "-I {} x",  "-A {} -A {}", "--delete {}"};
    auto form = any(kForms);
    for (auto at = form.find("{}"); at != std::string::npos; at = form.find("{}", at))
      form.replace(at, 2, chain);
    *line = one_in(6) && !rest.empty() ? rest.substr(1) + ' ' + form : form + rest;
  }

  void blanks() {
    auto& line = lines_[below(lines_.size())];
    const auto all = words(line);
    static const std::vector<std::string> kBlanks = {" ", "\t", "  \t ", "\r"};
    if (all.empty()) return;
    const auto& word = any(all);
    line.insert(one_in(2) ? word.begin : word.end, any(kBlanks));
  }

  void quote() {
    auto* line = rule();
    if (line == nullptr) return;
    const auto all = words(*line);
    if (all.empty()) return;
    const auto word = any(all);
    if (one_in(5)) {
      line->insert(word.begin + below(word.end - word.begin + 1), "\"");
      return;
    }
    line->insert(word.end, one_in(6) ? "\\\"\"" : "\"");
    line->insert(word.begin + (one_in(4) ? below(word.end - word.begin) : 0), "\"");
  }

  // --option=value, -i"eth0", -s192.0.2.1
  void attach() {
    auto* line = rule();
    if (line == nullptr) return;
    const auto all = words(*line);
    std::vector<std::size_t> options;
    for (std::size_t i = 0; i + 1 < all.size(); ++i)
      if ((*line)[all[i].begin] == '-') options.push_back(i);
    if (options.empty()) return;
    const auto at = any(options);
    const bool is_long = line->compare(all[at].begin, 2, "--") == 0;
    line->replace(all[at].end, all[at + 1].begin - all[at].end, is_long ? "=" : "");
  }

  void shorten() {
    auto* line = rule();
    if (line == nullptr) return;
    const auto all = words(*line);
    static const std::vector<std::pair<std::string, std::string>> kLong = {
        {"-s", "--source"}, {"-d", "--destination"}, {"-p", "--protocol"},      {"-i", "--in-interface"},
        {"-j", "--jump"},   {"-m", "--match"},       {"-o", "--out-interface"}, {"-g", "--goto"}};
    std::vector<Span> options;
    for (const auto& word : all)
      if ((*line)[word.begin] == '-') options.push_back(word);
    if (options.empty()) return;
    const auto word = any(options);
    auto text = line->substr(word.begin, word.end - word.begin);
    for (const auto& [letter, full] : kLong)
      if (text == letter) text = full;
    const auto least = std::min<std::size_t>(text.size(), 3);
    text.resize(text.size() - below(text.size() - least + 1));
    line->replace(word.begin, word.end - word.begin, text);
  }

  void value() {
    auto* line = rule();
    if (line == nullptr) return;
    const auto all = words(*line);
    static const std::vector<std::string> kValues = {"-6", "-4", "-c",   "-t",     "-A", "--",
                                                     "-",  "!",  "\"\"", "--ipv6", "-s"};
    if (one_in(3)) {
      static const std::vector<std::string> kMatches = {
          "-m comment --comment {}",
          "-m helper --helper {}",
          "-m hashlimit --hashlimit-upto 1/s --hashlimit-name {}",
          "-m recent --set --name {}",
          "-m comment --commen {}",
          "-i {}",
          "-m string --algo bm --string {}"};
      auto match = any(kMatches);
      match.replace(match.find("{}"), 2, any(kValues));
      insert_word(*line, match);
    } else if (!all.empty()) {
      const auto word = any(all);
      line->replace(word.begin, word.end - word.begin, any(kValues));
    }
  }

  void extra() {
    auto& line = lines_[below(lines_.size())];
    static const std::vector<std::string> kExtra = {"extra", "-t filter", "-v", "-n", "--verbose",
                                                    "-x",    "5",         "#",  "-f"};
    line += ' ' + any(kExtra);
  }

  void declaration() {
    auto* line = line_of(":");
    if (line == nullptr) return;
    static const std::vector<std::string> kForms = {":MY - [0:0]",
                                                    ":MY ACCEPT [0:0]",
                                                    ":INPUT DROP",
                                                    ":INPUT - [0:0]",
                                                    ": FORWARD DROP 0:0",
                                                    ":DROP - [0:0]",
                                                    ":LOG -",
                                                    ":OUTPUT ACCEPT [0:0] extra",
                                                    ":-x -",
                                                    ":x",
                                                    ":INPUT drop",
                                                    ":a\"b - [0:0]",
                                                    "-N MY",
                                                    "-N web"};
    if (one_in(3)) lines_.insert(lines_.begin() + (line - lines_.data()), *line);
    if (one_in(2)) lines_.insert(lines_.begin() + (line_of(":") - lines_.data()), any(kForms));
  }

  void head() {
    auto* line = line_of("*C");
    if (line == nullptr) return;
    static const std::vector<std::string> kHeads = {"* filter", "*filter extra", "*\tnat",   " *filter",
                                                    "COMMIT ",  " COMMIT",       "COMMIT x", "*nosuch",
                                                    "*",        "commit"};
    *line = any(kHeads);
  }

  void new_line() {
    static const std::vector<std::string> kLines = {"",
                                                    " ",
                                                    "# remark",
                                                    " # remark",
                                                    "-F",
                                                    "-F INPUT",
                                                    "-X",
                                                    "-X MY",
                                                    "-P INPUT DROP",
                                                    "-P INPUT RETURN",
                                                    "-P OUTPUT DROP -v",
                                                    "-D INPUT 1",
                                                    "-D INPUT 99",
                                                    "-Z",
                                                    "-Z INPUT",
                                                    "-E web www",
                                                    "-N other",
                                                    "-X web",
                                                    "-A INPUT",
                                                    "-A",
                                                    "-A NOSUCH",
                                                    "garbage",
                                                    "-A INPUT -m nosuch",
                                                    "COMMIT",
                                                    "*filter",
                                                    "-F INPUT 3",
                                                    "--policy OUTPUT DROP",
                                                    "--flush",
                                                    "--new-c fresh",
                                                    "--rename web ww",
                                                    "-D INPUT -j ACCEPT",
                                                    "-R INPUT 1"};
    lines_.insert(lines_.begin() + static_cast<long>(below(lines_.size() + 1)), any(kLines));
  }

  void line_ends() {
    if (one_in(2)) {
      for (auto& line : lines_) line += '\r';
    } else {
      lines_[below(lines_.size())] += '\r';
    }
  }

  void list() {
    auto* line = rule();
    if (line == nullptr) return;
    static const std::vector<std::string> kFour = {"-s 192.0.2.1,192.0.2.2",
                                                   "-d 10.0.0.0/8,192.0.2.1",
                                                   "--src=192.0.2.1,192.0.2.2",
                                                   "-s \"192.0.2.1, 192.0.2.2\"",
                                                   "--sou 192.0.2.1,192.0.2.2",
                                                   "! -s 192.0.2.1,192.0.2.2",
                                                   "-s 192.0.2.1,",
                                                   "-d ,192.0.2.1",
                                                   "-s2001:db8::1,2001:db8::2"};
    insert_word(*line, any(kFour));
  }

  void negate() {
    auto* line = rule();
    if (line == nullptr) return;
    insert_word(*line, one_in(3) ? "\"!\"" : "!");
  }

  void move_words() {
    auto* line = rule();
    if (line == nullptr) return;
    const auto all = words(*line);
    if (all.size() < 2) return;
    const auto from = all[below(all.size() - 1)];
    const auto text = line->substr(from.begin, from.end - from.begin);
    line->erase(from.begin, from.end - from.begin);
    *line += ' ' + text;
  }

  void bend_bytes(std::string& text) {
    static const std::string kBytes = "\"\\ \t-!,:=[]x6\r";
    for (auto n = 1 + below(3); n > 0 && !text.empty(); --n) {
      const auto at = below(text.size());
      if (one_in(2)) {
        text[at] = any(kBytes);
      } else {
        text.insert(at, 1, any(kBytes));
      }
    }
  }

  std::mt19937 random_;
  std::vector<File> dumps_{};
  std::vector<Row> rules_{};
  std::vector<std::string> lines_{};
};

}  // namespace rewall
