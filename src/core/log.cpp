#include "core/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

#include "core/text.h"

namespace rewall {
namespace {

// The numbers are those of syslog(3), as sd-daemon(3) reads them from a service's standard error.
class JournalPriority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const char priority = message.level >= spdlog::level::err    ? '3'
                          : message.level >= spdlog::level::warn ? '4'
                          : message.level >= spdlog::level::info ? '6'
                                                                 : '7';
    out.push_back(priority);
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

// What is logged may quote the kernel, a repository or a program: it reaches the terminal escaped.
class EscapedText : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text = escape(std::string_view(message.payload.data(), message.payload.size()));
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<EscapedText>();
  }
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      break;
  }
  return spdlog::level::warn;
}

}  // namespace

void write_log(LogLevel level, fmt::string_view text, fmt::format_args values) {
  spdlog::logger& logger = *spdlog::default_logger_raw();
  if (logger.should_log(spdlog_level(level))) logger.log(spdlog_level(level), fmt::vformat(text, values));
}

void start_log(int verbosity) {
  auto logger = std::make_shared<spdlog::logger>("rewall", std::make_shared<spdlog::sinks::stderr_sink_st>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (std::getenv("JOURNAL_STREAM") != nullptr) {
    formatter->add_flag<JournalPriority>('*').add_flag<EscapedText>('?').set_pattern("<%*>%?");
  } else {
    formatter->add_flag<EscapedText>('?').set_pattern("rewall: %?");
  }
  logger->set_formatter(std::move(formatter));
  logger->set_level(verbosity < 0    ? spdlog::level::err
                    : verbosity == 0 ? spdlog::level::warn
                    : verbosity == 1 ? spdlog::level::info
                                     : spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace rewall
