# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks logged traffic against the vendor's own description of the API, where that file is at hand.

The file is the vendor's and no part of this project. It is looked for at C(KEYTURN_RMS_OPENAPI), then beside the checkout.
Its faults are known (facts 1.3) and taken out: the C(required) lists of the password calls, C(type: bool), date patterns that
are no regular expressions, and a number's bounds on a password, which are read as its length.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

VARIABLE = "KEYTURN_RMS_OPENAPI"
BESIDE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "rms-openapi.yaml"
STALE_REQUIRED = ("generate_password", "set_passwords")
# Errors every end point may answer (facts 1.1, 1.5), although the description names few per operation.
COMMON_ERRORS = {403, 404, 405, 429, 500, 502, 503}


class Description:
    """The description, made strict: a field it does not name is a problem."""

    def __init__(self, path: Path) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), loader)
        self._schemas: dict[str, Any] = self._document["components"]["schemas"]
        self._validators: dict[int, jsonschema.Draft202012Validator] = {}
        self._operations = [
            (method.upper(), re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)) + r"/?\Z"), template, operation)
            for template, operations in self._document["paths"].items()
            for method, operation in operations.items()
        ]
        # A fixed path goes before one with a parameter, as in /devices/logs and /devices/{id}.
        self._operations.sort(key=lambda each: each[2].count("{"))

    @classmethod
    def find(cls) -> Description | None:
        """The description, or None where the file is not at hand."""
        path = Path(os.environ.get(VARIABLE) or BESIDE)
        return cls(path) if path.is_file() else None

    def problems(self, log: Iterable[dict[str, Any]], base_path: str = "/api") -> list[str]:
        """What in a log written with C(log_bodies) contradicts the description. Answers that a fault has spoiled are passed over."""
        found: list[str] = []
        for entry in log:
            if entry["path"].startswith(base_path + "/"):
                found += [f"{entry['method']} {entry['path']}: {text}" for text in self._exchange(entry, entry["path"][len(base_path) :])]
        return found

    def _exchange(self, entry: dict[str, Any], path: str) -> Iterator[str]:
        operation = next(
            (each for method, pattern, _template, each in self._operations if method == entry["method"] and pattern.match(path)), None
        )
        if operation is None:
            yield "no such operation"
            return
        parameters = {each["name"]: each["schema"] for each in operation.get("parameters", []) if each["in"] == "query"}
        for name, value in entry["query"].items():
            if name not in parameters:
                yield f"no such query parameter: {name}"
            else:
                yield from self._differences(_from_query(value, parameters[name]), parameters[name], f"query parameter {name}")
        content = operation.get("requestBody", {}).get("content", {})
        # A request the server never read has no body in the log.
        if content and entry["fault"] is None:
            yield from self._request_body(entry, content)
        if entry["fault"] is None and entry["answer"] is not None:
            yield from self._answer(entry, operation["responses"])

    def _request_body(self, entry: dict[str, Any], content: dict[str, Any]) -> Iterator[str]:
        if entry["content_type"] not in content:
            yield f"the request is {entry['content_type']}, not {', '.join(content)}"
        elif entry["form"] is not None:
            form = {name: _from_form(name, value) for name, value in entry["form"].items()}
            yield from self._differences(form, content["multipart/form-data"]["schema"], "request")
        else:
            yield from self._differences(json.loads(entry["body"]), content[entry["content_type"]]["schema"], "request")

    def _answer(self, entry: dict[str, Any], responses: dict[str, Any]) -> Iterator[str]:
        response = responses.get(str(entry["status"]))
        if response is None:
            if entry["status"] not in COMMON_ERRORS:
                yield f"no such answer: {entry['status']}"
            response = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/inline_response_400"}}}}
        content = response.get("content", {})
        if entry["answer_type"] not in content:
            yield f"the answer is {entry['answer_type']}, not {', '.join(content)}"
        elif entry["answer_type"] == "application/json":
            yield from self._differences(json.loads(entry["answer"]), content["application/json"]["schema"], f"answer {entry['status']}")

    def _differences(self, value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
        validator = self._validators.get(id(schema))
        if validator is None:
            validator = self._validators[id(schema)] = jsonschema.Draft202012Validator(self._strict(schema))
        for difference in validator.iter_errors(value):
            # The library's message would quote the value, and that may be a password.
            place = "/".join(str(part) for part in difference.absolute_path)
            yield f"{where}: {place or 'whole'} breaks {difference.validator} {difference.validator_value!r:.80}"

    def _strict(self, schema: dict[str, Any]) -> dict[str, Any]:
        """OpenAPI 3.0 as JSON Schema, with the vendor's slips taken out."""
        stale = False
        while "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            stale = name in STALE_REQUIRED
            schema = self._schemas[name]
        result: dict[str, Any] = {}
        kind = {"bool": "boolean"}.get(schema.get("type", ""), schema.get("type"))
        if kind:
            result["type"] = [kind, "null"] if schema.get("nullable") else kind
        if "enum" in schema:
            result["enum"] = schema["enum"]
        for number, length in (("minimum", "minLength"), ("maximum", "maxLength")):
            if number in schema:
                result[length if kind == "string" else number] = schema[number]
        if schema.get("pattern") == "Y-m-d H:i:s":
            result["pattern"] = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
            # A batch that was not deleted has no such moment (facts 1.3), whatever the description says of null.
            result["type"] = ["string", "null"]
        if "items" in schema:
            result["items"] = self._strict(schema["items"])
        if "properties" in schema:
            result["properties"] = {name: self._strict(each) for name, each in schema["properties"].items()}
            result["additionalProperties"] = False
        if "required" in schema and not stale:
            result["required"] = schema["required"]
        return result


def _from_query(value: str, schema: dict[str, Any]) -> Any:
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if schema.get("type") == "boolean" and value in ("true", "false", "1", "0"):
        return value in ("true", "1")
    return value


def _from_form(name: str, value: str) -> Any:
    return value in ("true", "1") if name == "show_password" and value in ("true", "false", "1", "0") else value
