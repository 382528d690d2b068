#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "judge/counters.h"
#include "judge/wire.h"
#include "kernel/namespace.h"

namespace rewall::judge {

/// An interface of the firewall; lo has no far end.
struct Link {
  std::string name{};
  int index = 0;  ///< in the firewall's namespace
  std::uint32_t group = 0;
  std::array<std::uint8_t, 6> mac{};
  std::string v4{};  ///< "10.1.0.1/16"
  std::string v6{};
  int far = -1;  ///< packet(7) at the far end
};

/// What became of a packet.
struct Outcome {
  std::optional<Seen> arrived{};  ///< at the end of INPUT or POSTROUTING, behind all tables
  Hook at = Hook::input;
  std::string out{};  ///< POSTROUTING: the interface
  std::uint32_t mark = 0;
  std::optional<std::uint32_t> connection_mark{};
  std::vector<Seen> answers{};  ///< that the host wanted to send
  std::optional<Seen> far{};    ///< what arrived on the far side of the wire
  std::vector<Place> counted{};
};

/// Three namespaces: a client, a firewall with four interfaces, and a server. Packets are put on a far end or
/// sent by the firewall itself. A table of nft of the lab's own says what reached the end of the last hook,
/// and ends packets there before they leave traces in connection tracking, but for those with Shot::go.
class Lab {
 public:
  Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;
  ~Lab();

  const std::vector<Link>& links() const { return links_; }
  const HostFacts& facts() const { return facts_; }
  /// The interface by which packets to the address leave ("lo" for the host's own).
  std::string route(Number destination, Family family) const;

  /// Runs work in the firewall's namespace.
  void inside(const std::function<void()>& work) const;
  /// What the program prints, in the firewall's namespace; absent when it fails, and `error` says why.
  std::optional<std::string> program(std::vector<std::string> words, std::string input = {});
  std::string error{};

  /// From here on counters are read of these backends.
  void learn(bool nft, bool legacy);
  /// Sends a packet and waits until the kernel is done with it.
  Outcome shoot(Shot& shot, bool count = true);
  /// Connections (ctnetlink): sets the mark of one, and that it is assured; forgets one.
  void set_mark(const Shot& shot, std::uint32_t mark);
  void forget(const Shot& shot);
  /// Another name for an interface.
  void rename(std::size_t link, const std::string& name);
  /// One more address of the firewall, one more network behind an interface; forget_places() takes all of
  /// them back.
  void add_address(std::size_t link, Number address, Family family);
  void add_network(std::size_t link, NumberRange network, unsigned length, Family family);
  void forget_places();

 private:
  void make_links();
  void open_sockets();
  void collect(Outcome& outcome, const Shot& shot);
  void connection_request(const Shot& shot, std::uint16_t type, std::uint16_t flags,
                          std::optional<std::uint32_t> mark);
  void send(const Link& link, const std::string& frame) const;

  ScratchNamespace client_;
  ScratchNamespace firewall_;
  ScratchNamespace server_;
  std::vector<Link> links_{};
  HostFacts facts_{};
  HostFacts first_facts_{};
  std::vector<std::vector<std::string>> undo_{};
  int log_ = -1;
  int raw4_ = -1;
  int raw6_ = -1;
  int loop_ = -1;
  std::unique_ptr<NetlinkSocket> conntrack_{};
  std::unique_ptr<Counts> counts4_{};
  std::unique_ptr<Counts> counts6_{};
};

}  // namespace rewall::judge
