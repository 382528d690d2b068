#include "ops/history/generation_cache.h"

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
std::optional<CachedGeneration> read_cached_generation(const Repository& repository) {
  const auto text = read_file(StatePaths(repository).generation());
  if (!text) return std::nullopt;
  const auto words = split(trim(*text), ' ');
  CachedGeneration seen;
  if (words.size() != 4 || !read_number(words[1], seen.generation.network) ||
      !read_number(words[2], seen.generation.number)) {
    return std::nullopt;
  }
  seen.generation.boot = words[0];
  seen.head = words[3];
  return seen;
}

Status write_cached_generation(const Repository& repository, const CachedGeneration& seen) {
  return write_file(StatePaths(repository).generation(),
                    format("{} {} {} {}\n", seen.generation.boot, seen.generation.network,
                           seen.generation.number, seen.head),
                    0600, Sync::no);
}

std::optional<CachedGeneration> unchanged_since_cached(Session& session, const Repository& repository) {
  auto seen = read_cached_generation(repository);
  if (!seen || session.backend() == BackendChoice::legacy || session.firewall().legacy_tables() ||
      session.firewall().generation() != seen->generation)
    return std::nullopt;
  return seen;
}

void remember_generation(const Repository& repository, const Capture& capture, const std::string& head) {
  if (!capture.generation || capture.generation->network == 0 || capture.backends != "nft") return;
  // Without it the next status reads the whole firewall: slower, not wrong.
  if (auto kept = write_cached_generation(repository, {*capture.generation, head}); !kept) {
    log_info("the generation was not kept: {}", kept.error().message);
  }
}

}  // namespace rewall
