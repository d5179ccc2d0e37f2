"""Runs a program in a pseudo terminal of 100 x 30, types at it, and prints all that it shows. Arguments: JSON list of
[seconds to wait, keys], then the command."""
import fcntl, json, os, pty, struct, sys, termios, threading, time

keys = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))


def type_all():
    for seconds, text in keys:
        time.sleep(seconds)
        os.write(fd, text.encode())


threading.Thread(target=type_all, daemon=True).start()
shown = b""
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    shown += data
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(shown.decode(errors="replace"))
print("status", status)
