"""One end of many TCP connections that are idle, and how each of them ends. For the cutter benchmark.

Arguments: address, port, and how many to open; without the last one it listens. Prints a line when all stand, and for
each line of standard input a JSON object {"open", "ended": {code: count}, "lastEndMs": wall clock}.
Small on purpose: what it costs to notice ten thousand ends is not the cutter's time.
"""
import errno
import json
import select
import socket
import sys
import time

host, port = sys.argv[1], int(sys.argv[2])
count = int(sys.argv[3]) if len(sys.argv) > 3 else None
family = socket.AF_INET6 if ":" in host else socket.AF_INET
epoll = select.epoll()
sockets = {}
ended = {}
last_end = 0.0


def add(s):
    s.setblocking(False)
    sockets[s.fileno()] = s
    epoll.register(s.fileno(), select.EPOLLIN)


def end(fd):
    global last_end
    s = sockets[fd]
    number = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number == 0:
        try:
            if s.recv(65536):
                return
        except BlockingIOError:
            return
        except OSError as error:
            number = error.errno
    code = errno.errorcode.get(number, "end")
    ended[code] = ended.get(code, 0) + 1
    last_end = time.time()
    # Closed at the end of the process: closing costs time that others need now.
    epoll.unregister(fd)
    del sockets[fd]
    graveyard.append(s)


graveyard = []
listener = None
if count is None:
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(4096)
    listener.setblocking(False)
    epoll.register(listener.fileno(), select.EPOLLIN)
else:
    for _ in range(count):
        s = socket.create_connection((host, port))
        s.sendall(b"x")
        add(s)
epoll.register(0, select.EPOLLIN)
print('"ready"', flush=True)
while True:
    for fd, _ in epoll.poll():
        if listener is not None and fd == listener.fileno():
            try:
                while True:
                    add(listener.accept()[0])
            except BlockingIOError:
                pass
        elif fd == 0:
            if sys.stdin.readline() == "":
                sys.exit()
            print(json.dumps({"open": len(sockets), "ended": ended, "lastEndMs": last_end * 1000}), flush=True)
        else:
            end(fd)
