"""Download one track of a device to its final name."""

from __future__ import annotations

import contextlib
from typing import TypeVar

from attrs import define, field

from sse_twisted.devices.body import RATE_WINDOW
from sse_twisted.devices.errors import BadAnswer, BadRange, DeviceError, Interrupted, Refused, TooLong
from sse_twisted.devices.http import DeviceHttp, Head, Transfer
from sse_twisted.event_folder.ledger import Fetched, Ledger, Resume, Status
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.event_folder.partial import OtherBytes, PartialTrack, Received
from sse_twisted.event_folder.space import MB, SLACK, believable_length
from sse_twisted.event_folder.verification import Judgement, Outcome, is_beginning_of, is_header_of, judge
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.runtime.disk import DiskTrouble, PathTrouble
from sse_twisted.runtime.text import plural
from sse_twisted.visits.pace import GaveWay, Pace
from sse_twisted.visits.resumption import Attempt, after_failure
from sse_twisted.visits.track_writer import TrackWriter
from sse_twisted.visits.visit import Visit

MIN_PART = 512  # bytes; a device that sends less of a track for a request cannot resume
MAX_REMEMBERED = 10_000  # unsound transfers
KB = 1000


T = TypeVar("T")


class DownloadsPaused(Exception):
    """Downloads are paused on request; nothing is wrong."""


