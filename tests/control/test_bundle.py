"""The support bundle: what it holds, and what it does not tell."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import tempfile
import unicodedata
import zipfile
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import frozen
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from sse_twisted.config.roster import Assignment
from sse_twisted.config.roster_store import SavedRoster, encode
from sse_twisted.config.settings import Settings
from sse_twisted.control import bundle
from sse_twisted.control.bundle import Source, write_bundle
from sse_twisted.control.canonical import fold
from sse_twisted.control.pseudonyms import vocabulary
from sse_twisted.event_folder.folder import EventFolder
from tests.support.event import VirtualEvent, log_of
from tests.tracks import written

NOW = 1_666_022_400.0
HEADING = "Motion ID,Start Date,End Date,File ID,First Name,Family Name\n"
LINE = "2022-10-17 16:00:00,INFO,motion-601 "


def made(folder: Path, *secret_files: Path, reports: dict[str, str] | None = None) -> dict[str, bytes]:
    """The files of a bundle by name."""
    target = io.BytesIO()
    for _ in write_bundle(target, Source(EventFolder(folder), Settings(), None, secret_files, reports or {}), NOW):
        pass
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def write(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", errors="replace"))


def spelt(name: str) -> set[str]:
    """The ways in which a name may be written."""
    forms = {name, name.upper(), name.lower(), name.title(), name.replace("fi", "\ufb01").replace("ss", "ß")}
    forms |= {unicodedata.normalize(form, each) for form in ("NFC", "NFD") for each in forms}
    escaped = {json.dumps(each)[1:-1] for each in forms}
    return forms | escaped | {quote(each, "") for each in forms}


def tells(data: bytes, name: str) -> bool:
    """Whether bytes hold a name, however it is spelt, as words of its own."""
    text = data.decode()
    forms = {form for form in spelt(name) if form.strip()}
    return any(re.search(rf"(?<![^\W_]){re.escape(form)}(?![^\W_])", text) for form in forms)


LETTERS = "abcdefgijklmnoprstuvwxyzäöüßéèñçøåłœæ\ufb01ÀÉÖŁŠčžβδджשםعم李小明"
WORDS = st.text(LETTERS, min_size=4, max_size=12).filter(
    lambda name: len(fold(name)) >= 4 and fold(name) not in vocabulary()
)
NAMES = st.builds("".join, st.tuples(WORDS, st.sampled_from(["", "-", "'", " van der ", " "]), WORDS))
IDS = st.from_regex(r"[A-Z]{3}[0-9]{3}[A-Z]{3}", fullmatch=True)
NETWORKS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=6, max_size=32)
SERIALS = st.from_regex(r"[A-Z]{2}-?[0-9]{6,10}", fullmatch=True)
# Hypothesis draws words of the code as well: one that the bundle itself says is no secret.
SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=7, max_size=39).map("~{}".format)
MACS = st.from_regex(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", fullmatch=True)


@frozen
class Private:
    """What must not be told."""

    first: str
    family: str
    file_id: str
    old_id: str
    network: str
    serial: str
    mac: str
    secret: str


def fill(folder: Path, private: Private) -> None:
    """Write all of it into all files of an event."""
    one = private
    quoted = one.family.replace('"', '""')
    write(folder, "config/motions.csv", f'{HEADING}601,2022-10-15,2022-10-21,{one.file_id},"{one.first}","{quoted}"\n')
    answers = {"wifi": [{"login": one.network, "password_length": "8"}], "username": one.first, "serial": one.serial}
    for name, ascii_only in (("settings.json", True), ("info.json", False)):
        write(folder, f"motions/motion-601/{name}", json.dumps({"settings": answers}, ensure_ascii=ascii_only))
    tracks = [f"{owner}_601_20221017_090000.oao" for owner in (one.file_id, one.old_id)]
    ledger = {name: {"local_file": f"gpslogs/20221017/{name}", "status": "completed"} for name in tracks}
    write(folder, "motions/motion-601/downloads.json", json.dumps(ledger))
    for name in tracks:
        write(folder, f"gpslogs/20221017/{name}", b"a track of " + one.first.encode())
    sailor = f"{one.first} {one.family}"
    device = {"stage": "gone", "since": 1, "left_early": f"{sailor}: 1 of 1 track missing ({tracks[0]})"}
    write(folder, ".sse_twisted/memory.json", json.dumps({"devices": {"601": device}}))
    write(folder, ".sse_twisted/web-token", f"{one.secret}\n")
    write(folder, ".sse_twisted/authorized_keys", f"ssh-ed25519 AAAA {one.first}\n")
    basic = base64.b64encode(f"sse:{one.secret}".encode()).decode()
    words = [*spelt(one.first), *spelt(sailor), one.file_id.lower(), one.old_id, one.serial, one.mac, one.mac.lower()]
    words += [one.secret, json.dumps(one.secret), quote(one.secret, ""), basic, basic.rstrip("="), f"x{one.secret}x"]
    words += [one.network, json.dumps(one.network), quote(one.network, ""), json.dumps(one.network, ensure_ascii=False)]
    log = "".join(f"{LINE}says ({word}) of {tracks[0]}\n" for word in words)
    write(folder, "logs/server.log", log)
    write(folder, "logs/server.json", "".join(json.dumps({"text": line}) + "\n" for line in log.splitlines()))


@pytest.mark.slow
@given(st.builds(Private, WORDS, NAMES, IDS, IDS, NETWORKS, SERIALS, MACS, SECRETS))
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@example(
    Private(
        "Zoë", "O'Brien-Müller", "ABC601XYZ", "DEF601XYZ", 'a "WiFi" 🏠\\', "AB123456", "00:1A:2B:3C:4D:5E", 'p+/=%\\"'
    )
)
@example(
    Private(
        "\ufb01ona", "Straße", "ABC601XYZ", "DEF601XYZ", "🏠🏠🏠🏠🏠🏠", "AB-123456", "00:1A:2B:3C:4D:5E", "********"
    )
)
@example(
    Private(
        "Zoë", "Müller", "ABC601XYZ", "DEF601XYZ", "Ęwave\\íD%Bay", "AB123456", "00:1A:2B:3C:4D:5E", "a-secret-token"
    )
)
@example(
    Private(
        "Zoë",
        "Müller",
        "ABC601XYZ",
        "DEF601XYZ",
        "ûXßĥYÕ«⥱¥£X넓?麑Ęwave",
        "AB123456",
        "00:1A:2B:3C:4D:5E",
        "a-secret-token",
    )
)
def test_nothing_private_is_in_any_byte(private: Private) -> None:
    one = private
    assume(
        len({fold(value) for value in (one.first, one.family, one.file_id, one.old_id, one.network, one.serial)}) == 6
    )
    assume(any(fold(word) not in vocabulary() and len(word) > 4 for word in re.findall(r"[^\W_]+", one.network)))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "event"
        fill(folder, private)
        files = made(folder)
        everything = b"\n".join((*files.values(), *(name.encode() for name in files)))
    for name in (one.first, one.family, *re.split(r"[ '-]", one.family), one.file_id, one.old_id, one.serial, one.mac):
        assert len(fold(name)) < 4 or not tells(everything, name), name
    for form in (one.network, json.dumps(one.network)[1:-1], quote(one.network, "")):
        assert not re.search(rf"(?<![^\W_]){re.escape(form)}(?![^\W_])", everything.decode()), form
    core = base64.b64encode(f"sse:{one.secret}".encode())[6:-4]
    for secret in (one.secret, json.dumps(one.secret)[1:-1], quote(one.secret, "")):
        assert secret.encode() not in everything
    assert core not in everything
    assert b"a track of" not in everything
    assert b"motion-601" in everything, "Motion IDs stay"


class TestPseudonyms:
    def test_the_same_name_has_the_same_pseudonym_in_all_files(self, tmp_path: Path) -> None:
        private = Private(
            "Zoë", "Müller", "ABC601XYZ", "DEF601XYZ", "Bay", "AB123456", "00:1A:2B:3C:4D:5E", "a-secret-token"
        )
        fill(tmp_path, private)
        files = made(tmp_path)
        log = files["logs/server.log"].decode()
        (row,) = files["config/motions.csv"].decode().splitlines()[1:]
        _, _, _, file_id, first, family = row.split(",")
        assert f"says ({first} {family}) of {file_id}_601_20221017_090000.oao" in log
        assert {line.partition("(")[2].partition(")")[0] for line in log.splitlines()} >= {first, f"{first} {family}"}
        assert f"{file_id}_601_20221017_090000.oao" in json.loads(files["motions/motion-601/downloads.json"])
        assert f" gpslogs/20221017/{file_id}_601_20221017_090000.oao" in files["files.txt"].decode()
        settings_ = json.loads(files["motions/motion-601/settings.json"])["settings"]
        assert settings_ == json.loads(files["motions/motion-601/info.json"])["settings"]
        assert settings_["username"] == first
        assert list(settings_["wifi"][0].values())[1:] == ["8"]
        memory = json.loads(files[".sse_twisted/memory.json"])["devices"]["601"]
        assert memory["left_early"].startswith(f"{first} {family}: 1 of 1 track missing ({file_id}_601_")

    @pytest.mark.parametrize(
        ("first", "family"),
        [
            ("Al", "The"),
            ("An", "Of"),
            ("To", "Day"),
            ("Will", "Be"),
            ("Mark", "Short"),
            ("The", "Board"),
            ("601", "602"),
        ],
    )
    def test_names_that_are_words_of_the_logs_do_not_destroy_them(
        self, tmp_path: Path, first: str, family: str
    ) -> None:
        write(tmp_path, "config/motions.csv", f"{HEADING}601,2022-10-15,2022-10-21,ABC601XYZ,{first},{family}\n")
        lines = (
            "motion-601 is connected at the board, to be disconnected today; an hour of all will be short",
            "motion-601 must stay connected - 1 of 3 tracks missing (request refused (HTTP 500)), retry 1 in 2 s",
        )
        lost = f"motion-601 left too early - {first} {family}: 1 of 1 track missing"
        write(tmp_path, "logs/server.log", "\n".join((*lines, lost, "")))
        *same, told = made(tmp_path)["logs/server.log"].decode().splitlines()
        assert tuple(same) == lines
        if not first.isdecimal():
            assert re.fullmatch(r"motion-601 left too early - Person\d Person\d: 1 of 1 track missing", told)
        assert first not in made(tmp_path)["config/motions.csv"].decode().splitlines()[1].split(",")[4:]

    def test_names_of_an_earlier_roster_are_found_in_the_logs(self, tmp_path: Path) -> None:
        log = (
            "2022-10-17,INFO,Roster: removed motion-601 OLD601XYZ Wilhelmina Oldcastle, 2022-10-15 to 2022-10-21\n"
            "2022-10-17 16:00:00,ERROR,motion-602 left too early - Ferdinand Magellan: 1 of 1 track missing\n"
            "2022-10-17 16:00:00,INFO,motion-602 is waived - seen with Magellan and WILHELMINA, old601xyz\n"
        )
        write(tmp_path, "logs/server.log", log)
        told = made(tmp_path)["logs/server.log"].decode()
        assert not re.search("wilhelmina|oldcastle|ferdinand|magellan|old601", told, re.IGNORECASE)
        assert "motion-602 is waived - seen with Person" in told

    def test_names_of_hand_ins_and_of_other_devices_are_found_in_the_logs(self, event: VirtualEvent) -> None:
        heading = f"{HEADING.strip()},Backup\n"
        event.person(601)
        event.start()
        event.advance(1)
        write(event.root, "hand-in/Zebedee Quill GW60.sbp", written.sbp(written.points(60)))
        event.until("Hand-in Zebedee Quill GW60.sbp waits")
        service = event.collector.hand_ins  # type: ignore[union-attr]
        (entry,) = service.ledger.entries.values()
        Deferred.fromCoroutine(service.assign(entry, "ABC601XYZ", "Yolanda"))
        event.until("Yolanda gave it to ABC601XYZ")
        event.stop()
        log = (event.root / "logs/server.log").read_text()
        assert "Hand-in Zebedee Quill GW60.sbp" in log
        assert "Yolanda gave it to" in log
        write(
            event.root,
            "config/motions-old.csv",
            f'{heading}602,2022-10-17,2022-10-17,AAA602,Bo,,"932000017, moonwatch"\n',
        )
        with (event.root / "logs/server.log").open("a") as file:
            file.write(f"{LINE}moonwatch has 932000017\n")
        files = made(event.root)
        assert "hand-in/ledger.jsonl" not in files
        everything = b"".join(files.values())
        for name in ("Zebedee", "Quill", "GW60", "Yolanda", "moonwatch", "932000017"):
            assert not tells(everything, name), name

    def test_a_windows_roster_and_semicolons_are_understood(self, tmp_path: Path) -> None:
        text = HEADING.replace(",", ";") + "601;2022-10-15;2022-10-21;ABC601XYZ;Zoë;Müllerson\n"
        write(tmp_path, "config/motions.csv", text.encode("cp1252"))
        write(tmp_path, "logs/server.log", "x Muellerson, müllerson, MÜLLERSON, M\\u00fcllerson, Mu\u0308llerson\n")
        files = made(tmp_path)
        assert (
            files["config/motions.csv"].decode().splitlines()[1] == "601;2022-10-15;2022-10-21;FID001;Person1;Person2"
        )
        assert files["logs/server.log"].decode() == "x " + ", ".join(["Person2"] * 5) + "\n"

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
    @pytest.mark.parametrize("before", ["", "Week 2022\n\n", "sep=\t\n"])
    def test_a_roster_that_the_collector_can_read_is_understood(
        self, tmp_path: Path, encoding: str, before: str
    ) -> None:
        heading = "Motion_ID,Start Date,End Date,file_id,Forename,SURNAME\n"
        rows = "601,2022-10-15,2022-10-21,ABC601XYZ,Zoë,None\n602,2022-10-15,2022-10-21,D/F602XYZ,Hildegard,The\n"
        write(tmp_path, "config/motions.csv", (before + (heading + rows).replace(",", "\t")).encode(encoding))
        write(tmp_path, "logs/server.log", "Roster line 3: invalid File ID 'D/F602XYZ': HILDEGARD Abc601xyz zoe\n")
        files = made(tmp_path)
        assert files["config/motions.csv"].decode().splitlines()[-2:] == [
            "601\t2022-10-15\t2022-10-21\tFID001\tPerson1\tPerson2",
            "602\t2022-10-15\t2022-10-21\tFID002\tPerson3\tPerson4",
        ]
        assert files["logs/server.log"].decode() == "Roster line 3: invalid File ID 'FID002': Person3 FID001 Person1\n"

    def test_names_of_the_roster_in_force_and_of_lines_corrected_since_are_found_too(self, tmp_path: Path) -> None:
        assignment = Assignment(
            601, date(2022, 10, 15), date(2022, 10, 21), "ABC601XYZ", "Hildegard Zwiebel", "7", 2, "", {"Name": "Eva"}
        )
        write(tmp_path, ".sse_twisted/roster.json", encode(SavedRoster(assignments=(assignment,))))
        write(tmp_path, "config/motions.csv", "spoilt")
        write(tmp_path, "logs/server.log", "Roster line 2: invalid File ID 'D/F60': Zwiebel, ABC601XYZ, D/F60\n")
        told = made(tmp_path)["logs/server.log"].decode()
        assert not re.search("zwiebel|ABC601|D/F60", told, re.IGNORECASE)

    def test_passwords_in_a_configuration_and_credentials_in_a_log_are_replaced(self, tmp_path: Path) -> None:
        write(tmp_path, "config/notes.toml", "password = 'hunter2hunter2'\ntoken: abcdef\n# psk=\"x y z\"\n")
        write(tmp_path, "logs/server.log", "Authorization: Basic c3NlOnNlY3JldA==\nauthorization: bearer abc.def-ghi\n")
        files = made(tmp_path)
        for secret in (b"hunter2", b"abcdef", b"x y z", b"c3NlOn", b"abc.def"):
            assert secret not in b"".join(files.values())

    def test_the_files_of_the_options_hold_secrets(self, tmp_path: Path) -> None:
        write(tmp_path, "passwords", "# none\nsse:correct horse\n")
        write(tmp_path, "event/logs/server.log", "wrong password for 'sse:correct horse', CORRECT horse?\n")
        files = made(tmp_path / "event", tmp_path / "passwords")
        assert b"horse" not in files["logs/server.log"]


class TestContents:
    def test_it_says_what_it_holds(self, tmp_path: Path) -> None:
        write(tmp_path, "config/motions.csv", f"{HEADING}601,2022-10-15,2022-10-21,ABC601XYZ,Zoë,Smithson\n")
        write(tmp_path, "logs/server.log", "hello\n")
        files = made(tmp_path, reports={"reports/slow.json": "{}"})
        assert {"README.txt", "versions.txt", "files.txt", "configuration/settings.toml", "reports/slow.json"} <= set(
            files
        )
        readme = files["README.txt"].decode()
        assert "Replaced by pseudonyms: 2 names, 1 File ID, 0 WiFi names" in readme
        assert "made on 2022-10-17 16:00:00 UTC" in readme
        assert re.search(r"(?m)^Python 3\.\d+\.\d+$", files["versions.txt"].decode())
        assert re.search(r"(?m)^twisted \d+", files["versions.txt"].decode())
        assert "event folder: unknown" not in files["versions.txt"].decode()

    def test_tracks_keys_and_what_is_no_file_are_left_out(self, tmp_path: Path) -> None:
        write(tmp_path, "gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao", b"fixes")
        write(tmp_path, ".sse_twisted/ssh_host_ed25519_key", "PRIVATE")
        write(tmp_path, "config/server.pem", "PRIVATE")
        write(tmp_path, "motions/motion-601/info.json", "{}")
        os.mkfifo(tmp_path / "motions/motion-601/logs.json")
        os.mkfifo(tmp_path / "logs.fifo")
        (tmp_path / "logs").mkdir()
        os.mkfifo(tmp_path / "logs" / "server.log")
        (tmp_path / "config" / "link.json").symlink_to("/etc/passwd")
        files = made(tmp_path)
        everything = b"".join(files.values())
        for hidden in (b"fixes", b"PRIVATE", b"root:"):
            assert hidden not in everything
        assert "motions/motion-601/info.json" in files
        assert (
            "- motions/motion-601/logs.json: not readable, not a file, or larger than" in files["README.txt"].decode()
        )

    def test_its_files_have_names_that_any_system_can_unpack(self, tmp_path: Path) -> None:
        for name in ("a\nb", "..\\..\\c", "d:e", "f?"):
            write(tmp_path, f"config/{name}.csv", "x")
        assert {name for name in made(tmp_path) if name.startswith("config/")} == {
            "config/a_b.csv",
            "config/.._.._c.csv",
            "config/d_e.csv",
            "config/f_.csv",
        }

    @pytest.mark.parametrize("random", [False, True])
    def test_it_is_small_whatever_the_logs_are_and_has_the_newest_lines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random: bool
    ) -> None:
        monkeypatch.setattr(bundle, "MAX_SIZE", 400_000)
        monkeypatch.setattr(bundle, "CHUNK", 50_000)
        for name in ("server.log", "server.json", "server.log.1"):
            filler = base64.b85encode(os.urandom(60)) if random else b"x" * 75
            lines = [b"%06d %s\n" % (n, base64.b85encode(os.urandom(60)) if random else filler) for n in range(20_000)]
            write(tmp_path, f"logs/{name}", b"".join(lines))
        target = io.BytesIO()
        for _ in write_bundle(target, Source(EventFolder(tmp_path), Settings()), NOW):
            pass
        assert len(target.getvalue()) < 420_000
        with zipfile.ZipFile(target) as archive:
            for name in ("logs/server.log", "logs/server.json"):
                lines = archive.read(name).splitlines()
                numbers = [int(line[:6]) for line in lines]
                assert numbers == list(range(20_000 - len(numbers), 20_000))
                assert (len(numbers) < 20_000) == random
            readme = archive.read("README.txt").decode()
        assert ("older lines" in readme) == random

    def test_it_is_made_in_short_turns(self, tmp_path: Path) -> None:
        write(tmp_path, "logs/server.json", (b'{"text": "m\\u00fcller %d"}\n' * 40_000))
        turns = write_bundle(io.BytesIO(), Source(EventFolder(tmp_path), Settings()), NOW)
        assert sum(1 for _ in turns) > 4

    def test_an_empty_or_foreign_folder_is_no_trouble(self, tmp_path: Path) -> None:
        write(tmp_path, "config/motions.csv", b"\xff\x00\n")
        write(tmp_path, "motions/motion-601/logs.json", b"[" * 100_000)
        write(tmp_path, "motions/motion-601/info.json", b"\xff\xfe{")
        write(tmp_path, "logs/server.log", b"\xff\xfe\x00\n\n" * 10)
        assert "README.txt" in made(tmp_path)


def test_a_running_collector_is_not_disturbed(event: VirtualEvent) -> None:
    device: Any = event.device(601, log_of(601))
    device.bytes_per_second = 20_000
    event.arrive(601)
    event.start()
    event.until("queued")
    before = sorted(event.root.rglob("*"))
    files = made(event.root)
    assert sorted(event.root.rglob("*")) == before
    assert b"Sailor" not in files["logs/server.log"]
    event.until("motion-601 can be disconnected")
