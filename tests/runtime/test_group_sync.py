"""Many writers wait for the disk together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sse_twisted.runtime.file_sync import FileSync, file_system
from sse_twisted.runtime.group_sync import FEW, GUARDED, INTERVAL, GroupSync, Steps, at_once


class Rounds:
    """A thread that does its work when told to, and a disk that notes what is synced in each round."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.jobs: list[Any] = []
        self.synced: list[set[int]] = []
        self.broken: dict[int, OSError] = {}
        self.guard_error: OSError | None = None
        self.guarded = 0  # how often the guard was asked
        self.group = GroupSync(self.start, self.sync, self.clock, self.guard)

    def start(self, function: Any, *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append(lambda: done.callback(function(*args)))
        return done

    def sync(self, descriptors: Iterable[int]) -> dict[int, OSError]:
        self.synced.append(set(descriptors))
        return {number: error for number, error in self.broken.items() if number in self.synced[-1]}

    def guard(self) -> None:
        self.guarded += 1
        if self.guard_error is not None:
            raise self.guard_error

    def go(self) -> None:
        """Do the next round, after its pause."""
        if not self.jobs:
            self.clock.advance(INTERVAL)
        self.jobs.pop(0)()


def writer(steps: list[str], name: str, *descriptors: int) -> Steps[str]:
    for descriptor in descriptors:
        steps.append(f"{name} wrote {descriptor}")
        try:
            yield (descriptor,)
        except OSError:
            steps.append(f"{name} cleaned up")
            raise
    steps.append(f"{name} ended")
    return name


def test_all_that_is_due_is_synced_at_once_and_nobody_goes_on_before() -> None:
    rounds, steps, ended = Rounds(), list[str](), list[str]()
    for name, first, second in (("a", 1, 2), ("b", 3, 4), ("c", 5, 6)):
        rounds.group.run(writer(steps, name, first, second)).addCallback(ended.append)
    rounds.go()  # the first one alone: the others came after it
    assert rounds.synced == [{1}]
    assert ended == []
    rounds.go()
    assert rounds.synced == [{1}, {2, 3, 5}]
    assert ended == ["a"]
    rounds.go()
    assert rounds.synced[2] == {4, 6}
    assert ended == ["a", "b", "c"]
    assert not rounds.jobs


def test_where_many_wait_the_next_round_waits_for_more() -> None:
    rounds, ended = Rounds(), list[str]()
    for number in range(FEW + 2):
        rounds.group.run(writer([], str(number), number)).addCallback(ended.append)
    rounds.go()
    assert not rounds.jobs
    rounds.group.run(writer([], "late", 100)).addCallback(ended.append)
    rounds.clock.advance(INTERVAL)
    rounds.go()
    assert len(rounds.synced[1]) == FEW + 2
    assert ended[-1] == "late"
    rounds.group.run(writer([], "next", 101)).addCallback(ended.append)
    assert rounds.jobs  # one alone waits for nobody
    rounds.go()
    assert ended[-1] == "next"
    assert not rounds.clock.getDelayedCalls()


def test_nobody_waits_for_those_who_are_patient() -> None:
    rounds, ended = Rounds(), list[str]()
    rounds.group.run(writer([], "first", 1)).addCallback(ended.append)
    rounds.go()
    for number in range(FEW + 2):
        rounds.group.run(writer([], f"patient {number}", 10 + number), is_patient=True).addCallback(ended.append)
    assert not rounds.jobs
    rounds.group.run(writer([], "hurried", 2)).addCallback(ended.append)
    rounds.clock.advance(0)
    rounds.go()
    assert {"first", "hurried", f"patient {FEW + 1}"} < set(ended)
    assert rounds.synced[-1] == {2, *range(10, 10 + FEW + 2)}
    assert not rounds.clock.getDelayedCalls()


def test_a_patient_one_alone_waits_until_many_would_have_waited() -> None:
    rounds, ended = Rounds(), list[str]()
    rounds.group.run(writer([], "patient", 1, 2), is_patient=True).addCallback(ended.append)
    rounds.jobs.pop(0)()  # there was no round before
    assert not rounds.jobs
    rounds.clock.advance(INTERVAL)
    rounds.jobs.pop(0)()
    assert ended == ["patient"]


def test_who_could_not_be_synced_cleans_up_and_the_others_go_on() -> None:
    rounds, steps, ended = Rounds(), list[str](), list[Any]()
    rounds.broken[3] = OSError(5, "Input/output error")
    for name, descriptor in (("a", 1), ("b", 3), ("c", 5)):
        rounds.group.run(writer(steps, name, descriptor)).addBoth(ended.append)
    while rounds.jobs:
        rounds.go()
    assert "b cleaned up" in steps
    assert [end if isinstance(end, str) else end.value.errno for end in ended] == ["a", 5, "c"]


def test_who_has_lost_the_folder_writes_nothing_more() -> None:
    rounds, steps, ended = Rounds(), list[str](), list[Any]()
    rounds.group.run(writer(steps, "a", 1, 2)).addErrback(ended.append)
    rounds.go()
    rounds.guard_error = FileNotFoundError(2, "gone")
    rounds.group.run(writer(steps, "b", 3)).addErrback(ended.append)
    rounds.go()
    rounds.go()
    assert "b wrote 3" not in steps
    assert steps[-1] == "a cleaned up"
    assert [failure.value.errno for failure in ended] == [2, 2]


def test_the_guard_is_asked_once_for_many_writers_and_again_after_a_sync() -> None:
    rounds, ended = Rounds(), list[str]()
    for number in range(20):
        rounds.group.run(writer([], str(number), number)).addCallback(ended.append)
    rounds.go()
    before = rounds.guarded
    rounds.go()
    assert len(ended) == 20
    assert rounds.guarded == before + 2


def test_the_guard_is_asked_again_while_writers_take_their_time() -> None:
    rounds, steps = Rounds(), list[str]()

    def slow(name: str) -> Steps[str]:
        rounds.clock.advance(GUARDED)
        if name == "b":
            rounds.guard_error = FileNotFoundError(2, "gone")
        return (yield from writer(steps, name, 1))

    rounds.group.run(writer(steps, "first", 9))
    for name in "abc":
        rounds.group.run(slow(name)).addErrback(lambda _: None)
    rounds.go()
    rounds.go()
    assert "b wrote 1" in steps
    assert "c wrote 1" not in steps


def test_a_thread_that_fails_leaves_nobody_waiting() -> None:
    rounds, ended = Rounds(), list[Any]()
    rounds.group.run(writer([], "a", 1)).addErrback(ended.append)
    rounds.jobs[0] = lambda: None

    def fail(*_: object) -> Deferred[Any]:
        failed: Deferred[Any] = Deferred()
        failed.errback(RuntimeError("no thread"))
        return failed

    group = GroupSync(fail, rounds.sync, Clock())
    group.run(writer([], "b", 2)).addErrback(ended.append)
    assert [str(failure.value) for failure in ended] == ["no thread"]
    assert not group.waiting


def test_an_exception_of_a_writer_is_its_own() -> None:
    def careless() -> Steps[None]:
        raise ValueError("not a path")
        yield ()

    rounds, ended = Rounds(), list[Any]()
    rounds.group.run(careless()).addErrback(ended.append)
    rounds.group.run(writer([], "b", 2)).addBoth(ended.append)
    while rounds.jobs:
        rounds.go()
    assert [str(getattr(end, "value", end)) for end in ended] == ["not a path", "b"]


class TestAtOnce:
    def test_each_step_waits_for_the_disk(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        assert at_once(writer([], "a", 7, 8)) == "a"
        assert synced == [7, 8]

    def test_an_error_goes_to_the_writer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        steps: list[str] = []
        with open_descriptor() as descriptor, pytest.raises(OSError, match="Input/output"):
            at_once(writer(steps, "a", descriptor))
        assert steps[-1] == "a cleaned up"


def open_descriptor() -> Any:
    return OpenFile(Path(__file__))


class OpenFile:
    """A descriptor of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        self.descriptor = os.open(self._path, os.O_RDONLY)
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


class Disk:
    """A file system whose calls take a time in s; it stands for the C library, too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, one: float, everything: float, kind: str = "ext4") -> None:
        self.now, self.one, self.everything = 0.0, one, everything
        self.calls: list[str] = []
        self.error = 0
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr("sse_twisted.runtime.file_sync._libc", lambda: self)
        monkeypatch.setattr("sse_twisted.runtime.file_sync.file_system", lambda _: kind)
        self.files = FileSync(lambda: self.now)

    def fsync(self, _: int) -> None:
        self.now += self.one
        self.calls.append("fsync")

    def syncfs(self, _: int) -> int:
        self.now += self.everything
        self.calls.append("syncfs")
        return 0

    def sync_file_range(self, descriptor: int, *_: object) -> int:
        return self.error

    def sync(self, descriptors: Iterable[int]) -> list[str]:
        del self.calls[:]
        assert not self.files.sync(descriptors)
        return list(self.calls)


@pytest.fixture
def descriptors(tmp_path: Path) -> Iterator[list[int]]:
    opened = [os.open(tmp_path / str(number), os.O_CREAT | os.O_RDWR) for number in range(10)]
    yield opened
    for descriptor in opened:
        os.close(descriptor)


class TestFileSync:
    def test_on_a_card_many_files_take_one_call(self, monkeypatch: pytest.MonkeyPatch, descriptors: list[int]) -> None:
        disk = Disk(monkeypatch, 0.1, 0.1)
        assert disk.sync(descriptors[:1]) == ["fsync"]
        assert disk.sync(descriptors) == ["syncfs"]

    def test_a_file_that_is_open_twice_takes_one_call(
        self, monkeypatch: pytest.MonkeyPatch, descriptors: list[int], tmp_path: Path
    ) -> None:
        with OpenFile(tmp_path / "0") as again:
            assert Disk(monkeypatch, 0.1, 0.1).sync([descriptors[0], again]) == ["fsync"]

    def test_beside_a_program_that_writes_a_lot_files_are_synced_one_by_one(
        self, monkeypatch: pytest.MonkeyPatch, descriptors: list[int]
    ) -> None:
        disk = Disk(monkeypatch, 0.001, 5.0)
        assert disk.sync(descriptors) == ["syncfs"]  # nobody knew
        assert disk.sync(descriptors) == ["fsync"] * 10
        disk.everything = 0.001
        tries = [disk.sync(descriptors) for _ in range(60)]
        assert ["syncfs"] in tries  # it is tried again some time

    def test_a_card_whose_file_system_does_not_flush_it_gets_one_more(
        self, monkeypatch: pytest.MonkeyPatch, descriptors: list[int]
    ) -> None:
        assert Disk(monkeypatch, 0.1, 0.1, "vfat").sync(descriptors) == ["syncfs", "fsync"]

    @pytest.mark.parametrize("kind", ["", "fuseblk", "nfs4", "9p", "overlay"])
    def test_where_a_sync_of_all_does_not_reach_the_disk_each_file_has_its_own(
        self, monkeypatch: pytest.MonkeyPatch, descriptors: list[int], kind: str
    ) -> None:
        assert Disk(monkeypatch, 0.1, 0.1, kind).sync(descriptors) == ["fsync"] * 10

    def test_bytes_that_were_lost_before_are_told(
        self, monkeypatch: pytest.MonkeyPatch, descriptors: list[int]
    ) -> None:
        disk = Disk(monkeypatch, 0.1, 0.1)
        disk.error = -1
        assert set(disk.files.sync(descriptors)) == set(descriptors)

    def test_syncs_for_real(self, descriptors: list[int], tmp_path: Path) -> None:
        files = FileSync()
        for _ in range(3):
            assert files.sync(descriptors) == {}

    def test_knows_the_file_system_of_a_mount(self) -> None:
        assert file_system(Path("/proc").stat().st_dev) == "proc"
        assert file_system(0) == ""
