# SPDX-License-Identifier: MIT
"""An HTTP server for the tests: origin.py ADDRESS PORT. "ready" when it listens."""

import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256


server = Server((sys.argv[1], int(sys.argv[2])), Handler)
print("ready", server.server_address[1], flush=True)
server.serve_forever()
