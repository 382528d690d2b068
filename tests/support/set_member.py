"""set_member.py SET ADDRESS COMMENT [TCP-PORT]: adds a member with a comment to a set of ipset, by netlink.

ipset 7.22 crashes on a comment among its arguments, and `ipset restore` of every version takes no line break in one.
The numbers are those of linux/netfilter/ipset/ip_set.h.
"""
import ipaddress
import socket
import struct
import sys

NESTED, NET_BYTE_ORDER = 0x8000, 0x4000


def attribute(number, content):
    size = 4 + len(content)
    return struct.pack("=HH", size, number) + content + bytes(-size % 4)


name, address, comment = sys.argv[1:4]
member = attribute(1 | NESTED, attribute(1 | NET_BYTE_ORDER, ipaddress.IPv4Address(address).packed))
for port in sys.argv[4:]:
    member += attribute(4 | NET_BYTE_ORDER, struct.pack(">H", int(port))) + attribute(7, bytes([socket.IPPROTO_TCP]))
member += attribute(26, comment.encode() + b"\0")
body = struct.pack("=BBH", socket.AF_INET, 0, 0)
body += attribute(1, bytes([7])) + attribute(2, name.encode() + b"\0") + attribute(7 | NESTED, member)
# IPSET_CMD_ADD of NFNL_SUBSYS_IPSET; NLM_F_REQUEST and NLM_F_ACK.
request = struct.pack("=IHHII", 16 + len(body), 6 << 8 | 9, 5, 1, 0) + body
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netfilter:
    netfilter.send(request)
    failed = struct.unpack_from("=i", netfilter.recv(65536), 16)[0]
if failed:
    sys.exit(f"ipset: errno {-failed}")
