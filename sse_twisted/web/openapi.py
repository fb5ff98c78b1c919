"""The OpenAPI 3.1 description of the API, made from its routes and the types of what they take and give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from sse_twisted import __version__
from sse_twisted.web.routing import JSON, ParsedRequest, Response, Route, json_answer

PROBLEM = "application/problem+json"
REF = "#/components/schemas/{name}"


class Problem(Struct, frozen=True):
    """Why something else came back than what was asked for."""

    status: int
    detail: str


WORDS = {
    "202": "It has begun, and goes on.",
    "400": "What was sent can't be understood.",
    "401": "Commands need the token.",
    "403": "ParsedRequest by a page of another site.",
    "404": "There is no such thing.",
    "409": "That can't be done now.",
    "415": "Something else than JSON was sent.",
    "421": "The Host header does not name this machine.",
    "503": "Too many look on already.",
}


def described(routes: Iterable[Route]) -> tuple[Route, ...]:
    """These routes, and one that gives their description."""
    routes = tuple(routes)
    description = json_answer(describe(routes))

    async def openapi(asked: ParsedRequest) -> Response:
        return description

    return *routes, Route("GET", "/api/v1/openapi.json", openapi)


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """The description of these routes."""
    routes = tuple(routes)
    types = [Problem, *(route.gives for route in routes), *(route.takes for route in routes if route.takes)]
    types += [type_ for route in routes for type_ in _parameter_types(route)]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    of_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, of_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sse_twisted",
            "version": __version__,
            "description": "The collector of GPS tracks: what it knows, and commands. Times are in s since 1970, UTC.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _parameter_types(route: Route) -> list[Any]:
    return [*route.parameters.values(), *(type_ for type_, _ in route.query.values())]


def _operation(route: Route, of_type: dict[str, Any]) -> dict[str, Any]:
    words = route.path.replace("{", "").replace("}", "").strip("/").split("/")[2:]
    operation: dict[str, Any] = {
        "operationId": "_".join((route.method.lower(), *words)),
        "summary": route.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": of_type[repr(type_)]}
                for name, type_ in route.parameters.items()
            ),
            *(
                {"name": name, "in": "query", "description": text, "schema": of_type[repr(type_)]}
                for name, (type_, text) in route.query.items()
            ),
        ],
        "responses": {
            "200": {"description": "As asked for.", "content": {route.gives_kind: _schema(route, of_type)}},
            **{status: _problem(status, of_type) for status in _refusals(route)},
        },
    }
    if route.takes is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": of_type[repr(route.takes)]}}}
    if route.commands:
        operation["security"] = [{"token": []}]
        operation["responses"]["202"] = {
            "description": WORDS["202"],
            "content": {JSON: {"schema": of_type[repr(route.gives)]}},
        }
    return operation


def _schema(route: Route, of_type: dict[str, Any]) -> dict[str, Any]:
    if route.gives_kind != JSON:  # a stream: the schema is that of the data of one event
        return {"schema": {"type": "string", "contentMediaType": JSON, "contentSchema": of_type[repr(route.gives)]}}
    return {"schema": of_type[repr(route.gives)]}


def _refusals(route: Route) -> list[str]:
    statuses = {"421"}
    if route.query or route.takes is not None:
        statuses.add("400")
    if route.parameters:
        statuses.add("404")
    if route.commands:
        statuses |= {"401", "403", "409", "415"}
    if route.gives_kind != JSON:
        statuses.add("503")
    return sorted(statuses)


def _problem(status: str, of_type: dict[str, Any]) -> dict[str, Any]:
    return {"description": WORDS[status], "content": {PROBLEM: {"schema": of_type[repr(Problem)]}}}
