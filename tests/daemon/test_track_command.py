from __future__ import annotations

import subprocess
import sys

LATE = (
    "twisted",
    "asyncio",
    "tqdm",
    "fitdecode",
    "sse_twisted.handin",
    "sse_twisted.copies",
    "sse_twisted.tracks.plot",
)


def test_a_report_on_tracks_imports_nothing_that_only_other_options_take() -> None:
    program = f"import sse_twisted.daemon.track_command, sys; print([name for name in {LATE} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
