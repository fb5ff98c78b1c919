"""Find a device by name or address, and make sure that it is the right one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from sse_twisted.config.live import Target
from sse_twisted.devices.connections import Address
from sse_twisted.devices.driver import Driver, Identity, Reply
from sse_twisted.devices.errors import BadAnswer, DeviceError, Refused, Silent, Unreachable, WrongDevice
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.visits.bad_responses import BadResponses
from sse_twisted.visits.portal import Portal, is_web_page
from sse_twisted.visits.remarks import Remarks
from sse_twisted.visits.visit import QUICK_ANSWER

Odd = dict[Address, DeviceError]  # the invalid responses of one scan for a target

MAX_NUMBERS = 8  # devices that answer at one listed address within NUMBERS_WINDOW, without a listing
NUMBERS_WINDOW = 600.0  # s


class NameLookup(Protocol):
    """The service that knows the addresses of names."""

    @property
    def trouble(self) -> str:
        """Why names can't be resolved; "" while they can."""

    def refresh(self) -> None:
        """Notice changes of the network; called before each scan."""

    def lookup(self, name: str, tell: Callable[[str], object]) -> Deferred[bool]:
        """Call `tell` with each address of a name as soon as it is known; the result fires after the last one."""

    def setServiceParent(self, parent: Any) -> object:
        """Join a tree of services."""


class Sighting(Struct, frozen=True):
    """A device that answered."""

    address: Address
    driver: Driver
    reply: Reply[Identity]

    @property
    def identifier(self) -> int:
        return self.reply.value.number


