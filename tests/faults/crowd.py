"""Two hundred pages in one process of Node: `stream.js` as browsers run it."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import playwright

from tests.faults.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from notifications.streams.cursor import Cursor
    from tests.faults.recorder import Place
    from tests.services.processes import Run

NODE = Path(playwright.__file__).parent / "driver" / "node"
SCRIPT = Path(__file__).with_name("crowd.mjs")


@dataclass
class Page(Record):
    """One client of the crowd, as it stands now."""

    status: str = ""
    begun: Sequence[int] = ()  # when it began each handshake, in milliseconds since 1970

    @property
    def is_live(self) -> bool:
        return self.status == "live"


class Crowd:
    """A client for each of `tokens`. They start at once."""

    def __init__(self, run: Run, place: Place, streams: Sequence[str], tokens: Sequence[str]):
        page = f"{place.url}/login/"
        told = {"url": place.websocket_url, "page": page, "streams": streams, "tokens": tokens}
        self.process = run.start("crowd", [NODE, SCRIPT, json.dumps(told)])
        self.process.wait_ready(lambda: "port " in self.process.log_text())
        self._port = int(self.process.log_text().split()[1])

    def pages(self) -> list[Page]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/", timeout=60) as answer:
            return [Page(**each) for each in json.load(answer)]

    def all_live(self) -> bool:
        return all(page.is_live for page in self.pages())

    def all_have_reached(self, heads: Mapping[str, Cursor]) -> bool:
        return all(page.has_reached(heads) for page in self.pages())
