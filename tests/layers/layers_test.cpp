// The layers point one way (see the drawing in README.md). This reads the #include lines and keeps the
// drawing true.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

/// What each layer may include besides itself.
const std::map<std::string, Names>& layers() {
  static const std::map<std::string, Names> all{
      {"core", {}},
      {"rules", {"core"}},
      {"diff", {"rules", "core"}},
      {"analysis", {"rules", "core"}},
      {"store", {"rules", "core"}},
      {"kernel", {"rules", "core"}},
      {"ops", {"store", "kernel", "diff", "analysis", "rules", "core"}},
      {"ui", {"store", "diff", "analysis", "rules", "core"}},
      {"commands", {"ops", "ui", "store", "kernel", "diff", "analysis", "rules", "core"}},
      {"cli", {"commands", "ops", "ui", "store", "kernel", "diff", "analysis", "rules", "core"}},
  };
  return all;
}

/// The folders of ops: each may include itself and those before it.
const std::vector<std::string>& ops_folders() {
  static const std::vector<std::string> all{"context", "history", "template", "restore", "expiry",
                                            "guard",   "remote",  "watch",    "fleet",   "host"};
  return all;
}

/// Headers of other projects, by how their names begin, and the layers or files that may include them.
const std::map<std::string, Names>& borders() {
  static const std::map<std::string, Names> all{
      {"git2", {"store"}},          {"zlib.h", {"store"}},
      {"libdeflate.h", {"store"}},  {"nettle/", {"core"}},
      {"libmnl/", {"kernel"}},      {"dtl/", {"diff/sequence.cpp"}},
      {"CLI/", {"cli/parser.cpp"}}, {"nlohmann/", {"ui", "commands"}},
      {"spdlog/", {"core"}},        {"fmt/", {"core"}},
  };
  return all;
}

/// The name between quotes or angle brackets of an #include line; empty for every other line.
std::string included(std::string_view line) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  const auto skip = [&](std::string_view word) {
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    if (!line.starts_with(word)) return false;
    line.remove_prefix(word.size());
    return true;
  };
  if (!skip("#") || !skip("include") || !(skip("\"") || skip("<"))) return {};
  return std::string(line.substr(0, line.find_first_of("\">")));
}

/// "guard" of "ops/guard/arm.h"; empty for a file that is in no folder of ops.
std::string ops_folder_of(const std::string& file) {
  const std::string_view ops = "ops/";
  const auto end = file.find('/', ops.size());
  return file.starts_with(ops) && end != std::string::npos ? file.substr(ops.size(), end - ops.size()) : "";
}

/// What is wrong with `name` in a `file` of ops; empty when nothing is.
std::string breach_in_ops(const std::string& file, const std::string& name) {
  const auto place = [](const std::string& folder) {
    return std::ranges::find(ops_folders(), folder) - ops_folders().begin();
  };
  const auto end = static_cast<std::ptrdiff_t>(ops_folders().size());
  const std::string folder = ops_folder_of(file);
  const std::string target = ops_folder_of(name);
  if (!target.empty() && place(target) == end) return file + ": no such folder of ops (" + name + ")";
  if (target.empty() || place(target) <= place(folder)) return {};
  return file + ": " + folder + " must not reach for " + target + " (" + name + ")";
}

/// What is wrong with `name` in `file` ("rules/parse.cpp"); empty when nothing is.
std::string breach(const std::string& file, const std::string& name) {
  const std::string layer = file.substr(0, file.find('/'));
  for (const auto& [prefix, allowed] : borders()) {
    if (name.starts_with(prefix) && !allowed.contains(layer) && !allowed.contains(file)) {
      return file + ": " + name + " does not belong into this layer";
    }
  }
  const std::string target = name.substr(0, name.find('/'));
  if (layer == "ops" && target == "ops") return breach_in_ops(file, name);
  if (name.find('/') == std::string::npos || !layers().contains(target) || target == layer) return {};
  if (layers().at(layer).contains(target)) return {};
  return file + ": " + layer + " must not reach for " + target + " (" + name + ")";
}

