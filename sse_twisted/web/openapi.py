"""The OpenAPI 3.1 description of the API, generated from its routes and their types."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from sse_twisted import __version__
from sse_twisted.web.routing import JSON, PARAMETERS, ParsedRequest, Response, Route, json_response

PROBLEM = "application/problem+json"
REF = "#/components/schemas/{name}"


class Problem(Struct, frozen=True):
    """Why a request was refused or failed, in one line, as of RFC 9457."""

    status: int
    detail: str


DESCRIPTIONS = {
    "200": "Success.",
    "202": "The command has started and continues.",
    "400": "Invalid query or body.",
    "401": "The token is missing or wrong.",
    "403": "Cross-site request.",
    "404": "Not found.",
    "409": "Not possible now; the detail says why.",
    "415": "The body is not JSON.",
    "421": "Unknown host name; see web.hosts in the configuration.",
    "503": "Too many open event streams.",
}


def with_description(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Return the routes and one more, which serves their description."""

    @cache
    def description() -> Response:
        return json_response(_describe(routes))

    async def openapi(request: ParsedRequest) -> Response:
        return description()

    return *routes, Route("GET", "/api/v1/openapi.json", openapi)


def _describe(routes: tuple[Route, ...]) -> dict[str, Any]:
    types: list[Any] = [Problem, *PARAMETERS.values()]
    types += [type_ for route in routes for type_ in (route.returns, route.takes) if type_ is not None]
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
            "description": "State and commands of the GPS track collector. Times are in s since 1970, UTC.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, of_type: dict[str, Any]) -> dict[str, Any]:
    words = re.findall(r"\w+", route.path)[2:]
    returned = of_type[repr(route.returns)]
    if route.media_type != JSON:  # an event stream; the schema describes the data of one event
        returned = {"type": "string", "contentMediaType": JSON, "contentSchema": returned}
    places = dict.fromkeys(route.pattern.groupindex, "path") | dict.fromkeys(route.query, "query")
    parameters = [(name, place, of_type[repr(PARAMETERS[name])]) for name, place in places.items()]
    responses = {"200": (route.media_type, returned)}
    if route.needs_token:
        responses["202"] = (JSON, returned)
    responses |= dict.fromkeys(_refusals(route), (PROBLEM, of_type[repr(Problem)]))
    operation: dict[str, Any] = {
        "operationId": "_".join((route.method.lower(), *words)),
        "summary": route.summary,
        "parameters": [
            {
                "name": name,
                "in": place,
                "required": place == "path",
                "description": schema["description"],
                "schema": schema,
            }
            for name, place, schema in parameters
        ],
        "responses": {
            status: {"description": DESCRIPTIONS[status], "content": {media_type: {"schema": schema}}}
            for status, (media_type, schema) in responses.items()
        },
    }
    if route.takes is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": of_type[repr(route.takes)]}}}
    if route.needs_token:
        operation["security"] = [{"token": []}]
    return operation


def _refusals(route: Route) -> list[str]:
    statuses = {"421"}
    if route.query or route.takes is not None:
        statuses.add("400")
    if route.pattern.groups:
        statuses.add("404")
    if route.needs_token:
        statuses |= {"401", "403", "409", "415"}
    if route.media_type != JSON:
        statuses.add("503")
    return sorted(statuses)
