#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/result.h"

/// Exceptions of the standard library as values. rewall itself throws nothing; memory or a thread that cannot
/// be had arrives as an exception, and stops here.
namespace rewall {

/// The exception that a catch block is handling, as `name: reason`. Call it in a catch block only.
Error current_exception_as_error(std::string_view name, ErrorKind kind);

/// Result<T> for a function that returns T or Result<T>.
template <class T>
struct ResultOf {
  using Value = T;
};
template <class T>
struct ResultOf<Result<T>> {
  using Value = T;
};
template <class Work>
using ValueOf = typename ResultOf<std::invoke_result_t<Work&>>::Value;

/// Calls `work`, which returns a value, a Result or nothing. An exception of `work` is returned as an Error
/// of `kind` that begins with `name`.
template <class Work>
Result<ValueOf<Work>> without_exceptions(std::string_view name, ErrorKind kind, Work&& work) {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (...) {
    return current_exception_as_error(name, kind);
  }
}

}  // namespace rewall
