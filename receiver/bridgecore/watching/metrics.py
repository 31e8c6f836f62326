"""The figures in Redis as Prometheus metrics.

A collector that reads them when it is asked, instead of counters in each process: so they are
right with any number of processes on any number of hosts, and no process has to answer for others.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bridgecore.errors import (
    BodyTooLarge,
    ForeignSource,
    InvalidEvent,
    InvalidJson,
    NotAuthenticated,
    QueueFull,
)
from bridgecore.runtime import Runtime
from bridgecore.storage.figures import Figures

#: name, help, label and its values with the figure of each
_COUNTERS = (
    ("received", "Events that arrived", "via", {"push": "received:push", "pull": "received:pull"}),
    (
        "duplicates",
        "Events that were known already",
        "via",
        {"push": "duplicates:push", "pull": "duplicates:pull"},
    ),
    (
        "refused",
        "Events refused because too many were waiting",
        "via",
        {"push": "refused:push", "pull": "refused:pull"},
    ),
    ("handled", "Events that came to their end", "outcome", {"done": "done", "dead": "dead"}),
    ("replayed", "Dead letters that were queued again", "", {"": "replayed"}),
    ("discarded", "Dead letters that were discarded", "", {"": "discarded"}),
    ("pull_errors", "Failed calls to Odoo", "", {"": "feed_errors"}),
)
#: shown from 0 on, so that the first one is seen as an increase
_REFUSALS = (NotAuthenticated, ForeignSource, InvalidJson, InvalidEvent, BodyTooLarge, QueueFull)
_HISTOGRAMS = (
    ("handling_seconds", "handling", "Time that the handlers of an event took"),
    ("latency_seconds", "latency", "Time from the acceptance of an event to its end"),
)


def exposition(parts: Runtime) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_FromRedis(parts))
    return generate_latest(registry)


class _FromRedis(Collector):
    def __init__(self, parts: Runtime) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        figures = {
            source: self._parts.storage.figures.read(source)
            for source in self._parts.settings.sources_by_id
        }
        yield _refusals(self._parts.storage.figures.refusals())
        yield from _counters(figures)
        yield from _gauges(figures)
        yield from _histograms(figures)


def _refusals(counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(
        "bridgecore_refused_pushes", "Pushes refused, by the code of the answer", labels=["code"]
    )
    for error in _REFUSALS:
        family.add_metric([error.code], counts.get(error.code, 0))
    return family


def _counters(figures: dict[str, Figures]) -> Iterator[Metric]:
    for name, text, label, values in _COUNTERS:
        labels = ["source", *([label] if label else [])]
        family = CounterMetricFamily(f"bridgecore_{name}", text, labels=labels)
        for source, read in figures.items():
            for value, figure in values.items():
                label_values = [source, *([value] if label else [])]
                family.add_metric(label_values, read.counters.get(figure, 0))
        yield family


def _gauges(figures: dict[str, Figures]) -> Iterator[Metric]:
    gauges: dict[str, tuple[str, Callable[[Figures], float]]] = {
        "queue_depth": ("Events that wait to be handled", lambda f: f.queued),
        "oldest_queued_seconds": (
            "Time since the oldest waiting event was committed in Odoo",
            lambda f: f.behind,
        ),
        "lag_events": (
            "Events that Odoo does not know to be handled, as it said at the last pull",
            lambda f: f.backlog,
        ),
        "lag_seconds": (
            "Time since the oldest of them was committed, as Odoo said at the last pull",
            lambda f: f.backlog_age,
        ),
        "unconfirmed": ("Handled events that Odoo has not been told of", lambda f: f.unreported),
        "dead_letters": ("Events that were given up", lambda f: f.dead),
        "remembered": ("Confirmed events that are known as duplicates", lambda f: f.remembered),
        "feed_read_age_seconds": (
            "Time since the feed was last read to its end; NaN: never",
            lambda f: float("nan") if f.since_read is None else f.since_read,
        ),
        "odoo_failures": ("Failed calls to Odoo since the last good one", lambda f: f.failures),
    }
    for name, (text, figure) in gauges.items():
        family = GaugeMetricFamily(f"bridgecore_{name}", text, labels=["source"])
        for source, read in figures.items():
            family.add_metric([source], figure(read))
        yield family


def _histograms(figures: dict[str, Figures]) -> Iterator[Metric]:
    for name, kind, text in _HISTOGRAMS:
        family = HistogramMetricFamily(f"bridgecore_{name}", text, labels=["source"])
        for source, read in figures.items():
            buckets, total = read.histogram(kind)
            family.add_metric([source], buckets, total)
        yield family
