from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.dns.resolv_conf import SystemNames, read_system_names
from tests.dns.wire import OTHER, ROUTER


class TestTheFiles:
    def read(self, folder: Path, resolver: str | bytes = "", hosts: str | bytes = "") -> SystemNames:
        paths = folder / "resolv.conf", folder / "hosts"
        for path, text in zip(paths, (resolver, hosts), strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_system_names(*map(str, paths))

    def test_servers_and_domains(self, tmp_path: Path) -> None:
        text = "# of a router\nnameserver 192.168.0.1 # it\n\n nameserver\t192.168.0.2\noptions x\nsearch lan home."
        assert self.read(tmp_path, text) == SystemNames((ROUTER, OTHER), ("lan", "home"))

    @pytest.mark.parametrize("line", ["nameserver", "nameserver fe80::1%wlan0", "nameserver ::1", "nameserver router"])
    def test_a_server_without_ipv4_address_is_skipped(self, tmp_path: Path, line: str) -> None:
        assert self.read(tmp_path, f"{line}\nnameserver 192.168.0.1\n").servers == (ROUTER,)

    @pytest.mark.parametrize(
        ("text", "search"),
        [
            ("search a\nsearch b", ("b",)),
            ("search a\ndomain b", ("b",)),
            ("domain a", ("a",)),
            ("search .lan. .", ("lan",)),
            ("search ~. a/b lan", ("lan",)),
            ("search", ()),
            ("; search lan", ()),
            ("SEARCH lan", ()),
        ],
    )
    def test_the_last_line_with_domains_counts(self, tmp_path: Path, text: str, search: tuple[str, ...]) -> None:
        assert self.read(tmp_path, text).search == search

    def test_hosts(self, tmp_path: Path) -> None:
        hosts = "127.0.0.1 localhost\n::1 motion-601\n10.0.0.1\tMotion-601 motion-601.lan # x\n10.0.0.2 motion-601\nx y"
        assert self.read(tmp_path, hosts=hosts).hosts == {
            "localhost": "127.0.0.1",
            "motion-601": "10.0.0.1",
            "motion-601.lan": "10.0.0.1",
        }

    def test_what_is_missing_says_nothing(self, tmp_path: Path) -> None:
        for path in ("", str(tmp_path / "none"), str(tmp_path / "none" / "none")):
            assert read_system_names(path, path) == SystemNames()

    def test_what_is_no_file_is_remarked(self, tmp_path: Path) -> None:
        assert read_system_names(str(tmp_path), "").remarks == (f"{tmp_path}: Is a directory",)

    @given(st.binary(max_size=200))
    def test_any_bytes_can_be_read(self, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
        system = self.read(tmp_path_factory.getbasetemp(), b"nameserver 1.2.3.4\n" + data, data + b"\n1.2.3.4 a")
        assert ("1.2.3.4", 53) in system.servers
        assert system.hosts["a"]


def test_a_stub_that_passes_on_no_bare_names_is_gone_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub, behind = tmp_path / "stub.conf", tmp_path / "resolv.conf"
    stub.write_text("nameserver 127.0.0.53\nsearch lan\n")
    monkeypatch.setattr("sse_twisted.dns.resolv_conf.BEHIND_THE_STUB", str(behind))
    assert read_system_names(str(stub), "").servers == (("127.0.0.53", 53),)
    behind.write_text("nameserver 192.168.0.1\nsearch other\n")
    names = read_system_names(str(stub), "")
    assert (names.servers, names.search) == ((("192.168.0.1", 53),), ("lan",))


def test_the_servers_behind_a_stub_are_asked_although_more_servers_follow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, behind = tmp_path / "stub.conf", tmp_path / "resolv.conf"
    stub.write_text("nameserver 127.0.0.53\nnameserver 192.168.0.2\nnameserver 192.168.0.2\n")
    monkeypatch.setattr("sse_twisted.dns.resolv_conf.BEHIND_THE_STUB", str(behind))
    assert read_system_names(str(stub), "").servers == (("127.0.0.53", 53), OTHER)
    behind.write_text("nameserver 192.168.0.1\nnameserver 192.168.0.2\n")
    assert read_system_names(str(stub), "").servers == (ROUTER, OTHER)
