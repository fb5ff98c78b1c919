"""Break a promise of the collector in a copy of the package, and check that the tests which keep it fail.

    python -m tests.mutations [--seed N] [NAME ...]

Without names all faults are tried, one after the other, in a few minutes. `--seed` is that of Hypothesis, on which it
depends what the state machine tries. Ends with exit status 1 if a test passes that should fail. A fault whose text is
not in the package any more is an error: adapt it to the code of today.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).parents[1]
MACHINE: Final = "tests/test_state_machine.py"
LISTING: Final = "            listing = await self._inspector.listing(visit)\n"  # after the downloads
COMMIT: Final = "            kept = await self._work.disk.commit(partial.committing())\n"
PROMISES: Final = "tests/test_promises.py"
VERDICT: Final = f"{PROMISES}::TestTheVerdictIsTrue"
RUNNER, DOWNLOADS, CLEANUP = "visits/runner.py", "visits/downloads.py", "visits/cleanup.py"


@frozen
class Mutation:
    """One fault, and the tests that find it."""

    name: str
    promise: int  # its number among the classes of test_promises
    found_by: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]  # file below sse_twisted/, its text, and what the text becomes

    def apply(self, package: Path) -> None:
        """Write the fault into a copy of the package; raises ValueError if a text is not there exactly once."""
        for file, old, new in self.changes:
            path = package / file
            text = path.read_text()
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: {file} has {text.count(old)} times {old!r}, expected once")
            path.write_text(text.replace(old, new))


SECOND_CONNECTION = ("devices/connections.py", 'self.traffic.lock_of(host.encode("ascii"), port)', "DeferredLock()")
MUTATIONS: Final = (
    Mutation(
        "the verdict follows the listing from before the downloads",
        1,
        (MACHINE, f"{VERDICT}::test_it_follows_a_listing_that_is_younger_than_the_last_download"),
        ((RUNNER, f"{LISTING}            ledger,", "            ledger,"),),
    ),
    Mutation(
        "the verdict does not compare folder and listing again",
        1,
        (MACHINE, VERDICT),
        (
            (
                RUNNER,
                f"{LISTING}            ledger, comparison = await self._compare(visit, listing)\n",
                "            comparison.__init__(comparison.wanted, doubts=comparison.doubts)\n",
            ),
        ),
    ),
    Mutation(
        "one missing track counts as held",
        1,
        (MACHINE, VERDICT, "tests/visits/test_verdict.py"),
        (("visits/verdict.py", "    if missing:\n", "    if len(missing) > 1:\n"),),
    ),
    Mutation(
        "a track has its final name before it is verified",
        2,
        (MACHINE, VERDICT),
        (
            (
                DOWNLOADS,
                f"                raise BadAnswer(remark)\n{COMMIT}",
                "                raise BadAnswer(remark)\n",
            ),
            (DOWNLOADS, "            judgement = judge(", f"{COMMIT}            judgement = judge("),
        ),
    ),
    Mutation(
        "the length of a track is not compared with the listing",
        2,
        (MACHINE, VERDICT),
        (
            (
                "event_folder/verification.py",
                "    if integrity.length - len(integrity.trailer) != log.length:\n",
                "    if False:\n",
            ),
        ),
    ),
    Mutation(
        "a second request to a device does not wait for the first",
        6,
        ("tests/devices/test_http.py::test_a_second_request_waits_until_the_first_connection_is_closed",),
        (SECOND_CONNECTION,),
    ),
    Mutation(
        "a probe comes while a transfer runs, on a second connection",
        6,
        (MACHINE, f"{PROMISES}::TestTheDeviceIsSpared::test_no_probe_comes_while_a_transfer_runs"),
        (
            SECOND_CONNECTION,
            (CLEANUP, "if visit not in self._probes and not visit.is_talking:", "if visit not in self._probes:"),
            (CLEANUP, "            if visit.is_talking or self._visits", "            if self._visits"),
        ),
    ),
)


def failed(mutation: Mutation, tests: Iterable[str], seed: int) -> set[str]:
    """Return the tests that fail in a copy of the project with the fault."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        mutation.apply(copy / "sse_twisted")
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
        command += [f"--hypothesis-seed={seed}", "--hypothesis-profile=unshrunk", *tests]
        environment = os.environ | {"PYTHONPATH": str(copy)}
        result = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if result.returncode not in (0, 1):
            raise RuntimeError(result.stdout + result.stderr)
        return set(re.findall(r"^(?:FAILED|ERROR) (\S+)", result.stdout, re.MULTILINE))


def main() -> int:
    """Try the faults that are named, or all."""
    parser = argparse.ArgumentParser(description="Check that the tests find seeded faults.")
    parser.add_argument("--seed", type=int, default=0, help="seed of Hypothesis (0)")
    parser.add_argument("names", nargs="*", help="parts of the faults' names; all faults without")
    options = parser.parse_args()
    survived = 0
    for mutation in MUTATIONS:
        if options.names and not any(name in mutation.name for name in options.names):
            continue
        found = failed(mutation, mutation.found_by, options.seed)
        blind = [test for test in mutation.found_by if not any(name.startswith(test) for name in found)]
        survived += bool(blind)
        print(f"{'SURVIVED' if blind else 'found'}: {mutation.name} (promise {mutation.promise})", flush=True)
        for test in sorted(found):
            print(f"    failed: {test}")
        for test in blind:
            print(f"    passed, and should fail: {test}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
