"""Whether a cut transfer is resumed: some devices answer a request for a part with an error, silence, or other bytes.

Any failure of such a request but a cut of its body leads to a request for the whole track next. The ledger keeps what
was learned, over visits and restarts, until the track is whole. A failure that may have been the network's is no proof:
after the whole track was requested, and cut again, resuming is tried once more.
"""

from __future__ import annotations

from attrs import define

from sse_twisted.devices.errors import BadAnswer, DeviceError, Interrupted, Refused, Silent
from sse_twisted.event_folder.ledger import Resume
from sse_twisted.event_folder.partial import OVERLAP

# Statuses that a busy device may send to any request.
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


@define
class Attempt:
    """One download of a track, by one request or several."""

    may_resume: bool
    start: int = 0  # the offset that is requested first; 0 for the whole track
    resumed: bool = False  # whether the last body continued the bytes on disk
    answered: bool = False  # whether the headers of a response were accepted
    is_too_long: bool = False  # whether the device sends more than the track may have
    reached: int = 0  # bytes of the track that are here, as far as the device has sent them

    @property
    def is_ranged(self) -> bool:
        return self.start > 0

    @property
    def has_new_bytes(self) -> bool:
        return self.resumed and self.reached > self.start + OVERLAP


def after_failure(before: Resume, attempt: Attempt, error: DeviceError) -> Resume:
    """Return what is known after a download that failed."""
    if not attempt.is_ranged:
        return Resume.ON_TRIAL if before is Resume.NOT_NEXT and attempt.answered else before
    if isinstance(error, BadAnswer) or (isinstance(error, Refused) and error.status not in TEMPORARY):
        return Resume.NEVER
    if isinstance(error, Silent | Refused):
        return Resume.NOT_NEXT if before is Resume.ALLOWED else Resume.NEVER
    if not isinstance(error, Interrupted) or not attempt.resumed:
        return before
    if attempt.has_new_bytes:
        return Resume.ALLOWED
    return Resume.ON_TRIAL if before is Resume.ALLOWED else Resume.NOT_NEXT
