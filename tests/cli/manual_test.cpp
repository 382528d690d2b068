// The manual against the program: its commands, options and fields of JSON, and its own references.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/text.h"
#include "support/host.h"
#include "support/skip.h"

using namespace rewall;

namespace {

using Words = std::set<std::string>;

// Prints each field of a schema that no page has which a reader of the command would find.
constexpr const char* kFieldsNotNamed = R"py(
import glob, json, os, re, sys
man = sys.argv[1]
pages = {os.path.basename(f): open(f).read() for f in glob.glob(man + '*.[1-9]')}
def names(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == 'properties':
                yield from value
            yield from names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from names(value)
for file in sorted(glob.glob(man + 'schema/*.json')):
    command = os.path.basename(file)[:-5]
    page = pages['rewall-output.7' if command == 'error' else 'rewall-' + command + '.8']
    near = page + ''.join(pages.get(name + '.' + section, '') for name, section in re.findall(r'Xr (rewall[a-z-]*) (\d)', page))
    words = set(re.findall(r'[A-Za-z_]+', near))
    for name in sorted(set(names(json.load(open(file))))):
        if name not in words:
            print(command, name)
)py";

const std::string& manual() {
  static const std::string folder = REWALL_SOURCE_DIR "/man/";
  return folder;
}

std::string page(const Host& host, const std::string& name) {
  return host.ok("cat " + manual() + name);
}

std::vector<std::string> commands(const Host& host) {
  std::vector<std::string> names;
  const auto listed = host.ok("rewall --help | sed -nE 's/^  ([a-z]+)(, [a-z]+)?  .*/\\1/p'");
  for (const auto name : split_lines(listed)) names.emplace_back(name);
  REQUIRE(names.size() > 30);
  return names;
}

// "-m", "--message" of the lines of help that begin with an option.
Words options_of_help(const Host& host, const std::string& command) {
  Words options;
  const auto text = host.ok("rewall " + command + " --help | sed '/^Examples:/,$d'");
  for (const auto line : split_lines(text)) {
    if (!line.starts_with("  -")) continue;
    const auto names = line.substr(2, line.find(' ', 2) - 2);
    for (const auto name : split(names, ',')) options.emplace(name);
  }
  return options;
}

// Those that are the tags of a list: ".It Fl m Ar message , Fl -message Ar message".
Words options_of_page(const std::string& text) {
  Words options;
  for (const auto line : split_lines(text)) {
    if (!line.starts_with(".It Fl")) continue;
    bool flag = false;
    for (const auto word : split(line.substr(4), ' ')) {
      if (flag && word != ",") options.emplace(std::string("-").append(word));
      flag = word == "Fl" || (flag && word == ",");
    }
    if (line == ".It Fl -") options.erase("--");
  }
  return options;
}

// The options that fish completes for a command; for "" the global ones.
Words options_of_completion(const std::string& script, const std::string& command) {
  Words options;
  const auto begin = command.empty() ? std::string("complete -c rewall -")
                                     : "complete -c rewall -n '__fish_seen_subcommand_from " + command + " ";
  for (const auto line : split_lines(script)) {
    // The values of an option, and of arguments, are lines of their own.
    const bool values = line.find(" -a ") != std::string_view::npos;
    if (!line.starts_with(begin) || values || (command.empty() && line.starts_with("complete -c rewall -n ")))
      continue;
    const auto words = split(line, ' ');
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == "-s" || words[i] == "-o") options.emplace(std::string("-").append(words[i + 1]));
      if (words[i] == "-l") options.emplace(std::string("--").append(words[i + 1]));
    }
  }
  return options;
}

Words without(Words words, const Words& others) {
  std::erase_if(words, [&](const std::string& word) { return others.contains(word); });
  return words;
}

std::string listed(const Words& words) {
  return join(std::vector<std::string>(words.begin(), words.end()), " ");
}

}  // namespace

TEST_CASE("the options of each command in its help, its manual page and its completion are one list") {
  const Host host;
  const auto script = host.ok("rewall completion fish");
  const auto overview = page(host, "rewall.8");
  const Words help{"-h", "--help"};
  const auto global = without(options_of_help(host, ""), help);
  CHECK(listed(without(options_of_page(overview), help)) == listed(global));
  CHECK(listed(without(options_of_completion(script, ""), help)) == listed(global));
  for (const auto& command : commands(host)) {
    INFO(command);
    CHECK(has(overview, ".It Cm " + command + "\n"));
    const auto text = page(host, "rewall-" + command + ".8");
    CHECK(has(text, ".Nm rewall " + command + "\n"));
    const auto options = without(options_of_help(host, command), help);
    CHECK(listed(options_of_page(text)) == listed(options));
    // The words of packets are completed too.
    auto completed = options_of_completion(script, command);
    if (command == "trace" || command == "expect") {
      const auto packets = page(host, "rewall-packets.7");
      CHECK(has(text, "rewall-packets 7"));
      CHECK(completed.contains("--dport"));
      for (const auto& option : options) CHECK(completed.contains(option));
    } else {
      CHECK(listed(completed) == listed(options));
    }
    CHECK(has(host.ok("rewall help " + command), "See rewall-" + command + "(8) for details."));
  }
}

