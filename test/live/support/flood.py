"""One end of a TCP connection that sends and receives at full speed, with plain system calls. For the live tests of cutter.

Arguments: "listen" or "connect", address, port. Prints "ready" once it listens or is connected, "flows" after a MiB each way,
and at the end a JSON object: {"error": code of the first call that failed, "atMs": wall clock}.
"""
import errno
import json
import select
import socket
import sys
import time

role, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if role == "listen":
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    print("ready", flush=True)
    s = listener.accept()[0]
else:
    s = socket.create_connection((host, port))
    print("ready", flush=True)
s.setblocking(False)
chunk = bytes(65536)
counts = [0, 0]
is_told = False
code = "none"
end = time.time() + 60
while time.time() < end and code == "none":
    readable, writable, _ = select.select([s], [s], [], 1)
    try:
        if writable:
            counts[0] += s.send(chunk)
        if readable:
            received = len(s.recv(65536))
            counts[1] += received
            if received == 0:
                code = "end"
    except BlockingIOError:
        pass
    except OSError as error:
        code = errno.errorcode.get(error.errno, str(error.errno))
    if not is_told and min(counts) > 1 << 20:
        is_told = True
        print("flows", flush=True)
print(json.dumps({"error": code, "atMs": time.time() * 1000}), flush=True)
