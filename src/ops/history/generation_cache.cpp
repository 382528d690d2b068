#include "ops/history/generation_cache.h"

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
std::optional<CachedGeneration> read_cached_generation(const Repository& repository) {
  const auto text = read_plain_file(StatePaths(repository).generation());
  if (!text) return std::nullopt;
  const auto words = split(trim(*text), ' ');
  CachedGeneration cached;
  if (words.size() != 4 || !read_number(words[1], cached.generation.network) ||
      !read_number(words[2], cached.generation.number)) {
    return std::nullopt;
  }
  cached.generation.boot = words[0];
  cached.head = words[3];
  return cached;
}

Status write_cached_generation(const Repository& repository, const CachedGeneration& cached) {
  return write_file(StatePaths(repository).generation(),
                    format("{} {} {} {}\n", cached.generation.boot, cached.generation.network,
                           cached.generation.number, cached.head),
                    0600, Sync::no);
}

std::optional<CachedGeneration> unchanged_since_cached(Session& session, const Repository& repository) {
  auto cached = read_cached_generation(repository);
  if (!cached || session.backend() == BackendChoice::legacy || session.firewall().legacy_tables() ||
      session.firewall().generation() != cached->generation)
    return std::nullopt;
  log_info("the rules did not change since snapshot {}: they are not read again", cached->head.substr(0, 10));
  return cached;
}

void remember_generation(const Repository& repository, const Capture& capture, const std::string& head) {
  if (!capture.generation || capture.generation->network == 0 || capture.backends != "nft" ||
      capture.has_owned)
    return;
  // Without it the next status reads the whole firewall: slower, not wrong.
  if (auto kept = write_cached_generation(repository, {*capture.generation, head}); !kept) {
    log_info("the generation was not kept: {}", kept.error().message);
  }
}

}  // namespace rewall
