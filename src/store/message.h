#pragma once

#include <string>
#include <string_view>

#include "store/repository.h"

namespace rewall {

/// A commit's message (section 4): subject, blank, body, blank, trailers, each as git-interpret-trailers(1)
/// reads them. What comes from outside is escaped, so that one value is one line; a subject of several lines
/// gives its rest to the body; a body line that looks like one of our trailers is indented by a space.
std::string format_message(const Repository::Message& message);

/// Takes a message apart, ours or anyone's: what is not there stays empty.
Repository::Message parse_message(std::string_view text);

/// Without what would break the author line of a commit object (`<`, `>`, control characters), and never
/// empty.
Person clean_person(const Person& person, const std::string& host);

/// `host` as one component of a reference's name (git-check-ref-format(1)).
std::string clean_host(std::string_view host);

}  // namespace rewall
