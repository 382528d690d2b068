#include "core/exceptions.h"

#include <new>

#include "core/format.h"

namespace rewall {

Error current_exception_as_error(std::string_view name, ErrorKind kind) {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return Error{.kind = kind, .message = format("{}: out of memory", name)};
  } catch (const std::exception& thrown) {
    return Error{.kind = kind, .message = format("{}: {}", name, thrown.what())};
  } catch (...) {
    return Error{.kind = kind, .message = format("{}: unknown exception", name)};
  }
}

}  // namespace rewall
