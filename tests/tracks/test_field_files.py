"""Real files of other devices, read in place: what is known of each, and whether devices and formats agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sse_twisted.tracks.analysis import Analysis, analyse
from sse_twisted.tracks.evidence import are_twins, evidence_of
from sse_twisted.tracks.format import Evidence, SpeedSource
from sse_twisted.tracks.formats import decode, kind_of
from sse_twisted.tracks.report import Report, report_of

ONE_SAIL = (
    "one-sail-20220411/RIDERA_932000000_20220411.SBN",
    "one-sail-20220411/RIDERA_932000000_20220411_DLG.SBP",
    "one-sail-20220411/RIDA_155000000_20220411.sbp",
    "one-sail-20220411/RA_168000000_20220411.sbp",
    "one-sail-20220411/Speedsurfing20220411.fit",
    "one-sail-20220411/0470_2022-04-11-1117.oao",
)


@pytest.fixture(scope="module")
def folder(captures: Path) -> Path:
    found = captures / "formats"
    if not found.is_dir():
        pytest.skip(f"no files of other devices at {found}")
    return found


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = json.loads((folder / "facts.json").read_text())
    return {name: fact for name, fact in told.items() if "records" in fact}


@pytest.fixture(scope="module")
def analyses(folder: Path, facts: dict[str, dict[str, Any]]) -> dict[str, Analysis]:
    return {name: analyse((folder / name).read_bytes()) for name in facts}


def milliseconds(text: str) -> int:
    return int(np.datetime64(text.removesuffix("Z"), "ms").astype(np.int64))


def report(analysis: Analysis) -> Report:
    return report_of(analysis, analysis.track.integrity.length)


def best(analysis: Analysis, name: str) -> float:
    """A best in m/s."""
    assert analysis.session is not None
    return analysis.session.bests[name][0].value / 1000


def test_each_file_is_of_its_kind(folder: Path, facts: dict[str, dict[str, Any]]) -> None:
    assert len(facts) == 31
    kinds = {name: kind_of((folder / name).read_bytes()[:512]) for name in facts}
    assert kinds == {name: name.rpartition(".")[2].lower() for name in facts}


def test_each_file_has_the_records_that_are_known(
    analyses: dict[str, Analysis], facts: dict[str, dict[str, Any]]
) -> None:
    for name, fact in facts.items():
        track = analyses[name].track
        assert track.integrity.whole == (fact.get("bad_checksums", []) == []), name
        assert len(track.fixes) == fact.get("record_messages", fact["records"]), name
        assert track.fixes.speed.max() == pytest.approx(fact.get("max_mps", 17) * 1000, abs=1) or "gpx" in name, name


def test_each_session_begins_and_ends_when_it_is_known_to(
    analyses: dict[str, Analysis], facts: dict[str, dict[str, Any]]
) -> None:
    for name, fact in facts.items():
        session = report(analyses[name])["session"]
        # The places of a grid do not hold the milliseconds of a GT-11.
        off = 1000 if name.startswith(("gt11", "gpsbabel/sbn", "gpx/water")) else 0
        assert abs(session["start"] - milliseconds(fact["first"])) <= off, name
        assert abs(session["end"] - milliseconds(fact["last"])) <= off, name


def test_each_best_is_the_one_that_is_known(analyses: dict[str, Analysis], facts: dict[str, dict[str, Any]]) -> None:
    for name, fact in facts.items():
        bests = report(analyses[name])["session"]["bests"]
        for seconds in ("2s", "10s"):
            known = fact.get(f"best_{seconds}_mps", 0)
            found = bests[seconds][0]["m/s"] if bests[seconds] else 0
            if known > 0 and not name.startswith("gpsbabel/datalog"):
                # The steps of a GT-11 are of 999 ms at times; the known ones leave these windows out.
                above = 0.11 if name.startswith("gt11") else 0.0011
                assert known - 0.0011 <= found <= known + above, (name, seconds)


def test_what_a_file_proves_depends_on_its_format(analyses: dict[str, Analysis]) -> None:
    grades = {"fit": Evidence.PROVEN, "sbp": Evidence.AS_HANDED_IN, "gpx": Evidence.AS_HANDED_IN}
    for name, analysis in analyses.items():
        track = analysis.track
        assert track.evidence is grades.get(track.integrity.kind, Evidence.CONSISTENT), name


def test_only_a_gpx_without_speeds_is_not_doppler(
    analyses: dict[str, Analysis], facts: dict[str, dict[str, Any]]
) -> None:
    for name, analysis in analyses.items():
        is_made = facts[name].get("with_speed") == 0
        assert analysis.track.speeds is (SpeedSource.POSITIONS if is_made else SpeedSource.DOPPLER), name
        assert any("made from positions" in remark for remark in analysis.remarks) == is_made


def test_one_session_in_four_formats_has_the_same_figures(captures: Path, folder: Path) -> None:
    whole = report(analyse((captures / "esp_Head_L_007.oao").read_bytes()))
    gpy, sbp = (report(analyse((folder / f"made/Head_L_007.{kind}").read_bytes())) for kind in ("gpy", "sbp"))
    assert gpy["session"] == whole["session"]
    assert (sbp["session"]["start"], sbp["session"]["end"]) == (whole["session"]["start"], whole["session"]["end"])
    for name, bests in whole["session"]["bests"].items():
        for ours, other in zip(bests[:1], sbp["session"]["bests"][name][:1], strict=True):
            assert 0 <= ours["m/s"] - other["m/s"] <= 0.01, name  # SBP rounds down to 0.01 m/s


def test_the_first_part_of_it_as_ubx_has_the_same_fixes(captures: Path, folder: Path) -> None:
    whole = decode((captures / "esp_Head_L_007.oao").read_bytes()).fixes[slice(0, 9000)]
    ubx = decode((folder / "made/Head_L_007_first9000.ubx").read_bytes()).fixes
    for name in ("time", "latitude", "longitude", "speed", "course", "speed_error", "satellites", "hdop"):
        assert getattr(ubx, name).tolist() == getattr(whole, name).tolist(), name


def test_the_same_fixes_in_two_formats_are_twins(folder: Path) -> None:
    sbp, gpy, ubx = (
        decode((folder / "made" / name).read_bytes())
        for name in ("Head_L_007.sbp", "Head_L_007.gpy", "Head_L_007_first9000.ubx")
    )
    assert are_twins(sbp, gpy)
    assert evidence_of(sbp, twin=gpy) is Evidence.CONSISTENT
    assert not are_twins(sbp, ubx)
    assert evidence_of(sbp, twin=ubx) is Evidence.AS_HANDED_IN
    assert evidence_of(gpy, listed_length=gpy.integrity.length) is Evidence.PROVEN


def test_one_rider_with_five_devices_agrees_with_himself(analyses: dict[str, Analysis]) -> None:
    """Measured: 16.79, 16.79, 16.83, 16.93, 16.87 and 16.83 m/s."""
    for name, spread in (("2s", 0.15), ("10s", 0.15), ("500m", 0.15)):
        speeds = [best(analyses[file], name) for file in ONE_SAIL]
        assert max(speeds) - min(speeds) <= spread, (name, speeds)
    assert [round(best(analyses[file], "2s"), 2) for file in ONE_SAIL] == pytest.approx(
        [16.79, 16.79, 16.83, 16.93, 16.87, 16.83], abs=0.011
    )


def test_an_sbn_and_the_sbp_of_the_same_logger_agree_in_all_common_seconds(folder: Path) -> None:
    sbn, sbp = (decode((folder / name).read_bytes()).fixes for name in ONE_SAIL[:2])
    common, here, there = np.intersect1d(sbn.time, sbp.time, return_indices=True)
    assert len(common) == 4036
    for name in ("latitude", "longitude", "speed", "course", "speed_error"):
        assert getattr(sbn, name)[here].tolist() == getattr(sbp, name)[there].tolist(), name


def test_spikes_of_an_event_are_remarked(analyses: dict[str, Analysis]) -> None:
    for rider, speed in (("RIDER1_133000000_20191009_102438", 58.2), ("RIDER2_113000000_20111018_131156", 47.9)):
        analysis = analyses[f"event-gt31/{rider}.SBN"]
        assert "best 2s has a spike: its speed rises faster than anybody can sail" in analysis.remarks
        assert any(f"the fastest fix is a spike: {speed} knots" in remark for remark in analysis.remarks)
        assert report(analysis)["doubtful"]
        assert "spike" in report(analysis)["session"]["bests"]["2s"][0]["doubts"]
    assert not report(analyses[ONE_SAIL[0]])["doubtful"]


def test_runs_between_the_gates_of_an_event_are_500_m_long(folder: Path, analyses: dict[str, Analysis]) -> None:
    """GPSResults found them on the day, by its own reader; its times are an hour ahead of UTC."""
    lengths = []
    for path in sorted((folder / "event-gt31").glob("*.csv")):
        fixes = analyses[f"event-gt31/{path.name.replace('.gpsresults.csv', '.SBN')}"].track.fixes
        day = np.datetime64(int(fixes.time[0]), "ms").astype("M8[D]").astype("M8[ms]").astype(np.int64)
        for line in path.read_text().splitlines()[1:]:
            _, end, seconds, *_ = line.replace('"', "").split(",")
            hours, minutes, rest = end.split(":")
            stop = int(day) + ((int(hours) - 1) * 60 + int(minutes)) * 60_000 + round(float(rest) * 1000)
            at = np.arange(stop - float(seconds) * 1000, stop, 10)
            lengths.append(float(np.interp(at, fixes.time, fixes.speed).sum()) / 100_000)
    assert len(lengths) == 41
    assert np.median(lengths) == pytest.approx(501, abs=2)


def test_week_rollover_is_remarked_with_the_true_date(analyses: dict[str, Analysis]) -> None:
    remarks = analyses["gt11/week-rollover.sbp"].remarks
    assert "dated 2004-02-04; a new file of that date is 1,024 weeks early (GPS week rollover): 2023-09-20" in remarks


def test_watches_say_what_they_lack(analyses: dict[str, Analysis]) -> None:
    said = {name: "\n".join(analyses[f"fit/{name}.fit"].remarks) for name in (
        "suunto-ambit3-big-endian", "garmin-fenix6x-20220611", "timex-compressed-timestamps",
    )}  # fmt: skip
    assert "454 of 734 records have no speed" in said["suunto-ambit3-big-endian"]
    assert "a gap of 2,882.0 s" in said["garmin-fenix6x-20220611"]
    assert "2,781 of 5,400 records have no speed" in said["timex-compressed-timestamps"]


def test_lag_is_remarked_for_the_devices_that_have_it(analyses: dict[str, Analysis]) -> None:
    lagging = [any("lag by about" in remark for remark in analyses[name].remarks) for name in ONE_SAIL]
    assert lagging == [True, True, True, False, True, False]


def test_the_damaged_records_of_a_gpy_cost_only_themselves(analyses: dict[str, Analysis]) -> None:
    (loss,) = analyses["gpy/sessionBadRecords.gpy"].losses
    assert (loss.damage.offset, loss.damage.length, loss.fixes) == (16_800, 40, 2)


def test_the_speeds_of_a_motion_s_gpx_are_those_of_its_oao(captures: Path, folder: Path) -> None:
    gpx = decode((folder / "gpx/motion-0470_2022-07-16-1202.gpx").read_bytes()).fixes
    oao = decode((captures / "0470_2022-07-16-1202.oao").read_bytes()).fixes
    common, here, there = np.intersect1d(gpx.time, oao.time, return_indices=True)
    assert len(common) > 5000
    assert np.abs(gpx.speed[here] - oao.speed[there].astype(np.int64)).max() <= 1
    assert np.abs(gpx.latitude[here] - oao.latitude[there]).max() < 1e-6
