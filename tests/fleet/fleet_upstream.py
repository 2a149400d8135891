"""An upstream for process tests: says which version it is, and may be told to fail."""

from __future__ import annotations

import http.server
import json
import threading
import time
from typing import Any


class Version:
    """A model version on a loopback port of its own; ``failing`` makes it answer 500."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.failing = False
        version = self

        class Answers(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path.endswith("/hold"):
                    time.sleep(0.5)
                body = json.dumps({"version": version.name}).encode()
                self.send_response(500 if version.failing else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Version:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody answers there any more; stopping twice is fine."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
