// Packets as people give them: words of iptables, and lines of tcpdump, conntrack and the LOG target, a line
// of the input each. What is read has words that give it back.

#include "analysis/packet.h"
#include "core/text.h"
#include "fuzz/must.h"

namespace {

void hold(const std::vector<std::string>& words, const std::string& line) {
  using namespace rewall;
  using fuzz::must;
  (void)packet_option_length(words);
  const auto packet = read_packet(words);
  if (!packet) {
    must(packet.error().kind == ErrorKind::usage, "an error of another kind", line);
    return;
  }
  for (const auto& field : packet->fields) must(!field.empty(), "a packet that is none", line);
  const auto text = packet_words(*packet);
  const auto again = read_packet(std::vector<std::string>{text});
  must(again.has_value(), "words that cannot be read: " + text, line);
  must(packet_words(*again) == text, "other words: " + text, line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rewall;
  for (const auto line : split(fuzz::text_of(data, size), '\n')) {
    const std::string text(line);
    (void)is_packet_line(line);
    hold({text}, text);
    std::vector<std::string> words;
    for (const auto word : split(line, ' ')) words.emplace_back(word);
    hold(words, text);
  }
  return 0;
}
