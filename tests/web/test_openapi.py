"""The OpenAPI description, and Schemathesis, which generates valid and invalid requests from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.real_event import folder_in_memory
from tests.web.browser import Theatre
from tests.web.desk import Desk

EXAMPLES = 6  # of each operation and mode
ENDLESS = "/api/v1/events"


@pytest.fixture(scope="module")
def schemathesis() -> Any:
    """Imported only here: it is large."""
    return pytest.importorskip("schemathesis", reason="no schemathesis here")


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    with folder_in_memory() as folder:
        theatre = Theatre(folder)
        theatre.open()
        theatre.play("arrive 601")
        yield theatre
        theatre.close()


def test_it_describes_every_route_of_the_api(desk: Desk) -> None:
    description = desk.get("/api/v1/openapi.json").json
    assert description["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in description["paths"].items() for method in item}
    served = {(route.method, route.path) for route in desk.web.router.routes if route.path.startswith("/api/")}
    assert described == served - {("GET", "/api/v1/openapi.json")}


def test_every_operation_has_a_summary(desk: Desk) -> None:
    for item in desk.get("/api/v1/openapi.json").json["paths"].values():
        for operation in item.values():
            assert re.fullmatch(r"[A-Z].*\.", operation["summary"]), operation


def test_every_post_needs_the_token(desk: Desk) -> None:
    for item in desk.get("/api/v1/openapi.json").json["paths"].values():
        assert all(("security" in operation) == (method == "post") for method, operation in item.items())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_the_api_conforms_to_its_description(schemathesis: Any, theatre: Theatre, mode: str) -> None:
    schema = schemathesis.openapi.from_url(f"{theatre.address}api/v1/openapi.json")
    token = {"Authorization": f"Bearer {theatre.token}"}
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == ENDLESS:
            continue
        if mode == "negative" and not (operation.body or operation.query or operation.path_parameters):
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(headers=token)

        ask()
    assert asked > 20
