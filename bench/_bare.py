"""The reference: a Flask app with one answer and its ETag for every address, under waitress."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tools.server_process import free_port

_APP = """
import logging, sys, flask, waitress
logging.getLogger("waitress.queue").setLevel(logging.ERROR)
app = flask.Flask("bare")
def answer(path=""):
    response = flask.make_response("good")
    response.set_etag("good")
    return response.make_conditional(flask.request)
app.add_url_rule("/", view_func=answer)
app.add_url_rule("/<path:path>", view_func=answer)
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=8, connection_limit=500)
"""


@contextmanager
def bare_app() -> Iterator[tuple[int, int]]:
    """A running bare app -> (process id, port)."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", _APP, str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"http://127.0.0.1:{port}/", timeout=5)
                    break
                time.sleep(0.1)
            yield process.pid, port
        finally:
            process.terminate()
