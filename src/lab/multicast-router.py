"""Routes multicast of one organization (239.192.0.0/16, RFC 2365) between two interfaces of a router, both ways.
Arguments: the names of the two interfaces. What arrives must have a time to live above 1.

Local service discovery (BEP 14) is sent to 239.192.152.143 and reaches other segments wherever such a router stands.
Linux: MRT_INIT, MRT_ADD_VIF and MRT_ADD_MFC of include/uapi/linux/mroute.h; IGMPMSG_NOCACHE tells of a new source.
"""
import socket
import struct
import sys

MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204
VIFF_USE_IFINDEX = 8

s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
s.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
for vif, name in enumerate(sys.argv[1:3]):
    index = socket.if_nametoindex(name)
    # struct vifctl: vif, flags, threshold, rate limit, interface index, remote address.
    s.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF, struct.pack("HBBIi4s", vif, VIFF_USE_IFINDEX, 1, 0, index, b"\0" * 4))
    # Membership makes the router hear the group on both interfaces.
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", socket.inet_aton("239.192.152.143"), b"\0" * 4, index))
print("ready", flush=True)
while True:
    message = s.recv(4096)
    # struct igmpmsg lies over an IP header whose protocol is 0: type at 8, vif at 10, source at 12, group at 16.
    if len(message) < 20 or message[9] != 0 or message[8] != 1:
        continue
    arrived = message[10]
    thresholds = bytearray(32)
    thresholds[1 - arrived] = 1
    # struct mfcctl: source, group, parent vif, thresholds of 32 vifs, counters.
    s.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, struct.pack("4s4sH32sIIIi", message[12:16], message[16:20], arrived, bytes(thresholds), 0, 0, 0, 0))
