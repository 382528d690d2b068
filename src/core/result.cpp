#include "core/result.h"

namespace rewall {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return 2;
    case ErrorKind::refused:
      return 3;
    case ErrorKind::kernel:
      return 4;
    case ErrorKind::repository:
      return 5;
    case ErrorKind::permission:
      return 6;
    case ErrorKind::remote:
      return 7;
    case ErrorKind::capture:
      return 8;
    case ErrorKind::damaged:
      return 9;
  }
  return 9;
}

std::string_view name(LiveState state) {
  switch (state) {
    case LiveState::untouched:
    case LiveState::put_back:
      return "untouched";
    case LiveState::changed:
      return "changed";
    case LiveState::unknown:
      return "unknown";
  }
  return "unknown";
}

std::string full_message(const Error& error) {
  if (!error.live) return error.message;
  switch (*error.live) {
    case LiveState::untouched:
      return error.message + "; LIVE is untouched";
    case LiveState::put_back:
      return error.message + "; LIVE is what it was before";
    case LiveState::changed:
      return error.message + "; LIVE is neither the old ruleset nor the wanted one";
    case LiveState::unknown:
      return error.message + "; the state of LIVE is unknown";
  }
  return error.message;
}

}  // namespace rewall
