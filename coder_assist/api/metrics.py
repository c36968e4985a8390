"""What Prometheus may ask: how many requests, how long they took, how much waits. No ids, no names, no text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from coder_assist.review.database import now
from coder_assist.review.store import Store
from coder_assist.suggest.coder import software_version

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 2.5, 5.0, 10.0)


class Figures:
    """The figures of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "coder_assist_requests", "Requests answered.", labels, registry=self.registry
        )
        self._seconds = Histogram(
            "coder_assist_request_seconds",
            "How long answers took.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def watch(self, store: Store) -> None:
        """Also tell how the review stands, read when asked."""
        self.registry.register(_Standing(store))

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer. ``route`` is the route's template, never an address."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """Return the figures in Prometheus's text format."""
        return generate_latest(self.registry)


class _Standing(Collector):
    """Reads how many encounters, runs and holds there are at the moment of asking."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        """Say nothing in advance, so that registering does not read the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        moment = now()
        overview = self._store.overview(moment - timedelta(days=1), moment)
        encounters = GaugeMetricFamily("coder_assist_encounters", "Encounters by state.", labels=["state"])
        for state, count in overview.states.items():
            encounters.add_metric([state.value], count)
        runs = GaugeMetricFamily("coder_assist_runs", "Readings of encounters by state.", labels=["state"])
        for run_state, count in overview.runs.items():
            runs.add_metric([run_state.value], count)
        waiting = GaugeMetricFamily(
            "coder_assist_waiting", "Encounters not submitted, by days.", labels=["days"]
        )
        for days, count in overview.ages.items():
            waiting.add_metric([days], count)
        version = GaugeMetricFamily("coder_assist_info", "The software.", labels=["version"])
        version.add_metric([software_version()], 1)
        yield from (encounters, runs, waiting, version)
