"""Real files of one sail with eight devices, under the names that their devices gave them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.event import VirtualEvent

SAIL = Path(__file__).parents[3] / "shared/data/formats/one-sail-20220411"
ROSTER = """Motion ID,Start Date,End Date,File ID,First Name,Family Name,Backup
470,2022-04-09,2022-04-15,ADA470ANC,Ada,Anchor,
471,2022-04-09,2022-04-15,BRY471BOW,Bryn,Bowline,"932000000, GT31"
,,,CLE0COV,Cleo,Cove,168000000
473,2022-04-09,2022-04-15,DAN473DEE,Dan,Deep,"155000000; Speedsurfing"
"""
EXPECTED = {
    "0470_2022-04-11-1117.oao": ("ADA470ANC", 470),
    "GT31_20220411_gpsbabel.gpx": ("BRY471BOW", 471),
    "RA_168000000_20220411.sbp": ("CLE0COV", 0),
    "RIDA_155000000_20220411.sbp": ("DAN473DEE", 473),
    "RIDERA_932000000_20220411.SBN": ("BRY471BOW", 471),
    "RIDERA_932000000_20220411_DLG.SBP": ("BRY471BOW", 471),
    "Speedsurfing20220411.fit": ("DAN473DEE", 473),
    "Speedsurfing20220411.gpx": ("DAN473DEE", 473),
}


def test_each_is_at_its_rider_and_day(event: VirtualEvent) -> None:
    if not SAIL.is_dir():
        pytest.skip(f"no real files at {SAIL}")
    event.folder.roster.parent.mkdir(parents=True)
    event.folder.roster.write_text(ROSTER)
    collector = event.start()
    event.advance(1)
    for name in EXPECTED:
        (event.root / "hand-in" / name).write_bytes((SAIL / name).read_bytes())
    event.advance(8)
    entries = {entry.name: entry for entry in collector.hand_ins.ledger.entries.values()}
    for name, (file_id, number) in EXPECTED.items():
        assert entries[name].filed, event.said(name)
        (path,) = entries[name].filed.values()
        assert path.startswith(f"gpslogs/20220411/{file_id}_{number}_20220411_1"), name
        assert path.endswith(Path(name).suffix)
        assert (event.root / path).read_bytes() == (SAIL / name).read_bytes()
