// What a netlink socket receives of the audit trail: messages of every kind, of any length and content. A
// line of the input is a message: a byte that chooses its type, and its text.

#include "kernel/audit.h"

#include <linux/audit.h>
#include <linux/netlink.h>

#include <array>
#include <cstring>

#include "core/text.h"
#include "fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rewall;
  using fuzz::must;
  static constexpr std::array<std::uint16_t, 8> kTypes = {AUDIT_NETFILTER_CFG, AUDIT_SYSCALL, AUDIT_PROCTITLE,
                                                          AUDIT_EOE,           AUDIT_LOGIN,   AUDIT_PATH,
                                                          AUDIT_CONFIG_CHANGE, AUDIT_REPLACE};
  const auto input = fuzz::text_of(data, size);
  AuditParser parser;
  (void)parser.take(input);
  for (const auto line : split(input, '\n')) {
    if (line.empty()) continue;
    nlmsghdr header{};
    header.nlmsg_type = kTypes[static_cast<unsigned char>(line[0]) % kTypes.size()];
    header.nlmsg_len = static_cast<std::uint32_t>(line.size());
    std::string message(sizeof header, '\0');
    std::memcpy(message.data(), &header, sizeof header);
    message += line.substr(1);
    for (const auto& record : parser.take(message)) {
      must(record.table.size() <= size, "a longer name than the input", record.table);
      must(header.nlmsg_type == AUDIT_EOE, "a record before the end of its event", std::string(line));
    }
  }
  return 0;
}
