#include "ops/history/live_sets.h"

#include <string>

#include "rules/print.h"

namespace rewall {

Result<bool> sets_are(Session& session, std::string_view text, const std::optional<SetsDigest>& digest) {
  if (digest) return *digest == digest_of_text(text);
  auto sets = TRY(session.firewall().sets());
  return canonical_text(sets) == text;
}

}  // namespace rewall
