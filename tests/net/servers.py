"""An HTTP server with a client in the same process, and a server that forks for each connection."""

from __future__ import annotations

import http.server
import socket
import socketserver
import threading
import urllib.request


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"hello " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d bytes" % len(self.rfile.read(size)))

    def log_message(self, format: str, *args: object) -> None:
        pass


class Shout(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line.upper())


class Forking(socketserver.ForkingTCPServer):
    address_family = socket.AF_INET6


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"http://127.0.0.1:{server.server_port}"
    for path in ("/a", "/b"):
        print(urllib.request.urlopen(where + path).read())
    print(urllib.request.urlopen(where, data=bytes(300000)).read())
    server.shutdown()

with Forking(("::1", 0), Shout) as shouting:
    threading.Thread(target=shouting.serve_forever, daemon=True).start()
    with socket.create_connection(("::1", shouting.socket.getsockname()[1])) as client:
        client.sendall(b"one\ntwo\n")
        client.shutdown(socket.SHUT_WR)
        print(client.makefile().read())
    shouting.shutdown()
