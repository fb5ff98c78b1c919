"""Metrics of a running collector, in a Prometheus registry of its own.

The measured services do not know this module; they call observers.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable
from functools import cache, partial

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
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
REASONS: dict[type[BaseException], str] = {  # labels of failures
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


class Figures(Struct, frozen=True):
    """Counts since the start of the collector."""

    rounds: dict[str, int]  # by service
    requests: int
    received: int  # bytes
    tracks: dict[str, int]  # fetched, by outcome
    retries: int
    failures: dict[str, int]  # by reason
    stages: dict[str, int]  # devices, by stage
    reactor_delay: float  # s, the mean
    longest_reactor_delay: float  # s
    memory: int  # bytes in RAM, 0 if unknown


class Statistics:
    """Counters and histograms; a scrape reads `registry`."""

    def __init__(self, fleet: Fleet) -> None:
        self.registry = registry = CollectorRegistry()
        self._longest = 0.0  # s, of all delays
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self._rounds = histogram("sse_round_duration_seconds", "Reactor time of a round.", ["service"], buckets=TURN)
        meaning = "Requests to devices, from waiting for the connection to the last byte."
        requests = histogram("sse_request_duration_seconds", meaning, ["kind", "outcome"], buckets=REQUEST)
        self._requests = cache(requests.labels)
        self._received = counter("sse_received_bytes", "Bytes received from devices.")
        self._tracks = counter("sse_tracks", "Tracks downloaded, by outcome.", ["outcome"])
        self._retries = counter("sse_retries", "Inspections repeated after a failure.")
        self._failures = counter("sse_failures", "Tracks and inspections that failed, by reason.", ["reason"])
        steps = histogram("sse_stage_duration_seconds", "How long stages lasted.", ["stage"], buckets=STEP)
        self._steps = cache(steps.labels)
        self._delay = histogram("sse_reactor_delay_seconds", "Delay of a reactor timer.", buckets=TURN)
        longest = Gauge("sse_reactor_longest_delay_seconds", "Longest delay of a reactor timer.", registry=registry)
        longest.set_function(lambda: self._longest)
        stages = Gauge("sse_devices", "Devices known, by stage.", ["stage"], registry=registry)
        for stage in Stage:
            stages.labels(str(stage)).set_function(partial(_count, fleet, stage))
        for outcome in Outcome:
            self._tracks.labels(str(outcome))
        for reason in REASONS.values():
            self._failures.labels(reason)
        ProcessCollector(registry=registry)
        fleet.observe(self._change)

    def rounds_of(self, name: str, loop: PeriodicService) -> None:
        loop.observe(self._rounds.labels(name).observe)

    def request(self, kind: str, seconds: float, error: BaseException | None) -> None:
        """Count a finished request; `error` is None if it succeeded."""
        outcome = "ok" if error is None else reason_of(error)
        self._requests(kind, outcome).observe(seconds)

    def bytes_received(self, count: int) -> None:
        self._received.inc(count)

    def report(self, result: Fetched | Exception) -> None:
        """Count a downloaded track or a failure."""
        if isinstance(result, Fetched):
            self._tracks.labels(str(result.outcome)).inc()
        else:
            self._failures.labels(reason_of(result)).inc()

    def delayed(self, seconds: float) -> None:
        self._delay.observe(seconds)
        self._longest = max(self._longest, seconds)

    def figures(self) -> Figures:
        timers = self._value("sse_reactor_delay_seconds_count")
        return Figures(
            rounds=self._by("sse_round_duration_seconds_count", "service"),
            requests=sum(self._by("sse_request_duration_seconds_count", "outcome").values()),
            received=int(self._value("sse_received_bytes_total")),
            tracks=self._by("sse_tracks_total", "outcome"),
            retries=int(self._value("sse_retries_total")),
            failures=self._by("sse_failures_total", "reason"),
            stages=self._by("sse_devices", "stage"),
            reactor_delay=self._value("sse_reactor_delay_seconds_sum") / timers if timers else 0.0,
            longest_reactor_delay=self._longest,
            memory=int(self._value("process_resident_memory_bytes")),
        )

    def _change(self, before: Device, after: Device) -> None:
        if before.stage not in (after.stage, Stage.ABSENT):
            self._steps(str(before.stage)).observe(max(after.since - before.since, 0.0))
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
    """Return the label of a failure, "other" if it is not one of REASONS."""
    return next((reason for kind, reason in REASONS.items() if isinstance(error, kind)), "other")


def _count(fleet: Fleet, stage: Stage) -> int:
    return sum(device.stage is stage for device in fleet)


class DelayMeter(Service):
    """Measures the delay of the reactor with a timer that is due every second."""

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