@define
class Downloader:
    """Downloads one track per call, under the limit for downloads."""

    _http: DeviceHttp
    _work: Workplace
    # Of unsound transfers, by local file and listed size: a device must repeat both to be believed.
    _lengths: dict[tuple[str, int], int] = field(factory=dict, init=False)
    _digests: dict[tuple[str, int], str] = field(factory=dict, init=False)

    async def download(self, visit: Visit, track: EventTrack, ledger: Ledger) -> Fetched:
        """Fetch a track to its final name and record it; raises DeviceError, DiskTrouble or DownloadsPaused.

        It may take several turns, between which other devices have the place.
        """
        while True:
            places = self._work.live.limits.downloads
            place = await places.acquire(slow=visit.is_slow)
            pace = Pace(self._work.clock, places, place, lambda rate: self._note_pace(visit, track, rate))
            try:
                return await self._take_turn(visit, track, ledger, pace)
            except GaveWay:
                visit.silences = 0  # it has answered
            finally:
                place.leave()

    async def _take_turn(self, visit: Visit, track: EventTrack, ledger: Ledger, pace: Pace) -> Fetched:
        """Do the same in one turn, or raise GaveWay."""
        if self._work.live.paused:
            raise DownloadsPaused("downloads are paused")
        known = ledger.resume(track)
        can_resume = known in (Resume.ALLOWED, Resume.ON_TRIAL) and not visit.ignores_range
        attempt = Attempt(may_resume=can_resume)
        partial = PartialTrack(self._work.folder.partials, track)
        try:
            if self._work.disk.trouble:
                raise DiskTrouble(self._work.disk.trouble)
            fetched = await self._download(visit, track, partial, attempt, pace)
            ledger.record(track, Status.COMPLETED, fetched)
            if ledger.is_due:
                await self._work.disk.commit(ledger.saving())
        except (DeviceError, PathTrouble) as error:
            about = {"device": visit.name, "track": track.name, "summary": track.summary}
            emit = self._work.log.error if visit.may_log_failure() else self._work.log.debug
            emit("{device} {track} failed - {summary} ({reason})", reason=str(error), **about)
            ledger.record(track, Status.FAILED)  # saved by the next comparison
            if isinstance(error, DeviceError):
                await self._learn(visit, track, ledger, after_failure(known, attempt, error))
            if isinstance(error, Refused):
                visit.retry_after = max(visit.retry_after, error.retry_after)
            raise
        finally:
            self._work.space.release(partial.path)
            self._work.fleet.update(visit.identifier, downloading="", size=0, received=0, resumed=0)
        return fetched

    def _note_pace(self, visit: Visit, track: EventTrack, rate: float) -> None:
        """Publish whether a device is slow, and log it once in a visit; `rate` in bytes/s, 0 if it is not."""
        slow = f"{rate / KB:,.1f} KB/s" if rate else ""
        if visit.is_slow != bool(rate):
            visit.is_slow = bool(rate)
            self._work.fleet.update(visit.identifier, slow=slow)
        if slow and "slow" not in visit.remarked:
            visit.remarked.add("slow")
            text = "{device} {track} is slow ({rate}): other devices go first"
            self._work.log.warn(text, device=visit.name, track=track.name, rate=slow)

    async def _learn(self, visit: Visit, track: EventTrack, ledger: Ledger, resume: Resume) -> None:
        """Save whether the track may be resumed: the visit may end before the next comparison."""
        if resume is ledger.resume(track):
            return
        ledger.note_resume(track, resume)
        if resume in (Resume.NOT_NEXT, Resume.NEVER):
            text = "{device} {track} cannot be resumed: it is requested from its first byte next"
            self._work.log.info(text, device=visit.name, track=track.name)
        with contextlib.suppress(DiskTrouble):  # the next comparison saves it
            await self._work.disk.commit(ledger.saving())

    def _open(self, track: EventTrack, partial: PartialTrack) -> int:
        """Book the room for a track and open its partial file. Blocks; raises what both raise."""
        self._work.space.book(partial.path, max(self._length(track) - partial.size, 0))
        return partial.open()

    def _length(self, track: EventTrack) -> int:
        return believable_length(track.log.length, self._work.live.settings.downloads.largest_track * MB)

    async def _download(
        self, visit: Visit, track: EventTrack, partial: PartialTrack, attempt: Attempt, pace: Pace
    ) -> Fetched:
        writer = self._writer(visit, track, partial, attempt, pace)
        try:
            with visit.talking():
                received, transfer = await self._transfer(visit, track, partial, writer, attempt)
            judgement = judge(received.integrity, track.log, track.identifier)
            remark = self._doubt(track, received, judgement, promised=transfer.promised, resumed=attempt.resumed)
            if remark:
                if attempt.resumed or not is_beginning_of(track.log, track.identifier, received.integrity):
                    await self._work.disk.write(partial.discard)
                raise BadAnswer(remark)
            kept = await self._work.disk.commit(partial.committing())
        except OtherBytes as error:
            await self._work.disk.write(partial.discard)
            raise BadRange(str(error)) from None
        except (TooLong, DiskTrouble):
            if attempt.is_too_long or attempt.reached > self._length(track) + SLACK:
                with contextlib.suppress(OSError):
                    await self._work.disk.run(partial.discard)
            raise
        finally:
            await writer.close()
        self._settle(visit, track, judgement, kept is not None)
        length, sha256 = received.integrity.length, received.sha256
        return Fetched(judgement.outcome, length, sha256, judgement.remark, received.mark)

    def _writer(
        self, visit: Visit, track: EventTrack, partial: PartialTrack, attempt: Attempt, pace: Pace
    ) -> TrackWriter:
        space = self._work.space

        def book(announced: int) -> None:
            if announced > self._length(track) + SLACK:
                space.book_unlisted(partial.path, announced)

        def take(count: int) -> None:
            space.take(partial.path, count)

        return TrackWriter(
            self._work.disk, partial, attempt, pace, lambda count: self._show(visit, track, count), book, take
        )

    async def _transfer(
        self, visit: Visit, track: EventTrack, partial: PartialTrack, writer: TrackWriter, attempt: Attempt
    ) -> tuple[Received, Transfer]:
        """Request the track, or the rest of it; again for as long as the device sends only parts of the rest."""
        self._show(visit, track, 0)
        start = await self._work.disk.write(self._open, track, partial)
        attempt.start = start = start if attempt.may_resume else 0
        began = self._work.clock.seconds()
        while True:
            transfer, end = await self._request(visit, track, writer, attempt, start)
            if not attempt.resumed or attempt.reached >= end:
                return await writer.finish(), transfer
            if attempt.reached < start + MIN_PART:
                raise BadRange(f"sends only {plural(transfer.received, 'byte')} for a request")
            self._check_parts(attempt, self._work.clock.seconds() - began)
            await writer.flush()
            start = attempt.reached

    def _check_parts(self, attempt: Attempt, elapsed: float) -> None:
        """Apply to all parts together the limits that each body has; `elapsed` is in s."""
        received = attempt.reached - attempt.start
        if elapsed > RATE_WINDOW and received < self._work.live.settings.downloads.minimum_rate * KB * elapsed:
            raise Interrupted(f"too slow: {plural(received, 'byte')} in {elapsed:.0f} s")

    async def _request(
        self, visit: Visit, track: EventTrack, writer: TrackWriter, attempt: Attempt, start: int
    ) -> tuple[Transfer, int]:
        """Receive one body; return it and where the track ends, by the listing unless the log was never finalised.

        The track may be as long as the device announces and `_check_length` accepts, or else SLACK longer than listed.
        """
        settings = self._work.live.settings.downloads
        end = track.log.length
        most = largest = settings.largest_track * MB

        def accept(head: Head) -> TrackWriter:
            nonlocal end
            if head.start not in (0, start):
                raise BadRange(f"sends from byte {head.start:,}, requested from byte {start:,}")
            self._check_length(visit, track, head)
            if head.total is not None and not track.log.is_plausible:
                end = head.total
            attempt.answered = True
            if start and not head.start:
                visit.ignores_range, attempt.may_resume = True, False
            self._work.fleet.update(visit.identifier, received=head.start, resumed=head.start)
            writer.starts_at(head.start, head.length)
            return writer

        def limit(head: Head) -> int:
            nonlocal most
            most = min(self._length(track) + SLACK if head.total is None else head.total, largest)
            return max(most - head.start, 0)

        try:
            transfer = await self._http.fetch(
                visit.address,
                track.log.file,
                accept,
                start=start,
                timeout=settings.timeout,
                limit=limit,
                minimum_rate=settings.minimum_rate * KB,
            )
        except TooLong:
            attempt.is_too_long = True
            listed = "" if most == largest else f", listed {track.log.length:,}"
            raise TooLong(f"more than {most:,} bytes{listed}") from None
        return transfer, end

    def _check_length(self, visit: Visit, track: EventTrack, head: Head) -> None:
        """Raise BadAnswer if the announced length is not the listed one, unless the device announces it again."""
        length = head.total
        if length is None or visit.driver.accepts_length(track.log, length):
            return
        if head.start:
            raise BadRange(f"{plural(length, 'byte')} in all, {track.log.length:,} listed")
        key = (track.local_file, track.log.size)
        if self._lengths.get(key) != length:
            _remember(self._lengths, key, length)
            raise BadAnswer(f"announces {plural(length, 'byte')}, listed {track.log.length:,}")

    def _doubt(
        self, track: EventTrack, received: Received, judgement: Judgement, *, promised: bool, resumed: bool
    ) -> str:
        """Return why the bytes can't be accepted as the device's own; "" if they can.

        Damaged bytes are accepted if the device sends them twice and they are certainly all of this track: an error
        page is not, nor are fewer bytes than a plausible listing announces. A resumed transfer must be sound: its first
        bytes may be those of a track that was not finalised yet. `promised`: a Content-Length was sent and met.
        """
        integrity, log, header = received.integrity, track.log, received.integrity.header
        if judgement.outcome is Outcome.VERIFIED:
            return ""
        if not promised:
            return f"{judgement.remark}, and no Content-Length"
        if resumed:
            return judgement.remark
        if judgement.outcome is Outcome.UNVERIFIED and header is not None:
            return ""
        is_this_log = integrity.length == log.length if header is None else is_header_of(log, track.identifier, header)
        is_all = integrity.length >= log.length or not log.is_plausible
        key = (track.local_file, log.size)
        if is_this_log and is_all and self._digests.get(key) == received.sha256:
            return ""
        _remember(self._digests, key, received.sha256)
        return judgement.remark

    def _settle(self, visit: Visit, track: EventTrack, judgement: Judgement, grown: bool) -> None:
        key = (track.local_file, track.log.size)
        self._lengths.pop(key, None)
        self._digests.pop(key, None)
        if grown:
            text = "{device} {track} replaces an earlier version, which is kept in gpslogs/superseded"
            self._work.log.info(text, device=visit.name, track=track.name)
        if judgement.remark:
            remark = f"{track.name} is {judgement.outcome}: {judgement.remark}"
            self._work.log.warn("{device} {remark}", device=visit.name, remark=remark)
            self._work.fleet.add_finding(visit.identifier, remark)
        text = "{device} {track} downloaded - {summary}"
        self._work.log.info(text, device=visit.name, track=track.name, summary=track.summary)

    def _show(self, visit: Visit, track: EventTrack, count: int) -> None:
        self._work.fleet.update(visit.identifier, downloading=track.name, size=track.log.length, received=count)


def _remember(known: dict[tuple[str, int], T], key: tuple[str, int], value: T) -> None:
    """Add an unsound transfer, and forget the oldest one if there are many."""
    known.pop(key, None)
    known[key] = value
    if len(known) > MAX_REMEMBERED:
        del known[next(iter(known))]
