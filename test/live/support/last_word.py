"""One end of a TCP connection that waits for its end, with plain system calls. For the live tests of cutter.

Arguments: "listen" or "connect", address, port, and what has happened to the connection when it waits: "open", or "half" (the
connecting end has closed its sending side, the listening end has read that). Prints "ready" once it listens, "waits" when it
waits, and at the end the name of the error that the system reports (SO_ERROR), or "none".
"""
import errno
import select
import socket
import sys

role, host, port, state = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
if role == "listen":
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    print("ready", flush=True)
    s = listener.accept()[0]
    if state == "half":
        while s.recv(100):
            pass
else:
    s = socket.create_connection((host, port))
    s.sendall(b"x")
    if state == "half":
        s.shutdown(socket.SHUT_WR)
print("waits", flush=True)
poll = select.poll()
# Errors and hang-ups only: what can be read, or the other side's polite end, is not what is waited for.
poll.register(s.fileno(), 0)
poll.poll(30000)
number = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
print(errno.errorcode.get(number, "none"), flush=True)
