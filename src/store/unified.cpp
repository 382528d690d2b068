#include "store/unified.h"

#include "core/format.h"
#include "store/git.h"

namespace rewall {
namespace {

std::string& text_of(void* payload) {
  return *static_cast<std::string*>(payload);
}

// git's own headers name a line behind the second "@@"; those of diff -u end there.
int add_hunk(const git_diff_delta* /*delta*/, const git_diff_hunk* hunk, void* payload) {
  const std::string_view header(hunk->header, hunk->header_len);
  text_of(payload).append(header.substr(0, header.find("@@", 2) + 2)) += '\n';
  return 0;
}

// The content of the other origins is the remark that a last line has no end.
int add_line(const git_diff_delta* /*delta*/, const git_diff_hunk* /*hunk*/, const git_diff_line* line,
             void* payload) {
  if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
      line->origin == GIT_DIFF_LINE_DELETION)
    text_of(payload) += line->origin;
  text_of(payload).append(line->content, line->content_len);
  return 0;
}

}  // namespace

Result<std::string> unified(std::string_view from, std::string_view to, std::string_view from_name,
                            std::string_view to_name) {
  if (from == to) return std::string{};
  TRY(git::start());
  git_diff_options options = GIT_DIFF_OPTIONS_INIT;
  options.flags = GIT_DIFF_FORCE_TEXT;
  options.context_lines = 3;
  std::string text = format("--- {}\n+++ {}\n", from_name, to_name);
  if (git_diff_buffers(from.data(), from.size(), nullptr, to.data(), to.size(), nullptr, &options, nullptr,
                       nullptr, add_hunk, add_line, &text) != 0)
    return git::last_error("cannot compare the texts");
  return text;
}

}  // namespace rewall
