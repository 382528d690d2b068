#include "remote_maker.h"

#include <nettle/sha1.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>

#include "core/format.h"
#include "core/text.h"
#include "kernel/process.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

class Sha1 {
 public:
  Sha1() { ::sha1_init(&state_); }
  void add(std::string_view bytes) {
    ::sha1_update(&state_, bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
  }
  std::string digest() {
    std::string bytes(SHA1_DIGEST_SIZE, '\0');
    ::sha1_digest(&state_, bytes.size(), reinterpret_cast<std::uint8_t*>(bytes.data()));
    return bytes;
  }

 private:
  sha1_ctx state_{};
};

std::string hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += format("{:02x}", byte);
  return text;
}

std::string raw(const std::string& hash) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hash.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hash.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string deflated(std::string_view bytes) {
  std::string packed(::compressBound(bytes.size()), '\0');
  uLongf size = packed.size();
  if (::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                  reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 1) != Z_OK)
    throw std::runtime_error("compress2");
  packed.resize(size);
  return packed;
}

void write(const fs::path& path, std::string_view content) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  if (!file.write(content.data(), static_cast<std::streamsize>(content.size())))
    throw std::runtime_error(path.string());
}

void git(const fs::path& folder, std::vector<std::string> words) {
  words.insert(words.begin(), {find_program("git"), "-C", folder.string()});
  const auto ran = run({.words = std::move(words), .deadline = std::chrono::minutes(2)}, ErrorKind::usage);
  if (!ran || !ran->ok()) throw std::runtime_error(ran ? ran->text() : ran.error().message);
}

// A size in a pack and in a delta: seven bits a byte, the lowest first (gitformat-pack(5)).
std::string size_in_delta(std::uint64_t size) {
  std::string bytes;
  for (; size > 127; size >>= 7U) bytes += static_cast<char>(0x80U | (size & 0x7fU));
  return bytes + static_cast<char>(size);
}

std::string pack_header(unsigned type, std::uint64_t size) {
  std::string bytes(1, static_cast<char>(type << 4U | (size & 0x0fU)));
  size >>= 4U;
  if (size == 0) return bytes;
  bytes[0] = static_cast<char>(static_cast<unsigned char>(bytes[0]) | 0x80U);
  return bytes + size_in_delta(size);
}

// Copies `size` bytes from the front of the base.
std::string copy_in_delta(std::uint32_t size) {
  std::string bytes;
  unsigned command = 0x80;
  for (unsigned i = 0; i < 3; ++i) {
    const auto byte = static_cast<unsigned char>(size >> (8 * i));
    if (byte == 0) continue;
    command |= 0x10U << i;
    bytes += static_cast<char>(byte);
  }
  return static_cast<char>(command) + bytes;
}

constexpr unsigned kBlobInPack = 3;
constexpr unsigned kDeltaInPack = 7;

unsigned type_in_pack(std::string_view type) {
  return type == "commit" ? 1 : type == "tree" ? 2 : type == "blob" ? kBlobInPack : 4;
}

}  // namespace

RemoteMaker::RemoteMaker(fs::path folder) : folder_(std::move(folder)) {
  write(folder_ / "HEAD", "ref: refs/heads/main\n");
  write(folder_ / "config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n");
  fs::create_directories(folder_ / "objects/pack");
  fs::create_directories(folder_ / "refs/heads");
}

std::string RemoteMaker::object(std::string_view type, std::string_view content) {
  std::string whole = format("{} {}", type, content.size()) + '\0';
  whole += content;
  Sha1 sum;
  sum.add(whole);
  const auto hash = hex(sum.digest());
  const auto path = folder_ / "objects" / hash.substr(0, 2) / hash.substr(2);
  if (!fs::exists(path)) write(path, deflated(whole));
  return hash;
}

std::string RemoteMaker::tree(const std::vector<Entry>& entries) {
  std::string content;
  for (const auto& entry : entries) content += entry.mode + " " + entry.name + '\0' + raw(entry.hash);
  return object("tree", content);
}

std::string RemoteMaker::tree_of_rules(std::string_view rules) {
  return tree({{"100644", "rules.v4", blob(rules)}});
}

std::string RemoteMaker::commit(const Commit& commit) {
  std::string content = "tree " + commit.tree + "\n";
  for (const auto& parent : commit.parents) content += "parent " + parent + "\n";
  content += "author " + commit.author + "\ncommitter " + commit.committer + "\n" + commit.headers + "\n" +
             commit.message;
  return object("commit", content);
}

std::string RemoteMaker::commit_of_rules(std::string_view rules) {
  return commit({.tree = tree_of_rules(rules)});
}

void RemoteMaker::reference(const std::string& name, std::string_view content) {
  write(folder_ / name, std::string(content) + "\n");
}

void RemoteMaker::packed_references(std::vector<Reference> references) {
  std::ranges::sort(references, {}, &Reference::name);
  std::string text = "# pack-refs with: peeled fully-peeled sorted \n";
  for (const auto& reference : references) text += reference.hash + " " + reference.name + "\n";
  write(folder_ / "packed-refs", text);
}

std::string RemoteMaker::bomb(std::string_view type, std::string_view base, std::uint64_t size) {
  Sha1 made;
  made.add(format("{} {}", type, size) + '\0');
  std::string delta = size_in_delta(base.size()) + size_in_delta(size);
  for (auto left = size; left > 0;) {
    const auto part = std::min<std::uint64_t>(left, base.size());
    delta += copy_in_delta(static_cast<std::uint32_t>(part));
    made.add(base.substr(0, part));
    left -= part;
  }
  Sha1 first;
  first.add(format("{} {}", type, base.size()) + '\0' + std::string(base));
  std::string pack("PACK\0\0\0\2\0\0\0\2", 12);
  pack += pack_header(type_in_pack(type), base.size()) + deflated(base);
  pack += pack_header(kDeltaInPack, delta.size()) + first.digest() + deflated(delta);
  Sha1 sum;
  sum.add(pack);
  pack += sum.digest();
  const auto hash = hex(made.digest());
  const auto path = folder_ / "objects/pack" / ("pack-" + hash + ".pack");
  write(path, pack);
  git(folder_, {"index-pack", path.string()});
  return hash;
}

void RemoteMaker::pack_all() {
  git(folder_, {"repack", "-adq"});
}

std::string rules_with(std::string_view more) {
  return "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + std::string(more) +
         "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
}

}  // namespace rewall
