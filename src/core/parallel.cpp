#include "core/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <string>

#include "core/log.h"

namespace rewall {

namespace {

constexpr std::size_t kLongestName = 15;  // pthread_setname_np(3)

std::atomic<std::size_t> running = 0;

/// One of the kMostThreads, given back with the object.
class Permit {
 public:
  Permit() : granted_(++running <= kMostThreads) {}
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;
  ~Permit() { --running; }
  bool granted() const { return granted_; }

 private:
  bool granted_;
};

}  // namespace

std::optional<std::thread> start_thread(std::string_view name, std::function<void()> work) {
  try {
    auto permit = std::make_shared<const Permit>();
    if (!permit->granted()) return std::nullopt;
    return std::thread([permit = std::move(permit), work = std::move(work),
                        shown = std::string(name.substr(0, kLongestName))] {
      ::pthread_setname_np(::pthread_self(), shown.c_str());
      work();
    });
  } catch (const std::exception& refused) {
    log_debug("{}: no thread: {}", name, refused.what());
    return std::nullopt;
  }
}

std::size_t lanes_for(std::size_t count) {
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  return std::clamp<std::size_t>(count, 1, std::min(processors, kMostThreads));
}

}  // namespace rewall
