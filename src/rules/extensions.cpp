#include "rules/extensions.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/text.h"
#include "rules/symbols.h"

namespace rewall {
namespace {

// One line an extension: its options as NAME[,ALIAS...][=KIND[:LONGEST]]; no kind is one word. LONGEST bytes
// of a text are kept (XTOPT_POINTER of the extension). '^' before an option: of ip6tables alone. '*' before
// the name: stateful;
// '+': its options are independent conditions.
constexpr std::array kMatchSpecs = std::to_array<std::string_view>({
    "addrtype --src-type=list --dst-type=list --limit-iface-in=flag --limit-iface-out=flag",
    "+ah --ahspi=range32 ^--ahlen=number ^--ahres=flag",
    "bpf --bytecode=free-text --object-pinned=free-text",
    "cgroup --cgroup=number --path=free-text",
    "cluster --cluster-total-nodes=number --cluster-local-node=number --cluster-local-nodemask=number "
    "--cluster-hash-seed=number",
    "comment --comment=free-text",
    "connbytes --connbytes --connbytes-dir --connbytes-mode",
    "*connlabel --label=number --set=flag",
    "*connlimit --connlimit-upto=number --connlimit-above=number --connlimit-mask --connlimit-saddr=flag "
    "--connlimit-daddr=flag",
    "+connmark --mark=mark",
    "+conntrack --ctstate=list --ctproto=protocol --ctorigsrc=host --ctorigdst=host --ctreplsrc=host "
    "--ctrepldst=host --ctorigsrcport=port --ctorigdstport=port --ctreplsrcport=port --ctrepldstport=port "
    "--ctstatus=list --ctexpire=range32 --ctdir=list",
    "+cpu --cpu=number",
    "+dccp --sport,--source-port=port --dport,--destination-port=port --dccp-types=list --dccp-option=number",
    "devgroup --src-group=mark --dst-group=mark",
    "+dscp --dscp=number --dscp-class",
    "dst --dst-len=number --dst-opts",
    "+ecn --ecn-tcp-cwr=flag --ecn-tcp-ece=flag --ecn-ip-ect=number",
    "+esp --espspi=range32",
    "eui64",
    "frag --fragid=range32 --fraglen=number --fragres=flag --fragfirst=flag --fragmore=flag --fraglast=flag",
    "*hashlimit --hashlimit-upto,--hashlimit --hashlimit-above --hashlimit-burst=number "
    "--hashlimit-mode=list "
    "--hashlimit-srcmask --hashlimit-dstmask --hashlimit-name=free-text:254 --hashlimit-htable-size=number "
    "--hashlimit-htable-max=number --hashlimit-htable-expire=number --hashlimit-htable-gcinterval=number "
    "--hashlimit-rate-match=flag --hashlimit-rate-interval=number",
    "hbh --hbh-len=number --hbh-opts",
    "helper --helper=free-text:29",
    "+hl --hl-eq,--hl=number --hl-lt=number --hl-gt=number",
    "+icmp --icmp-type",
    "+icmp6 --icmpv6-type",
    "+ipcomp --ipcompspi=range32 --compres=flag",
    "+iprange --src-range=address-range --dst-range=address-range",
    "ipv6header --header --soft=flag",
    "ipvs --ipvs=flag --vproto=protocol --vaddr=host --vport=port --vdir=caseless --vmethod=caseless "
    "--vportctl=port",
    "l2tp --pversion=number --tid=number --sid=number --type=caseless",
    "+length --length=range16",
    "*limit --limit --limit-burst=number",
    "+mac --mac-source=mac",
    "+mark --mark=mark",
    "+mh --mh-type=range8",
    "+multiport --sports,--source-ports=ports --dports,--destination-ports=ports --ports=ports",
    "*nfacct --nfacct-name=free-text:31",
    "*osf --genre=free-text:31 --ttl=number --log=number",
    "owner --uid-owner=id --gid-owner=gid --socket-exists=flag --suppl-groups=flag --pid-owner=number "
    "--sid-owner=number --cmd-owner=free-text",
    "physdev --physdev-in=free-text --physdev-out=free-text --physdev-is-in=flag --physdev-is-out=flag "
    "--physdev-is-bridged=flag",
    "+pkttype --pkt-type",
    "policy --dir --pol --strict=flag --reqid=number --spi=number --proto=protocol --mode --tunnel-src=host "
    "--tunnel-dst=host --next=flag",
    "*quota --quota=number",
    "*rateest --rateest1,--rateest=free-text:15 --rateest2=free-text:15 --rateest-delta=flag "
    "--rateest-bps1=optional-word --rateest-pps1=optional-word --rateest-bps2,--rateest-bps=optional-word "
    "--rateest-pps2,--rateest-pps=optional-word --rateest-lt=flag --rateest-gt=flag --rateest-eq=flag",
    "realm --realm=mark",
    "*recent --set=flag --rcheck=flag --update=flag --remove=flag --seconds=number --hitcount=number "
    "--rttl=flag "
    "--reap=flag --name=free-text:199 --mask=host --rsource=flag --rdest=flag",
    "rpfilter --loose=flag --validmark=flag --accept-local=flag --invert=flag",
    "+rt --rt-type=number --rt-segsleft=range32 --rt-len=number --rt-0-res=flag --rt-0-addrs "
    "--rt-0-not-strict=flag",
    "+sctp --sport,--source-port=port --dport,--destination-port=port --chunk-types=two-words",
    "set --match-set,--set=two-words --return-nomatch=flag --update-counters=flag --update-subcounters=flag "
    "--packets-eq=number --packets-lt=number --packets-gt=number --bytes-eq=number --bytes-lt=number "
    "--bytes-gt=number",
    "socket --transparent=flag --nowildcard=flag --restore-skmark=flag",
    "srh --srh-next-hdr=protocol --srh-hdr-len-eq=number --srh-hdr-len-gt=number --srh-hdr-len-lt=number "
    "--srh-segs-left-eq=number --srh-segs-left-gt=number --srh-segs-left-lt=number "
    "--srh-last-entry-eq=number "
    "--srh-last-entry-gt=number --srh-last-entry-lt=number --srh-tag=number --srh-psid=host --srh-nsid=host "
    "--srh-lsid=host",
    "+state --state=list",
    "*statistic --mode --probability --every=number --packet=number",
    "string --from=number --to=number --algo --string=free-text --hex-string=free-text --icase=flag",
    "+tcp --sport,--source-port=port --dport,--destination-port=port --syn=flag --tcp-flags=two-words "
    "--tcp-option=number",
    "+tcpmss --mss=range16",
    "time --timestart --timestop --datestart --datestop --monthdays --weekdays --kerneltz=flag "
    "--contiguous=flag "
    "--utc=flag --localtz=flag",
    "+tos --tos",
    "+ttl --ttl-eq,--ttl=number --ttl-lt=number --ttl-gt=number",
    "u32 --u32=free-text",
    "+udp --sport,--source-port=port --dport,--destination-port=port",
    "+udplite --sport,--source-port=port --dport,--destination-port=port",
});

// Of the prefix of NFLOG nft keeps so much, legacy 63 bytes.
constexpr std::array kTargetSpecs = std::to_array<std::string_view>({
    "ACCEPT",
    "DROP",
    "QUEUE",
    "RETURN",
    "AUDIT --type",
    "CHECKSUM --checksum-fill=flag",
    "CLASSIFY --set-class",
    "CLUSTERIP --new=flag --hashmode --clustermac=mac --total-nodes=number --local-node=number "
    "--hash-init=number",
    "CONNMARK --set-xmark --set-mark --and-mark=number --or-mark=number --xor-mark=number --save-mark=flag "
    "--restore-mark=flag --nfmask=number --ctmask=number --mask=number --left-shift-mark=number "
    "--right-shift-mark=number",
    "CONNSECMARK --save=flag --restore=flag",
    "CT --notrack=flag --helper=free-text:15 --timeout=free-text:31 --ctevents=list --expevents=list "
    "--zone=number "
    "--zone-orig=number --zone-reply=number",
    "DNAT --to-destination --random=flag --random-fully=flag --persistent=flag",
    "DNPT --src-pfx=host --dst-pfx=host",
    "DSCP --set-dscp=number --set-dscp-class",
    "ECN --ecn-tcp-remove=flag --ecn-tcp-cwr=number --ecn-tcp-ece=number --ecn-ip-ect=number",
    "HL --hl-set=number --hl-dec=number --hl-inc=number",
    "HMARK --hmark-tuple --hmark-mod=number --hmark-offset=number --hmark-rnd=number --hmark-src-prefix "
    "--hmark-dst-prefix --hmark-sport-mask=number --hmark-dport-mask=number --hmark-spi-mask=number "
    "--hmark-sport=number --hmark-dport=number --hmark-spi=number --hmark-proto-mask=number",
    "IDLETIMER --timeout=number --label=free-text:27 --alarm=flag",
    "LED --led-trigger-id=free-text --led-delay=number --led-always-blink=flag",
    "LOG --log-level --log-prefix=free-text:29 --log-tcp-sequence=flag --log-tcp-options=flag "
    "--log-ip-options=flag "
    "--log-uid=flag --log-macdecode=flag",
    "MARK --set-xmark --set-mark --and-mark=number --or-mark=number --xor-mark=number",
    "MASQUERADE --to-ports --random=flag --random-fully=flag",
    "NETMAP --to=host",
    "NFLOG --nflog-group=number --nflog-prefix=free-text:127 --nflog-range=number --nflog-size=number "
    "--nflog-threshold=number",
    "NFQUEUE --queue-num=number --queue-balance=range16 --queue-bypass=flag --queue-cpu-fanout=flag",
    "NOTRACK",
    "RATEEST --rateest-name=free-text:15 --rateest-interval --rateest-ewmalog",
    "REDIRECT --to-ports --random=flag --random-fully=flag",
    "REJECT --reject-with",
    "SECMARK --selctx=free-text:255",
    "SET --add-set=two-words --del-set=two-words --map-set=two-words --exist=flag --timeout=number "
    "--map-mark=flag "
    "--map-prio=flag "
    "--map-queue=flag",
    "SNAT --to-source --random=flag --random-fully=flag --persistent=flag",
    "SNPT --src-pfx=host --dst-pfx=host",
    "SYNPROXY --sack-perm=flag --timestamp=flag --wscale=number --mss=number --ecn=flag",
    "TCPMSS --set-mss=number --clamp-mss-to-pmtu=flag",
    "TCPOPTSTRIP --strip-options",
    "TEE --gateway=host --oif=free-text:15",
    "TOS --set-tos --and-tos=number --or-tos=number --xor-tos=number",
    "TPROXY --on-port=port --on-ip=host --tproxy-mark=mark",
    "TRACE",
    "TTL --ttl-set=number --ttl-dec=number --ttl-inc=number",
    "ULOG --ulog-nlgroup=number --ulog-prefix=free-text:31 --ulog-cprange=number --ulog-qthreshold=number",
});

constexpr std::string_view kBase =
    "base -p,--protocol=protocol -s,--source,--src=address -d,--destination,--dst=address "
    "-i,--in-interface=free-text -o,--out-interface=free-text -f,--fragment,--fragments=flag";

ValueKind kind_by_name(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, ValueKind>, 20> kKinds = {{
      {"flag", ValueKind::flag},
      {"two-words", ValueKind::two_words},
      {"optional-word", ValueKind::optional_word},
      {"free-text", ValueKind::free_text},
      {"number", ValueKind::number},
      {"list", ValueKind::list},
      {"protocol", ValueKind::protocol},
      {"port", ValueKind::port},
      {"ports", ValueKind::ports},
      {"range8", ValueKind::range8},
      {"range16", ValueKind::range16},
      {"range32", ValueKind::range32},
      {"address", ValueKind::address},
      {"host", ValueKind::host},
      {"caseless", ValueKind::caseless},
      {"address-range", ValueKind::address_range},
      {"mark", ValueKind::mark},
      {"mac", ValueKind::mac},
      {"id", ValueKind::id},
      {"gid", ValueKind::id},
  }};
  const auto found = std::ranges::find(kKinds, name, &std::pair<std::string_view, ValueKind>::first);
  return found == kKinds.end() ? ValueKind::word : found->second;
}

OptionSpec read_option(std::string_view text) {
  const bool six = text.starts_with('^');
  if (six) text.remove_prefix(1);
  const auto equals = std::min(text.find('='), text.size());
  auto kind = text.substr(std::min(equals + 1, text.size()));
  const auto colon = std::min(kind.find(':'), kind.size());
  const auto longest = kind.substr(std::min(colon + 1, kind.size()));
  kind = kind.substr(0, colon);
  auto names = split(text.substr(0, equals), ',');
  OptionSpec spec{.name = names.front(), .kind = kind_by_name(kind), .six = six, .group = kind == "gid"};
  if (!longest.empty()) spec.longest = read_number(longest).value_or(spec.longest);
  spec.aliases.assign(names.begin() + 1, names.end());
  return spec;
}

ExtensionSpec read_extension(std::string_view line) {
  auto words = split(line, ' ');
  auto name = words.front();
  ExtensionSpec spec{.stateful = name.starts_with('*'), .independent = name.starts_with('+')};
  if (spec.stateful || spec.independent) name.remove_prefix(1);
  spec.name = name;
  for (auto word = words.begin() + 1; word != words.end(); ++word) spec.options.push_back(read_option(*word));
  return spec;
}

using Specs = std::unordered_map<std::string_view, ExtensionSpec>;

template <std::size_t N>
Specs read_all(const std::array<std::string_view, N>& lines) {
  Specs specs;
  for (const auto line : lines) {
    auto spec = read_extension(line);
    const auto name = spec.name;
    specs.emplace(name, std::move(spec));
  }
  return specs;
}

const ExtensionSpec* find_in(const Specs& specs, std::string_view name) {
  const auto found = specs.find(name);
  return found == specs.end() ? nullptr : &found->second;
}

}  // namespace

const OptionSpec* ExtensionSpec::find(std::string_view option) const {
  for (const auto& spec : options) {
    if (spec.name == option || std::ranges::find(spec.aliases, option) != spec.aliases.end()) return &spec;
  }
  return nullptr;
}

const ExtensionSpec* find_match(std::string_view name) {
  static const Specs specs = read_all(kMatchSpecs);
  // The other names that iptables' own table of prefixes knows (xtables_chain_protos in xtables.c).
  if (name == "icmpv6" || name == "ipv6-icmp") name = "icmp6";
  if (name == "mobility-header" || name == "ipv6-mh") name = "mh";
  return find_in(specs, name);
}

const ExtensionSpec* find_target(std::string_view name) {
  static const Specs specs = read_all(kTargetSpecs);
  return find_in(specs, name);
}

const ExtensionSpec* find_implied(std::string_view protocol, Family family) {
  const auto number = protocol_number(protocol);
  if (!number) return nullptr;
  switch (*number) {
    case 1:
      return family == Family::ipv4 ? find_match("icmp") : nullptr;
    case 6:
      return find_match("tcp");
    case 17:
      return find_match("udp");
    case 33:
      return find_match("dccp");
    case 50:
      return find_match("esp");
    case 51:
      return find_match("ah");
    case 58:
      return family == Family::ipv6 ? find_match("icmp6") : nullptr;
    case 108:
      return find_match("ipcomp");
    case 132:
      return find_match("sctp");
    case 135:
      return family == Family::ipv6 ? find_match("mh") : nullptr;
    case 136:
      return find_match("udplite");
    default:
      return nullptr;
  }
}

const ExtensionSpec& base_options() {
  static const ExtensionSpec spec = read_extension(kBase);
  return spec;
}

}  // namespace rewall
