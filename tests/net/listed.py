"""Make sockets in all states, and list them with ss, netstat and from /proc/net."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

FIN_WAIT2 = 5

server = socket.create_server(("127.0.0.1", 8080))
six = socket.create_server(("::", 8081), family=socket.AF_INET6, dualstack_ipv6=True)
client = socket.create_connection(("127.0.0.1", 8080))
accepted, _ = server.accept()
client.send(b"unread")
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("0.0.0.0", 53))
gone = socket.create_connection(("::1", 8081))
other, _ = six.accept()
other.close()
gone.recv(1)
gone.close()
half = socket.create_connection(("127.0.0.1", 8080))
end, _ = server.accept()
half.shutdown(socket.SHUT_WR)
end.recv(1)
while half.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != FIN_WAIT2:
    time.sleep(0.01)  # until the other side has acknowledged
names = socket.socket(socket.AF_UNIX)
names.bind("\0abstract")
names.listen()
sys.stdout.flush()
only_six = socket.create_server(("::", 8082), family=socket.AF_INET6, backlog=7)
listing = "ss -tuan | awk '{ print $1, $2, $3, $4, $5, $6 }' | sort; ss -xl; cat /proc/net/if_inet6; grep -c . /proc/net/unix"
subprocess.run(["sh", "-c", listing])
