"""Forwards one multicast group from one interface to another, as a multicast router would, until it is ended. Linux only.

Arguments: group, source address, incoming and outgoing interface. Prints a line when it stands. Needs root.
Numbers and layouts: include/uapi/linux/mroute.h.
"""
import socket
import struct
import sys
import time

MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204
VIFF_USE_IFINDEX = 8
MAXVIFS = 32

group, source, incoming, outgoing = sys.argv[1:5]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
s.setsockopt(socket.IPPROTO_IP, MRT_INIT, struct.pack("i", 1))
for number, name in enumerate((incoming, outgoing)):
    vif = struct.pack("HBBIi4s", number, VIFF_USE_IFINDEX, 1, 0, socket.if_nametoindex(name), bytes(4))
    s.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF, vif)
thresholds = bytes(1 if number == 1 else 255 for number in range(MAXVIFS))
entry = struct.pack("4s4sH", socket.inet_aton(source), socket.inet_aton(group), 0) + thresholds
# Behind the thresholds, aligned: three counters and an expiry, all of them the kernel's.
s.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, entry + bytes(2) + bytes(16))
print("stands", flush=True)
time.sleep(600)