TEST_CASE(
    "the manual names every field of JSON that a schema has, on the page of its command or one that it "
    "names") {
  const Host host;
  CHECK(host.ok("python3 -c " + shell_quote(kFieldsNotNamed) + " " + manual()).empty());
}

TEST_CASE("the manual's pages refer to pages and sections that are there, and rewall(8) to every page") {
  const Host host;
  const auto overview = page(host, "rewall.8");
  for (const auto& file : std::filesystem::directory_iterator(manual())) {
    const auto name = file.path().filename().string();
    if (file.is_directory()) continue;
    INFO(name);
    const auto text = page(host, name);
    const auto stem = file.path().stem().string();
    const auto section = name.substr(stem.size() + 1);
    if (stem != "rewall") {
      // In rewall(8), with the words of the page's first line.
      auto words = text.substr(text.find(".Nd ") + 4);
      words.resize(words.find('\n') + 1);
      words[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(words[0])));
      const auto entry =
          section == "8" ? ".It Cm " + stem.substr(stem.find('-') + 1) : ".It Xr " + stem + " " + section;
      CHECK(has(overview, entry + "\n" + words));
    }
    for (const auto line : split_lines(text)) {
      const auto words = split(line, ' ');
      for (std::size_t i = 0; i + 2 < words.size(); ++i) {
        if (!words[i].ends_with("Xr") || !words[i + 1].starts_with("rewall")) continue;
        INFO(line);
        CHECK(
            std::filesystem::exists(manual() + std::string(words[i + 1]) + "." + std::string(words[i + 2])));
      }
      for (const std::string_view macro : {".Sx ", ".Pq Sx ", ".Pq see Sx "}) {
        if (!line.starts_with(macro)) continue;
        auto title = std::string(line.substr(macro.size()));
        while (title.ends_with(' ') || std::string_view(".,;:").find(title.back()) != std::string_view::npos)
          title.pop_back();
        INFO(title);
        CHECK((has(text, ".Sh " + title + "\n") || has(text, ".Ss " + title + "\n")));
      }
    }
  }
}

TEST_CASE("man finds the page of a command by its name with a dash and by two words") {
  const Host host;
  if (host.sh("command -v man mandb").status != 0) skip("man is not installed");
  host.ok("mkdir -p share/man8; cp " + manual() + "*.8 share/man8/");
  for (const char* words : {"rewall-restore", "rewall restore"})
    CHECK(has(host.ok("MANPAGER=cat MANWIDTH=80 man -M $PWD/share " + std::string(words)),
              "make the live rules equal a revision"));
}

TEST_CASE(
    "the playbook of rewall-ansible(7) says what would change, applies it under a guard, and changes nothing "
    "twice") {
  const Host host;
  if (host.sh("command -v ansible-playbook").status != 0) skip("ansible-playbook is not installed");
  const auto text = page(host, "rewall-ansible.7");
  const std::string begin = "\n.Bd -literal -offset indent\n";
  const auto from = text.find(begin + "- name: The firewall\n") + begin.size();
  REQUIRE(from > begin.size());
  host.ok(
      "cat >site.yml <<'END'\n" + text.substr(from, text.find("\n.Ed", from) - from) +
      "\nEND\nmkdir bin; ln -s " REWALL_PROGRAM
      " bin/rewall; rewall init -q; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-save >rules.v4; "
      "iptables -F");
  const auto play = [&host](const std::string& options) {
    return host.ok(
        "export HOME=$PWD LC_ALL=C.UTF-8 PATH=$PWD/bin:$PATH ANSIBLE_NOCOLOR=1 "
        "ANSIBLE_LOCALHOST_WARNING=false; ansible-playbook "
        "-i localhost, "
        "-c local "
        "-e ansible_become=false -e ansible_python_interpreter=/usr/bin/python3 -e \"confirm='rewall --json "
        "confirm'\" " +
        options + " site.yml");
  };
  const auto before = host.rules();
  const auto tried = play("--check --diff");
  INFO(tried);
  CHECK(has(tried, "+ 1     -p tcp --dport 22 -j ACCEPT"));
  CHECK(has(tried, "changed=1"));
  CHECK(host.rules() == before);
  CHECK(has(play(""), "changed=2"));
  CHECK(has(host.rules(), "--dport 22 -j ACCEPT"));
  CHECK(has(host.ok("rewall log"), "by ansible"));
  host.ok("rewall status --json | grep -q '\"guard\":null'");
  CHECK(has(play(""), "changed=0"));
}
