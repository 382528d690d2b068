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

}  // namespace rewall