std::vector<std::string> breaches(const std::string& file, const std::string& text) {
  if (!layers().contains(file.substr(0, file.find('/'))))
    return {file + ": a layer that this test does not know"};
  if (file.starts_with("ops/") && std::ranges::count(ops_folders(), ops_folder_of(file)) == 0)
    return {file + ": a folder of ops that this test does not know"};
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = included(line);
    if (name.empty()) continue;
    if (std::string wrong = breach(file, name); !wrong.empty()) found.push_back(std::move(wrong));
  }
  return found;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("no layer reaches upwards, and third-party headers stay in their layer") {
  const fs::path root = fs::path(REWALL_SOURCE_DIR) / "src";
  std::vector<std::string> found;
  Names seen;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const fs::path extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp") continue;
    const std::string file = fs::relative(entry.path(), root).generic_string();
    seen.insert(file.substr(0, file.find('/')));
    if (const auto folder = ops_folder_of(file); !folder.empty()) seen.insert("ops/" + folder);
    for (std::string& wrong : breaches(file, text_of(entry.path()))) found.push_back(std::move(wrong));
  }
  CHECK(found == std::vector<std::string>{});
  for (const auto& [layer, _] : layers()) {
    INFO(layer);
    CHECK(seen.contains(layer));
  }
  for (const auto& folder : ops_folders()) {
    INFO(folder);
    CHECK(seen.contains("ops/" + folder));
  }
}

TEST_CASE("an include that reaches upwards is named with its file") {
  CHECK(breaches("rules/parse.cpp", "#include <string>\n#include \"store/repository.h\"\n") ==
        std::vector<std::string>{"rules/parse.cpp: rules must not reach for store (store/repository.h)"});
  CHECK(breaches("core/text.cpp", "  #  include <rules/rule.h>\n").size() == 1);
  CHECK(breaches("store/repository.cpp", "#include \"kernel/firewall.h\"\n").size() == 1);
  CHECK(breaches("ui/page.cpp", "#include \"ops/host/status.h\"\n").size() == 1);
  CHECK(breaches("ops/host/status.cpp", "#include \"ui/terminal.h\"\n").size() == 1);
}

TEST_CASE("a folder of ops includes the folders before it, and none after it") {
  CHECK(breaches("ops/watch/watcher.cpp", "#include \"ops/context/session.h\"\n").empty());
  CHECK(breaches("ops/watch/watcher.cpp", "#include \"ops/watch/metrics.h\"\n").empty());
  CHECK(
      breaches("ops/remote/push.cpp", "#include \"ops/watch/watcher.h\"\n") ==
      std::vector<std::string>{"ops/remote/push.cpp: remote must not reach for watch (ops/watch/watcher.h)"});
  CHECK(breaches("ops/remote/push.cpp", "#include \"ops/extras/more.h\"\n").size() == 1);
}

TEST_CASE("a third-party header outside its layer is named with its file") {
  CHECK(breaches("ops/host/edit.cpp", "#include <git2.h>\n") ==
        std::vector<std::string>{"ops/host/edit.cpp: git2.h does not belong into this layer"});
  CHECK(breaches("ops/host/edit.cpp", "#include <git2/sys/repository.h>\n").size() == 1);
  CHECK(breaches("diff/diff.cpp", "#include <dtl/dtl.hpp>\n").size() == 1);
  CHECK(breaches("rules/rule.h", "#include <spdlog/fmt/fmt.h>\n").size() == 1);
  CHECK(breaches("store/repository.cpp", "#include <nlohmann/json.hpp>\n").size() == 1);
  CHECK(breaches("commands/log.cpp", "#include <CLI/CLI.hpp>\n").size() == 1);
}

TEST_CASE("includes that point downwards, at the own layer or at the standard library are fine") {
  CHECK(breaches("commands/status.cpp", "#include \"ops/host/edit.h\"\n#include <nlohmann/json.hpp>\n")
            .empty());
  CHECK(breaches("diff/sequence.cpp", "#include \"diff/sequence.h\"\n#include <dtl/dtl.hpp>\n").empty());
  CHECK(breaches("kernel/nft.cpp", "#include <linux/netfilter/nfnetlink.h>\n#include <vector>\n").empty());
  CHECK(breaches("core/text.cpp", "// #include \"cli/main.h\"\n").empty());
}

TEST_CASE("a new folder is refused until its place is told") {
  CHECK(breaches("extras/more.cpp", "") ==
        std::vector<std::string>{"extras/more.cpp: a layer that this test does not know"});
  CHECK(breaches("ops/extras/more.cpp", "") ==
        std::vector<std::string>{"ops/extras/more.cpp: a folder of ops that this test does not know"});
  CHECK(breaches("ops/more.cpp", "").size() == 1);
}