class Detector:
    """Looks for devices. `http` gives up a connection after the detection's time-out."""

    def __init__(self, http: DeviceHttp, names: NameLookup, work: Workplace) -> None:
        self._http = http
        self._names = names
        self._work = work
        self.portal = Portal(work.clock, work.log, lambda: any(device.present for device in work.fleet))
        self._remarks = Remarks(work.clock, work.log)
        self._numbers: dict[Target, dict[int, float]] = {}  # that answered as a target without a number: s of the clock
        self._hearsay: dict[int, Address] = {}  # where a device answered that another target was looked for, by number
        self._bad_responses = BadResponses(work.fleet, work.live)
        self._waiting: dict[Address, list[Deferred[Sighting | None]]] = {}  # callers that share a pending attempt
        work.live.observe(self._forget)

    async def detect(self, target: Target) -> Sighting | None:
        """Return the device if it answers: at its last address, tried while its name is resolved, or at any other.

        Where it answered in place of another one is tried last: what is there may only say that it is this device.
        """
        odd: Odd = {}
        known = self._work.fleet[target.identifier].address if target.identifier else None
        search = Search()
        if known is not None:
            search.begin(self._at(target, known, odd))
        search.begin(self._by_name(target, known, odd, search))
        sighting = await search.first_found()
        hearsay = self._hearsay.get(target.identifier or 0)
        if sighting is None and hearsay is not None:
            sighting = await self._at(target, hearsay, odd)
        self._note_odd(target, odd if sighting is None else {})
        return sighting

    def is_hearsay(self, sighting: Sighting) -> bool:
        """Whether a device was found in the place of another one, and not under its own name."""
        return self._hearsay.get(sighting.identifier) == sighting.address

    async def own_address(self, target: Target, besides: Address) -> Address | None:
        """Return where a device answers under its own name, other than at an address that it was found at."""
        host, port = target.place(self._work.live.settings.devices.port)
        found: list[str] = []
        await self._names.lookup(host, found.append)
        for address in (Address(each, port) for each in found):
            if address == besides or self._work.fleet.is_occupied(address):
                continue
            with suppress(DeviceError):
                if (await self._meet(address)).identifier == target.identifier:
                    return address
        return None

    def _note_odd(self, target: Target, odd: Odd) -> None:
        """Take the invalid responses of a scan. Those of a captive portal are no device's."""
        pages = {address: error for address, error in odd.items() if is_web_page(error)}
        if self.portal.note(target, bool(pages)):
            for address, error in pages.items():
                self._note(target, address, LogLevel.warn, f"invalid response at {address}: {error}")
        if self.portal.is_open():
            odd = {address: error for address, error in odd.items() if address not in pages}
        self._bad_responses.note(target, {address: str(error) for address, error in odd.items()})

    async def _by_name(self, target: Target, known: Address | None, odd: Odd, search: Search) -> None:
        """Try each address of the name as soon as it is known; the search goes on for those that are still tried."""
        host, port = target.place(self._work.live.settings.devices.port)

        def attempt(found: str) -> None:
            if Address(found, port) != known:
                search.begin(self._at(target, Address(found, port), odd))

        await self._names.lookup(host, attempt)

    async def _at(self, target: Target, address: Address, odd: Odd) -> Sighting | None:
        """Return the device at an address if it is the target; `odd` collects invalid responses by address.

        They have no tracebacks, which would keep this call, and that keeps `odd`: only a garbage collection ends that.
        """
        if self._work.fleet.is_occupied(address):  # names go stale, and it may be busy with a transfer
            return None
        try:
            sighting = await self._meet(address)
            if target.identifier not in (None, sighting.identifier):
                name = sighting.driver.host_name(sighting.identifier)
                raise WrongDevice(f"{name} answers there", sighting.identifier)
            if target.identifier is None:
                self._check_number(target, sighting.identifier)
        except Silent as error:
            self._note(
                target, address, LogLevel.info, f"accepts connections but does not respond at {address} ({error})"
            )
            odd[address] = error.with_traceback(None)
            return None
        except Unreachable as error:
            self._note(target, address, LogLevel.debug, f"not accepting connections at {address} ({error})")
            return None
        except WrongDevice as error:
            self._note(target, address, LogLevel.info, f"is not at {address}: {error}")
            if error.identifier in self._work.fleet:  # any other number may be false, and is not looked for
                self._hearsay[error.identifier] = address
            return None
        except DeviceError as error:
            if not is_web_page(error):
                self._note(target, address, LogLevel.warn, f"invalid response at {address}: {error}")
            odd[address] = error.with_traceback(None)
            return None
        self._remarks.forget(target)
        return None if self._work.fleet[sighting.identifier].present else sighting

    async def _meet(self, address: Address) -> Sighting:
        """Return the device at an address; raises DeviceError.

        Concurrent callers share the pending attempt and take no slot of the limit: a router may return one address for
        a hundred names, where no device is.
        """
        if (waiting := self._waiting.get(address)) is not None:
            turn: Deferred[Sighting | None] = Deferred(waiting.remove)
            waiting.append(turn)
            if (shared := await turn) is not None:
                return shared
        else:
            self._waiting[address] = waiting = []
        outcome: Sighting | Failure | None = None
        try:
            async with self._work.live.limits.detection.counted_for(self._work.clock, QUICK_ANSWER):
                outcome = await self._identify(address)
            return outcome
        except DeviceError as error:
            outcome = Failure(error)
            raise
        finally:
            if outcome is None and waiting:  # cancelled: the next caller tries
                waiting.pop(0).callback(None)
            else:
                del self._waiting[address]
                while waiting:
                    waiting.pop(0).callback(outcome)
            outcome = None  # its traceback keeps this call

    async def _identify(self, address: Address) -> Sighting:
        """Ask the way of each kind of device; if no kind understands the answer, raise the error of the first."""
        mistake: BadAnswer | Refused | None = None
        for driver in self._work.live.drivers:
            try:
                reply = await driver.identify(self._http, address)
            except (BadAnswer, Refused) as error:
                mistake = mistake or error
            else:
                self._work.live.drivers.learn(reply.value.number, driver)
                return Sighting(address, driver, reply)
        raise mistake or BadAnswer("no kind of device is known")

    def _check_number(self, target: Target, number: int) -> None:
        """Raise BadAnswer if a target without a number is another device each time, and none that ever listed a track.

        Devices that are plugged in one after the other may share an address.
        """
        now = self._work.clock.seconds()
        before = self._numbers.get(target, {})
        recent = {other: when for other, when in before.items() if now - when < NUMBERS_WINDOW and other != number}
        self._numbers[target] = dict(list((recent | {number: now}).items())[-MAX_NUMBERS:])
        if sum(not self._was_listed(other) for other in recent) >= MAX_NUMBERS - 1:
            raise BadAnswer("it is another device each time")

    def _was_listed(self, number: int) -> bool:
        device = self._work.fleet[number]
        return bool(device.wanted or device.present or device.is_collected)

    def _forget(self) -> None:
        """Drop targets that are no longer configured."""
        targets = set(self._work.live.targets())
        for number in self._hearsay.keys() - {target.identifier for target in targets}:
            del self._hearsay[number]
        self._remarks.keep(targets)
        for target in self._numbers.keys() - targets:
            del self._numbers[target]

    def _note(self, target: Target, address: Address, level: Any, text: str) -> None:
        """Log a change of what is wrong at an address of a target, not each scan."""
        self._remarks.note(target, address, level, text)


class Search:
    """Attempts to find one device; the first that finds it ends the others."""

    def __init__(self) -> None:
        self._open: list[Deferred[Any]] = []
        self._found: Deferred[Sighting | None] = Deferred()
        self._is_complete = False  # whether only the attempts themselves begin more

    def begin(self, attempt: Coroutine[Any, Any, Sighting | None]) -> None:
        """Start an attempt, unless the search is over."""
        if self._found.called:
            attempt.close()
            return
        started = Deferred.fromCoroutine(attempt)
        self._open.append(started)
        started.addBoth(self._end, started)

    async def first_found(self) -> Sighting | None:
        """Return the first result other than None and cancel the other attempts; return None if all end with None.

        Raises the exception of an attempt that fails before.
        """
        self._is_complete = True
        self._check_end()
        try:
            return await self._found
        finally:
            for attempt in list(self._open):
                attempt.cancel()

    def _end(self, result: Any, attempt: Deferred[Any]) -> None:
        self._open.remove(attempt)
        if not self._found.called and result is not None:
            self._found.callback(result)
        self._check_end()

    def _check_end(self) -> None:
        if self._is_complete and not self._open and not self._found.called:
            self._found.callback(None)
