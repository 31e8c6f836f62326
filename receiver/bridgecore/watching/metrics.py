"""Shows the figures in Redis as Prometheus metrics.

The collector reads Redis when Prometheus asks. Counters in each process would be right for that
process only; the figures in Redis are those of all processes on all hosts.
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

#: name, help text, label, and for each value of the label the name of its figure
_COUNTERS = (
    ("received", "Events that arrived", "via", {"push": "received:push", "pull": "received:pull"}),
    (
        "duplicates",
        "Events that had been accepted before",
        "via",
        {"push": "duplicates:push", "pull": "duplicates:pull"},
    ),
    (
        "refused",
        "Events refused because too many were waiting",
        "via",
        {"push": "refused:push", "pull": "refused:pull"},
    ),
    (
        "handled",
        "Events that were handled (done) or given up (dead)",
        "outcome",
        {"done": "done", "dead": "dead"},
    ),
    ("replayed", "Dead letters that were queued again", "", {"": "replayed"}),
    ("discarded", "Dead letters that were discarded", "", {"": "discarded"}),
    ("pull_errors", "Failed calls to Odoo", "", {"": "feed_errors"}),
    (
        "instance_conflicts",
        "Signs that two databases claim this source: a copy was not neutralised",
        "",
        {"": "instance_conflicts"},
    ),
)
#: Shown even while their count is 0: Prometheus sees the first refusal only as an increase from 0.
_REFUSALS = (NotAuthenticated, ForeignSource, InvalidJson, InvalidEvent, BodyTooLarge, QueueFull)
_HISTOGRAMS = (
    ("handling_seconds", "handling", "Time that the handlers of an event took"),
    ("latency_seconds", "latency", "Time from accepting an event until it was handled or given up"),
)


def exposition(parts: Runtime) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_RedisCollector(parts))
    return generate_latest(registry)


class _RedisCollector(Collector):
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
        yield self._slow_handlers()

    def _slow_handlers(self) -> Metric:
        family = GaugeMetricFamily(
            "bridgecore_slow_handler_seconds",
            "Time for which a handler has been running, if it is longer than"
            " BRIDGECORE_SLOW_HANDLER",
            labels=["source", "handler", "event"],
        )
        for source in self._parts.settings.sources_by_id:
            for call in self._parts.storage.slow_calls.read(source):
                family.add_metric([source, call.handler, call.event], call.seconds)
        return family


def _refusals(counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(
        "bridgecore_refused_pushes", "Refused pushes, by error code", labels=["code"]
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
            "Events that are not confirmed in Odoo, as Odoo said at the last pull",
            lambda f: f.backlog,
        ),
        "lag_seconds": (
            "Time since the oldest unconfirmed event was committed, as Odoo said at the last pull",
            lambda f: f.backlog_age,
        ),
        "unconfirmed": ("Events whose report was not yet sent to Odoo", lambda f: f.unreported),
        "dead_letters": ("Events that were given up", lambda f: f.dead),
        "remembered": ("Confirmed events that are known as duplicates", lambda f: f.remembered),
        "feed_read_age_seconds": (
            "Time since the feed was last read to its end; NaN if never",
            lambda f: float("nan") if f.since_read is None else f.since_read,
        ),
        "odoo_failures": (
            "Failed calls to Odoo since the last successful one",
            lambda f: f.failures,
        ),
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
