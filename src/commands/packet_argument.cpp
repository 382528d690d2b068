#include "commands/packet_argument.h"

#include <algorithm>

#include "analysis/packet.h"
#include "core/text.h"

namespace rewall {

void add_packet(Syntax& syntax, std::vector<std::string>& words, const std::string& revision) {
  // The parser gives all of them to `words`: these are for help and completion.
  const Argument::Reader nothing = [](const std::string&) { return Status{}; };
  if (!revision.empty()) syntax.positional("REV", nothing, revision);
  syntax.positional(
      "PACKET", nothing,
      "The packet: words of iptables (-p tcp -s 198.51.100.7 --dport 22 -i eth0 --state NEW --hook "
      "INPUT), or a line of tcpdump -n, conntrack -L or the kernel's LOG target");
  syntax.take({.length = packet_option_length, .options = packet_options(), .target = &words});
}

PacketArgument split_revision(std::span<const std::string> words) {
  PacketArgument argument;
  argument.packet.assign(words.begin(), words.end());
  if (words.empty() || words[0] == "!" || (words[0].starts_with('-') && words[0] != "-")) return argument;
  const auto end =
      std::ranges::find_if(words, [](const auto& word) { return word.starts_with('-') && word != "-"; });
  const std::vector<std::string> line(words.begin(), end);
  const bool second_is_line = words.size() > 1 && is_packet_line(words[1]);
  if (is_packet_line(words[0]) || (!second_is_line && is_packet_line(join(line, " ")))) return argument;
  argument.revision = words[0];
  argument.packet.erase(argument.packet.begin());
  return argument;
}

}  // namespace rewall
