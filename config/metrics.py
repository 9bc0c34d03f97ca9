"""Metrics of this web process and of all exports, for Prometheus to scrape.

Each web process counts only its own connections and requests, so scrape every process. All
processes return the same numbers from the database.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from config import request_limits
from exports.lifecycle import room
from exports.models import Export
from exports.status import FINAL, Status
from notifications.delivery import descriptors, watchdog
from notifications.delivery.hub import hubs
from notifications.streams import push

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

logger = logging.getLogger(__name__)

ACTIVE = tuple(status for status in Status if status not in FINAL)


@never_cache
def scrape(_: HttpRequest) -> HttpResponse:
    """Return all metrics in the text format of Prometheus."""
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class ProcessCollector(Collector):
    """Metrics that this web process counts in memory."""

    def collect(self) -> Iterator[Metric]:
        found = hubs()
        blocks = [each.blocks for each in watchdog.watchdogs()]
        yield GaugeMetricFamily(
            "waybill_connections",
            "Open WebSockets, server-sent event streams and long polls.",
            sum(len(hub.connections) for hub in found),
        )
        yield CounterMetricFamily(
            "waybill_connections_refused",
            "Connections refused because of the limit of a user or of the process.",
            sum(hub.connections.refused for hub in found),
        )
        yield CounterMetricFamily(
            "waybill_requests_refused",
            "Requests refused because of REQUESTS_PER_SECOND.",
            request_limits.counters["refused"],
        )
        yield GaugeMetricFamily(
            "waybill_file_descriptors_left",
            "File descriptors that the process may still open.",
            descriptors.left(),
        )
        yield CounterMetricFamily(
            "waybill_event_loop_blocks",
            f"Times that code blocked the event loop for more than {watchdog.LIMIT:g} s.",
            sum(each.count for each in blocks),
        )
        yield CounterMetricFamily(
            "waybill_event_loop_blocked_seconds",
            "Seconds for which code blocked the event loop at these times.",
            sum(each.seconds for each in blocks),
        )
        yield CounterMetricFamily("waybill_pushes", "Pushes sent.", push.counters["sent"])
        yield CounterMetricFamily("waybill_pushes_failed", "Pushes lost.", push.counters["failed"])


class DatabaseCollector(Collector):
    """Metrics from the database and of free space; only `waybill_database_up` if it is down."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("waybill_database_up", "1 if the database answers, otherwise 0.")
        try:
            found = [*_exports(), *_space()]
        except DatabaseError as error:
            logger.warning("Metrics without the database: %r", error)
            found = []
        up.add_metric([], float(bool(found)))
        yield from [up, *found]


def _exports() -> Iterator[Metric]:
    active = Export.objects.filter(status__in=ACTIVE).order_by()
    counts = dict(active.values_list("status").annotate(number=Count("pk")))
    by_status = GaugeMetricFamily(
        "waybill_exports_active", "Exports that have not ended.", labels=["status"]
    )
    for status in ACTIVE:
        by_status.add_metric([status.value], counts.get(status.value, 0))
    yield by_status
    oldest = active.filter(status=Status.QUEUED).aggregate(at=Min("queued_at"))["at"]
    yield GaugeMetricFamily(
        "waybill_oldest_queued_seconds",
        "Seconds for which the oldest queued export has waited; 0 without one.",
        max((timezone.now() - oldest).total_seconds(), 0) if oldest else 0,
    )


def _space() -> Iterator[Metric]:
    known = room.state()
    yield GaugeMetricFamily(
        "waybill_stored_bytes", "Bytes of all files and parts of exports.", known["stored"]
    )
    yield GaugeMetricFamily(
        "waybill_stored_bytes_limit",
        "EXPORTS_MAX_STORED_BYTES; 0 is no limit.",
        known["stored_allowed"],
    )
    free = GaugeMetricFamily(
        "waybill_free_bytes", "Free space. A bucket has none to report.", labels=["place"]
    )
    for place in ("storage", "work"):
        if (size := known[f"{place}_free"]) is not None:
            free.add_metric([place], size)
    yield free
    yield GaugeMetricFamily("waybill_free_bytes_floor", "EXPORTS_MIN_FREE_BYTES.", known["floor"])
    yield GaugeMetricFamily(
        "waybill_accepts_exports",
        "1 if there is room for new exports, otherwise 0.",
        float(not known["lacking"]),
    )


registry = CollectorRegistry()
registry.register(ProcessCollector())
registry.register(DatabaseCollector())
