"""``/openapi.json``, made from the table of routes and the models that serve them."""

from __future__ import annotations

import re
from typing import Final

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from governance import wire
from governance.events import PAYLOADS
from governance.service.routes import JSON, ROUTES, Endpoint

_REFERENCE: Final = "#/components/schemas/{model}"
_NUMBER: Final = {"type": "integer", "minimum": 0}

Json = dict[str, object]


def describe() -> bytes:
    """The OpenAPI 3.1 document."""
    named: list[type[BaseModel]] = [wire.ErrorAnswer, wire.EventLine]
    named += [one.takes for one in ROUTES if one.takes is not None]
    named += [one.gives for one in ROUTES if not isinstance(one.gives, str)]
    named += PAYLOADS.values()
    _, schemas = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(named)], ref_template=_REFERENCE
    )
    components: dict[str, Json] = schemas["$defs"]
    _name_payloads(components)
    paths: dict[str, Json] = {}
    for endpoint in ROUTES:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Palimpsest ledger",
            "version": f"{wire.API_VERSION}",
            "description": "The local API of `palimpsest serve`. Loopback only; every answer "
            "other than 200 is an ErrorAnswer.",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return orjson.dumps(document)


def _name_payloads(components: dict[str, Json]) -> None:
    """Say of every payload which models it may be; code looks them up by ``type``."""
    choices = [{"$ref": _REFERENCE.format(model=model.__name__)} for model in PAYLOADS.values()]
    for name in (wire.DraftBody.__name__, wire.EventLine.__name__):
        fields = components[name]["properties"]
        assert isinstance(fields, dict)
        erased = [] if name == wire.DraftBody.__name__ else [{"type": "null"}]
        fields["payload"] = {"anyOf": [*choices, *erased]}
        fields["type"] = {"type": "string", "enum": list(PAYLOADS)}
        if erased:
            del fields["type"]  # an event says it in its header


def _operation(endpoint: Endpoint) -> Json:
    places = re.findall(r"\{(\w+)\}", endpoint.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _NUMBER} for name in places
    ] + [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        for name in endpoint.query
    ]
    operation: Json = {
        "summary": endpoint.summary,
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_"),
        "parameters": parameters,
        "responses": {
            "200": {"description": "Done.", "content": _content(endpoint.gives)},
            "default": {"description": "Refused.", "content": _content(wire.ErrorAnswer)},
        },
    }
    if endpoint.takes is not None:
        operation["requestBody"] = {"required": True, "content": _content(endpoint.takes)}
    if endpoint.open:
        operation["security"] = []
    return operation


def _content(what: type[BaseModel] | str) -> Json:
    if isinstance(what, str):
        schema: Json = {} if what == JSON else {"type": "string"}
        return {what: {"schema": schema}}
    return {JSON: {"schema": {"$ref": _REFERENCE.format(model=what.__name__)}}}
