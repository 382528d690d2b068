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
constexpr std::string_view kPart = "Rewall-Part";
constexpr std::string_view kForeign = "Rewall-Foreign";
constexpr std::array<Single, 4> kLastTrailers{{{"Rewall-Restores", &Trailers::restores},
                                               {"Rewall-Undoes", &Trailers::undoes},
                                               {"Rewall-Exact", &Trailers::exact},
                                               {"Rewall-Native", &Trailers::native}}};
constexpr std::string_view kPerhaps = "(perhaps) ";

std::string one_line(std::string_view text) {
  return escape(trim(text));
}

void add_trailer(std::string& text, std::string_view key, std::string_view value) {
  if (const std::string line = one_line(value); !line.empty()) text += format("{}: {}\n", key, line);
}

/// The text with a backslash before each separator and each backslash.
std::string quote_field(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == ';' || c == ',' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted;
}

/// Splits at a separator that no backslash precedes; the backslashes stay.
std::vector<std::string_view> split_quoted(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == separator) {
      fields.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  fields.push_back(trim(text.substr(begin)));
  return fields;
}

std::string unquote_field(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

std::string format_part(const PartAuthor& part) {
  std::vector<std::string> quoted;
  for (const auto& word : part.parts) quoted.push_back(quote_field(one_line(word)));
  return format("{}{} <{}>; {}; {}", part.perhaps ? kPerhaps : "", quote_field(one_line(part.person.name)),
                quote_field(one_line(part.person.email)), quote_field(one_line(part.actor)),
                join(quoted, ", "));
}

/// A value that is no such line, because somebody else wrote it, has no parts.
PartAuthor read_part(std::string_view value) {
  PartAuthor part;
  const auto fields = split_quoted(value, ';');
  if (fields.size() != 3) return part;
  std::string_view person = fields[0];
  part.perhaps = person.starts_with(kPerhaps);
  if (part.perhaps) person.remove_prefix(kPerhaps.size());
  const auto email = person.rfind('<');
  part.person.name = unquote_field(trim(person.substr(0, email)));
  if (email != std::string_view::npos && person.ends_with('>'))
    part.person.email = unquote_field(person.substr(email + 1, person.size() - email - 2));
  part.actor = unquote_field(fields[1]);
  for (const auto word : split_quoted(fields[2], ',')) {
    if (!word.empty()) part.parts.push_back(unquote_field(word));
  }
  return part;
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
  for (const auto& part : trailers.parts) {
    // A snapshot is not to be refused for its message; a line that was cut would name other parts.
    if (text.size() > 2 * kLongestPart) break;
    text += format("{}: {}\n", kPart, format_part(part));
  }
  add_trailer(text, kForeign, join(trailers.foreign, ", "));
  for (const auto& [key, member] : kLastTrailers) add_trailer(text, key, trailers.*member);
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
  if (key == kPart) {
    if (auto part = read_part(value); !part.parts.empty()) trailers.parts.push_back(std::move(part));
  }
  for (const auto& [name, member] : kSingleTrailers) {
    if (key == name) trailers.*member = value;
  }
  for (const auto& [name, member] : kLastTrailers) {
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
