#include "ui/json.h"

namespace rewall {
namespace {

template <class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const Change& change) {
  Json parts = Json::array();
  for (const auto& part : change.parts) {
    parts.push_back(
        {{"part", part.part}, {"from", value_or_null(part.from)}, {"to", value_or_null(part.to)}});
  }
  const auto family = [&] {
    if (change.native) return Json(name(*change.native));
    return change.family ? Json(name(*change.family)) : Json(nullptr);
  };
  const auto backend = [&] {
    if (change.native) return Json(kNativeBackend);
    return change.backend ? Json(name(*change.backend)) : Json(nullptr);
  };
  return {{"kind", name(change.kind)},
          {"family", family()},
          {"backend", backend()},
          {"table", or_null(change.table)},
          {"chain", or_null(change.chain)},
          {"set", or_null(change.set)},
          {"from_pos", value_or_null(change.from_pos)},
          {"to_pos", value_or_null(change.to_pos)},
          {"from", value_or_null(change.from)},
          {"to", value_or_null(change.to)},
          {"parts", change.parts.empty() ? Json(nullptr) : std::move(parts)},
          {"foreign", or_null(change.foreign)},
          {"effect", change.no_effect ? Json("none") : Json(nullptr)},
          {"object", or_null(change.object)}};
}

Json summary_json(const Diff& diff) {
  Json counts = Json::object();
  for (const auto& [kind, count] : summary(diff)) counts[std::string(name(kind))] = count;
  return counts;
}

}  // namespace

Json or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json to_json(const Error& error) {
  return {{"error",
           {{"code", exit_code(error.kind)},
            {"message", full_message(error)},
            {"hint", or_null(error.hint)},
            {"live", error.live ? Json(name(*error.live)) : Json(nullptr)}}}};
}

Json changes_json(const Diff& diff) {
  Json changes = Json::array();
  for (const auto& change : diff.changes) changes.push_back(to_json(change));
  return changes;
}

Json to_json(const Diff& diff, const std::string& from, const std::string& to) {
  return {{"from", from},
          {"to", to},
          {"equal", diff.equal()},
          {"changes", changes_json(diff)},
          {"summary", summary_json(diff)}};
}

std::string author_text(const Person& person) {
  return person.name + " <" + person.email + ">";
}

std::string author_of(const Snapshot& snapshot) {
  return author_text(snapshot.author);
}

namespace {

Json parts_json(const std::vector<PartAuthor>& authors) {
  Json json = Json::array();
  for (const auto& author : authors)
    json.push_back({{"author", author_text(author.person)},
                    {"actor", or_null(author.actor)},
                    {"perhaps", author.perhaps},
                    {"parts", author.parts}});
  return json;
}

}  // namespace

Json to_json(const Snapshot& snapshot, const std::optional<Diff>& diff) {
  return {{"hash", snapshot.hash},
          {"time", rfc3339(snapshot.time)},
          {"author", author_of(snapshot)},
          {"subject", snapshot.subject},
          {"trigger", or_null(snapshot.trailers.trigger)},
          {"backend", or_null(snapshot.trailers.backend)},
          {"actor", or_null(snapshot.trailers.actor)},
          {"commands", snapshot.trailers.commands},
          {"parts", parts_json(snapshot.trailers.parts)},
          {"foreign", snapshot.trailers.foreign},
          {"restores", or_null(snapshot.trailers.restores)},
          {"undoes", or_null(snapshot.trailers.undoes)},
          {"exact", !snapshot.trailers.exact.empty()},
          {"summary", diff ? summary_json(*diff) : Json(nullptr)}};
}

Json answer_json(const std::string& hash, const std::string& subject, bool changed,
                 const std::string& restored) {
  return {{"hash", or_null(hash)},
          {"subject", or_null(subject)},
          {"changed", changed},
          {"restored", or_null(restored)}};
}

std::string print(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace rewall
