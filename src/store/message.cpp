#include "store/message.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::string_view kPrefix = "Rewall-";
constexpr std::size_t kLongestHost =
    200;  // a component of a path has at most 255 bytes, and ".lock" is added to it

/// Of a body or of the commands, in bytes: a commit that the store makes is one that the store reads
/// (snapshot.cpp), also where escape() makes four bytes of each.
constexpr std::size_t kLongestPart = 128U << 10U;

/// The trailers of one value, in the order of rewall-repository(5), without those of several values.
using Single = std::pair<std::string_view, std::string Trailers::*>;
constexpr std::array<Single, 4> kSingleTrailers{{{"Rewall-Trigger", &Trailers::trigger},
                                                 {"Rewall-Backend", &Trailers::backend},
                                                 {"Rewall-Tools", &Trailers::tools},
                                                 {"Rewall-Actor", &Trailers::actor}}};
constexpr std::string_view kCommand = "Rewall-Command";
constexpr std::string_view kForeign = "Rewall-Foreign";
constexpr Single kRestores{"Rewall-Restores", &Trailers::restores};

std::string one_line(std::string_view text) {
  return escape(trim(text));
}

void add_trailer(std::string& text, std::string_view key, std::string_view value) {
  if (const std::string line = one_line(value); !line.empty()) text += format("{}: {}\n", key, line);
}

std::string format_trailers(const Trailers& trailers) {
  std::string text;
  for (const auto& [key, member] : kSingleTrailers) add_trailer(text, key, trailers.*member);
  for (std::size_t i = 0; i < trailers.commands.size(); ++i) {
    if (text.size() > kLongestPart) {
      add_trailer(text, kCommand, format("({} more commands)", trailers.commands.size() - i));
      break;
    }
    add_trailer(text, kCommand, trailers.commands[i].substr(0, kLongestPart));
  }
  add_trailer(text, kForeign, join(trailers.foreign, ", "));
  add_trailer(text, kRestores.first, trailers.*kRestores.second);
  return text;
}

std::string format_body(std::string_view body) {
  std::string text;
  for (const auto line : split_lines(body)) {
    if (line.starts_with(kPrefix)) text += ' ';
    text += escape(line);
    text.erase(text.find_last_not_of(" \t") + 1);
    text += '\n';
  }
  text.erase(0, std::min(text.find_first_not_of('\n'), text.size()));
  text.erase(text.find_last_not_of('\n') + 1);
  return text;
}

void read_trailer(Trailers& trailers, std::string_view key, std::string_view value) {
  if (key == kCommand) trailers.commands.emplace_back(value);
  if (key == kForeign) {
    for (const auto owner : split(value, ',')) trailers.foreign.emplace_back(trim(owner));
  }
  if (key == kRestores.first) trailers.*kRestores.second = value;
  for (const auto& [name, member] : kSingleTrailers) {
    if (key == name) trailers.*member = value;
  }
}

bool is_trailer(std::string_view line) {
  const auto colon = line.find(':');
  return colon != std::string_view::npos && colon > 0 && line.find_first_of(" \t") > colon;
}

using Lines = std::vector<std::string_view>;

/// Where the last paragraph starts, when it is made of trailers and one of them is ours; else the number of
/// lines.
std::size_t find_trailers(const Lines& lines) {
  const auto blank = std::find(lines.rbegin(), lines.rend(), std::string_view{});
  const auto first = static_cast<std::size_t>(lines.rend() - blank);
  const auto begin = lines.begin() + static_cast<std::ptrdiff_t>(first);
  const bool ours = std::any_of(begin, lines.end(), [](auto line) { return line.starts_with(kPrefix); });
  return first > 0 && ours && std::all_of(begin, lines.end(), is_trailer) ? first : lines.size();
}

std::string join_body(const Lines& lines, std::size_t from, std::size_t to) {
  while (from < to && lines[from].empty()) ++from;
  while (from < to && lines[to - 1].empty()) --to;
  std::string body;
  for (std::size_t i = from; i < to; ++i) body += format("{}{}", i == from ? "" : "\n", lines[i]);
  return body;
}

/// What git leaves out at the ends of a name (ident.c).
bool is_crud(char c) {
  return static_cast<unsigned char>(c) <= 32 ||
         std::string_view(".,:;<>\"\\'").find(c) != std::string_view::npos;
}

std::string clean_identity(std::string_view text, std::string_view otherwise) {
  std::string clean;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 32 && byte != 127 && c != '<' && c != '>') clean += c;
  }
  clean = escape(clean);
  return std::all_of(clean.begin(), clean.end(), is_crud) ? std::string(otherwise) : clean;
}

bool fits_host(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

}  // namespace

std::string format_message(const Repository::Message& message) {
  const auto end = std::min(message.subject.find('\n'), message.subject.size());
  std::string subject = one_line(std::string_view(message.subject).substr(0, std::min(end, kLongestPart)));
  if (subject.empty()) subject = "snapshot";
  std::string rest = message.subject.substr(end) + "\n" + message.body;
  if (rest.size() > kLongestPart) rest = rest.substr(0, kLongestPart) + "\n(cut)";
  const std::string body = format_body(rest);
  const std::string trailers = format_trailers(message.trailers);
  std::string text = subject + "\n";
  if (!body.empty()) text += "\n" + body + "\n";
  if (!trailers.empty()) text += "\n" + trailers;
  return text;
}

Repository::Message parse_message(std::string_view text) {
  Lines lines = split_lines(text);
  while (!lines.empty() && trim(lines.back()).empty()) lines.pop_back();
  Repository::Message message;
  if (lines.empty()) return message;
  message.subject = trim(lines.front());
  const std::size_t trailers = find_trailers(lines);
  message.body = join_body(lines, 1, trailers);
  for (std::size_t i = trailers; i < lines.size(); ++i) {
    const auto colon = lines[i].find(':');
    read_trailer(message.trailers, lines[i].substr(0, colon), trim(lines[i].substr(colon + 1)));
  }
  return message;
}

Person clean_person(const Person& person, const std::string& host) {
  return {.name = clean_identity(person.name, "unknown"),
          .email = clean_identity(person.email, "unknown@" + host)};
}

std::string clean_host(std::string_view host) {
  std::string name;
  for (const char c : host.substr(0, kLongestHost)) {
    const char next = fits_host(c) ? c : '-';
    if (next == '.' && (name.empty() || name.back() == '.')) continue;
    name += next;
  }
  name.erase(0, name.find_first_not_of("-."));
  while (name.ends_with('.')) name.pop_back();
  if (name.ends_with(".lock")) name[name.size() - 5] = '-';
  return name.empty() ? "localhost" : name;
}

}  // namespace rewall
