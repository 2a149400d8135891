"""Upstreams that score: the open inference protocol in JSON, each wrong in a way of its own."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from typing import Any

#: The input and the age band to a body.
Score = Callable[[float, str], bytes]


def body(score: float) -> bytes:
    outputs = [
        {"name": "predict_proba", "shape": [1, 2], "datatype": "FP64", "data": [1 - score, score]}
    ]
    return json.dumps({"model_name": "m", "outputs": outputs}).encode()


class Scorer:
    """One version on a loopback port of its own.  ``marked`` counts the copies it was sent."""

    def __init__(self, score: Score) -> None:
        self.marked = self.asked = 0
        scorer = self

        class Answers(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                scorer.asked += 1
                scorer.marked += "x-shadow" in self.headers
                found = score(asked["inputs"][0]["data"][0], self.headers.get("X-Age", ""))
                head = (
                    f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(found)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + found)

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Scorer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
