from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from sse_twisted.config.settings import Copies
from tests.web.desk import Desk


def test_a_running_collector_is_alive_and_ready(desk: Desk) -> None:
    assert desk.get("/healthz").text == "alive\n"
    assert desk.get("/readyz").status == 200


def test_it_is_not_ready_without_name_servers(desk: Desk) -> None:
    desk.event.names.trouble = "no name server is known"
    answer = desk.get("/readyz")
    assert (answer.status, answer.json["ready"]) == (503, False)


def test_it_is_not_ready_without_its_event_folder(desk: Desk) -> None:
    desk.collector.watch.trouble = "the event folder is not there"
    answer = desk.get("/readyz")
    assert (answer.status, answer.json["ready"]) == (503, False)
    assert "Event folder gone" in desk.get("/").text


@pytest.mark.parametrize("path", ["/days", "/days/2022-10-17", "/ranking", "/course", "/devices/601", "/api/v1/days"])
def test_what_is_at_its_path_is_not_shown_while_the_event_folder_is_away(desk: Desk, path: str) -> None:
    assert desk.get(path).status == 200
    desk.collector.watch.trouble = "another folder is in the place of the event folder"
    answer = desk.get(path)
    assert answer.status == 503
    assert "nother folder is in the place of the event folder; try again when it is back" in answer.text


@pytest.mark.parametrize(("required", "status"), [(False, 200), (True, 503)])
def test_it_is_ready_without_its_copies_unless_they_are_required(desk: Desk, required: bool, status: int) -> None:
    desk.event.settings = replace(desk.event.settings, copies=Copies(("/media/nowhere",), required))
    desk.collector.reload()
    desk.event.advance(5)
    answer = desk.get("/readyz")
    assert answer.status == status
    (condition,) = (each for each in answer.json["conditions"] if each["subject"] == "copies")
    assert not condition["ok"]
    assert "copy /media/nowhere: not written for 10 s: the folder is not there" in condition["text"]
    assert "Check the copies" in desk.get("/").text
    assert desk.get("/api/v1/copies").json[0]["folder"] == "/media/nowhere"
    assert 'sse_copy_tracks{folder="/media/nowhere"} 0.0' in desk.get("/metrics").text
    assert 'sse_condition_ok{condition="copies"} 0.0' in desk.get("/metrics").text


def test_a_copy_on_the_same_disk_is_a_warning_and_no_alarm(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("beside")
    desk.event.settings = replace(desk.event.settings, copies=Copies((str(folder),)))
    desk.collector.reload()
    desk.event.until("on the same disk as the event folder")
    page = desk.get("/").text
    assert re.search('<li class="warned">.*#warn.*Check the copies</li>', page)
    assert re.search(f'<p class="notice">.*#warn.* copy {folder} is on the same disk as the event folder', page)
    assert "trouble" not in re.findall('<p class="([a-z]+)"', page)
    answer = desk.get("/readyz")
    assert answer.status == 200
    (condition,) = (each for each in answer.json["conditions"] if each["subject"] == "copies")
    assert (condition["ok"], condition["warning"]) == (True, True)
    assert desk.get("/api/v1/copies").json[0]["beside"] == "the event folder"
    assert 'sse_condition_ok{condition="copies"} 1.0' in desk.get("/metrics").text


def test_the_board_tells_one_cause_in_one_sentence(desk: Desk) -> None:
    desk.collector.watch.trouble = desk.collector.disk.trouble = "the event folder is not there"
    page = desk.get("/").text
    assert "Downloads paused" in page
    assert re.findall('<p class="trouble">.*</svg> (.*)</p>', page) == [
        "the event folder is not there. Put it back, or plug its disk in again"
    ]


def test_metrics_are_those_of_collector_and_web(desk: Desk) -> None:
    desk.listen()
    metrics = desk.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert 'sse_devices{stage="absent"} 2.0' in metrics.text
    assert "sse_web_streams 1.0" in metrics.text
