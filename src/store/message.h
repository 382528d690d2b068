#pragma once

#include <string>
#include <string_view>

#include "store/repository.h"

namespace rewall {

/// Writes a commit's message (rewall-repository(5)): subject, blank line, body, blank line, trailers as
/// git-interpret-trailers(1) reads them. Values are escaped, so that each is one line. The second and later
/// lines of a subject move to the body. A body line that looks like one of our trailers gets a space before
/// it.
std::string format_message(const Repository::Message& message);

/// Reads a commit's message, whoever wrote it. A part that the message lacks stays empty.
Repository::Message parse_message(std::string_view text);

/// The person without the characters that would break the author line of a commit object (`<`, `>`, control
/// characters). Name and email are never empty: `host` completes them.
Person clean_person(const Person& person, const std::string& host);

/// `host`, changed where it is no valid component of a reference's name (git-check-ref-format(1)).
std::string clean_host(std::string_view host);

}  // namespace rewall
