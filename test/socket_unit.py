"""A socket unit of systemd and its service, as far as a server sees them: a listening socket that stays open while the service
is stopped and started.

Usage: socket_unit.py COMMAND…
Prints the socket's port, then the service's own output. Lines of its input: `start`, `stop` (prints `stopped` and the exit
code). The end of its input ends the service.
"""

import os
import signal
import socket
import subprocess
import sys

FIRST = 3

listening = socket.create_server(("127.0.0.1", 0), backlog=512)
os.dup2(listening.fileno(), FIRST)
if listening.fileno() != FIRST:
    listening.close()
else:
    listening.detach()
os.set_inheritable(FIRST, True)
with socket.socket(fileno=os.dup(FIRST)) as shown:
    print("port", shown.getsockname()[1], flush=True)

service = None
for line in sys.stdin:
    if line == "start\n":
        # The process id is that of the shell, and stays the same as it becomes the server.
        shell = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *sys.argv[1:]]
        service = subprocess.Popen(shell, pass_fds=[FIRST])
    elif service:
        service.send_signal(signal.SIGTERM)
        print("stopped", service.wait(), flush=True)
        service = None
if service:
    service.kill()
    service.wait()
