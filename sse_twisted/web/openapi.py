"""The OpenAPI 3.1 description of the API, generated from its routes and their types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from sse_twisted import __version__
from sse_twisted.web.routing import JSON, ParsedRequest, Response, Route, json_response

PROBLEM = "application/problem+json"
REF = "#/components/schemas/{name}"


class Problem(Struct, frozen=True):
    """An error response."""

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


def with_description(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Return the routes and one more, which serves their description."""
    routes = tuple(routes)
    description = json_response(describe(routes))

    async def openapi(request: ParsedRequest) -> Response:
        return description

    return *routes, Route("GET", "/api/v1/openapi.json", openapi)


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI description of the routes."""
    routes = tuple(routes)
    types: list[Any] = [Problem]
    for route in routes:
        types += [route.returns, *filter(None, [route.takes]), *route.parameters.values()]
        types += [type_ for type_, _ in route.query.values()]
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
    def schema(type_: Any) -> Any:
        return of_type[repr(type_)]

    words = route.path.replace("{", "").replace("}", "").strip("/").split("/")[2:]
    returned = schema(route.returns)
    if route.media_type != JSON:  # an event stream; the schema describes the data of one event
        returned = {"type": "string", "contentMediaType": JSON, "contentSchema": returned}
    operation: dict[str, Any] = {
        "operationId": "_".join((route.method.lower(), *words)),
        "summary": route.handler.__doc__ or "",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": schema(type_)}
                for name, type_ in route.parameters.items()
            ),
            *(
                {"name": name, "in": "query", "description": text, "schema": schema(type_)}
                for name, (type_, text) in route.query.items()
            ),
        ],
        "responses": {
            "200": _response("200", route.media_type, returned),
            **{status: _response(status, PROBLEM, schema(Problem)) for status in _refusals(route)},
        },
    }
    if route.takes is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema(route.takes)}}}
    if route.needs_token:
        operation["security"] = [{"token": []}]
        operation["responses"]["202"] = _response("202", JSON, returned)
    return operation


def _response(status: str, media_type: str, schema: Any) -> dict[str, Any]:
    return {"description": DESCRIPTIONS[status], "content": {media_type: {"schema": schema}}}


def _refusals(route: Route) -> list[str]:
    statuses = {"421"}
    if route.query or route.takes is not None:
        statuses.add("400")
    if route.parameters:
        statuses.add("404")
    if route.needs_token:
        statuses |= {"401", "403", "409", "415"}
    if route.media_type != JSON:
        statuses.add("503")
    return sorted(statuses)
