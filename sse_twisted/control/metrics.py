"""What is counted while the collector works, by the names and units of Prometheus, in a registry of its own.

The parts that are counted know nothing of it: they tell observers what happens.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from functools import partial

from attrs import frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector as MetricCollector
from twisted.application.service import Service
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sse_twisted.devices.errors import BadAnswer, Interrupted, Refused, Unreachable, WrongDevice
from sse_twisted.event_folder.ledger import Fetched
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.fleet import Device, Fleet, Stage
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.periodic import PeriodicService

DELAY_INTERVAL = 1.0  # s between two measurements of the reactor's delay
REASONS: dict[type[BaseException], str] = {
    Unreachable: "unreachable",
    Refused: "refused",
    Interrupted: "interrupted",
    BadAnswer: "bad_answer",
    WrongDevice: "wrong_device",
    DiskTrouble: "disk",
    CancelledError: "cancelled",
}
TURN = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)  # s; the promise is 0.05
REQUEST = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0)  # s
STEP = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)  # s


@frozen
class Figures:
    """The counters since the start of the collector."""

    rounds: dict[str, int]  # by service
    requests: int
    received: int  # bytes
    tracks: dict[str, int]  # fetched, by outcome
    retries: int
    failures: dict[str, int]  # by reason
    stages: dict[str, int]  # devices, by stage
    reactor_delay: float  # s, the mean
    longest_reactor_delay: float  # s
    memory: int  # bytes in RAM, 0 where the system does not say


class Statistics:
    """Counts; `registry` is what a scrape reads."""

    def __init__(self, fleet: Fleet) -> None:
        self.registry = registry = CollectorRegistry()
        self._fleet = fleet
        self._longest = 0.0  # s, of all delays
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        meaning = "How long the beginning of a round kept the reactor."
        self._rounds = histogram("sse_round_duration_seconds", meaning, ["service"], buckets=TURN)
        meaning = "Requests to devices, from the wait for the one connection to the last byte."
        self._requests = histogram("sse_request_duration_seconds", meaning, ["kind", "outcome"], buckets=REQUEST)
        self._received = counter("sse_received_bytes", "Bytes of answers received from devices.")
        self._tracks = counter("sse_tracks", "Tracks fetched, by outcome.", ["outcome"])
        self._retries = counter("sse_retries", "Devices looked at again after a failure.")
        self._failures = counter("sse_failures", "Tracks and inspections that failed, by reason.", ["reason"])
        meaning = "How long devices were in a stage that has ended."
        self._steps = histogram("sse_stage_duration_seconds", meaning, ["stage"], buckets=STEP)
        self._delay = histogram("sse_reactor_delay_seconds", "How late a timer of the reactor was.", buckets=TURN)
        meaning = "The latest that a timer of the reactor was."
        self._longest_delay = Gauge("sse_reactor_longest_delay_seconds", meaning, registry=registry)
        for outcome in Outcome:
            self._tracks.labels(str(outcome))
        for reason in REASONS.values():
            self._failures.labels(reason)
        registry.register(_Stages(fleet))
        ProcessCollector(registry=registry)
        fleet.observe(self._change)

    def rounds_of(self, name: str, loop: PeriodicService) -> None:
        loop.observe(self._rounds.labels(name).observe)

    def request(self, kind: str, seconds: float, error: BaseException | None) -> None:
        """Count a request that has ended, well or with an error."""
        outcome = "ok" if error is None else reason_of(error)
        self._requests.labels(kind, outcome).observe(seconds)

    def bytes_received(self, count: int) -> None:
        """Count bytes of an answer."""
        self._received.inc(count)

    def report(self, result: Fetched | Exception) -> None:
        """Count a track that was fetched, or something that failed."""
        if isinstance(result, Fetched):
            self._tracks.labels(str(result.outcome)).inc()
        else:
            self._failures.labels(reason_of(result)).inc()

    def delayed(self, seconds: float) -> None:
        self._delay.observe(seconds)
        if seconds > self._longest:
            self._longest = seconds
            self._longest_delay.set(seconds)

    def figures(self) -> Figures:
        timers = self._value("sse_reactor_delay_seconds_count")
        return Figures(
            rounds=self._by("sse_round_duration_seconds_count", "service"),
            requests=sum(self._by("sse_request_duration_seconds_count", "outcome").values()),
            received=int(self._value("sse_received_bytes_total")),
            tracks=self._by("sse_tracks_total", "outcome"),
            retries=int(self._value("sse_retries_total")),
            failures=self._by("sse_failures_total", "reason"),
            stages=_by_stage(self._fleet),
            reactor_delay=self._value("sse_reactor_delay_seconds_sum") / timers if timers else 0.0,
            longest_reactor_delay=self._longest,
            memory=int(self._value("process_resident_memory_bytes")),
        )

    def _change(self, before: Device, after: Device) -> None:
        if before.stage is after.stage:
            return
        if before.stage is not Stage.ABSENT:
            self._steps.labels(str(before.stage)).observe(max(after.since - before.since, 0.0))
        if before.stage is Stage.ATTENTION and after.stage is Stage.INSPECTING:
            self._retries.inc()

    def _value(self, sample: str) -> float:
        return self.registry.get_sample_value(sample) or 0.0

    def _by(self, name: str, label: str) -> dict[str, int]:
        tally: Tally[str] = Tally()
        for metric in self.registry.collect():
            for sample in metric.samples:
                if sample.name == name:
                    tally[sample.labels[label]] += int(sample.value)
        return dict(tally)


def reason_of(error: BaseException) -> str:
    """One of a few words for whatever went wrong."""
    return next((reason for kind, reason in REASONS.items() if isinstance(error, kind)), "other")


def _by_stage(fleet: Fleet) -> dict[str, int]:
    tally = Tally(str(device.stage) for device in fleet)
    return {str(stage): tally[str(stage)] for stage in Stage}


class _Stages(MetricCollector):
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("sse_devices", "Devices known, by stage.", labels=["stage"])
        for stage, count in _by_stage(self._fleet).items():
            family.add_metric([stage], count)
        yield family


class DelayMeter(Service):
    """Measures how late the reactor is, by a timer that should go off every second."""

    def __init__(self, clock: IReactorTime, delayed: Callable[[float], None]) -> None:
        self._clock = clock
        self._delayed = delayed
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        self._set()

    def stopService(self) -> None:
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        due = self._clock.seconds() + DELAY_INTERVAL
        self._timer = self._clock.callLater(DELAY_INTERVAL, self._measure, due)

    def _measure(self, due: float) -> None:
        self._delayed(max(self._clock.seconds() - due, 0.0))
        self._set()
