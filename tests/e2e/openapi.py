"""As much of OpenAPI 3.1 as docs/openapi-feed.json uses: to make requests, and to check answers."""

import json
import re
from typing import Any

from hypothesis import strategies as st

from tests.support import REPOSITORY

DOCUMENT = json.loads((REPOSITORY / "docs" / "openapi-feed.json").read_text("utf-8"))
Schema = dict[str, Any]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def operations() -> list[tuple[str, str, Schema]]:
    """Path, HTTP method and description of every call."""
    return [
        (path, method, operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    ]


def inputs(operation: Schema) -> dict[str, Schema]:
    """The parameters of a call by name, whether they are in the query or in the body."""
    if body := operation.get("requestBody"):
        properties: dict[str, Schema] = body["content"]["application/json"]["schema"]["properties"]
        return properties
    return {p["name"]: p["schema"] for p in operation.get("parameters", [])}


def answer_schema(operation: Schema, status: int) -> Schema:
    """What an answer with this status looks like; KeyError if there is none."""
    schema: Schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return schema


def check(value: object, schema: Schema, at: str = "answer") -> None:
    """Assert that a value is as described."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema:
        [schema] = [
            one for one in schema["oneOf"] if (one.get("type") == "null") == (value is None)
        ]
        check(value, schema, at)
        return
    if "const" in schema:
        assert value == schema["const"], f"{at}: {value!r}"
        return
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    assert any(
        isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
        for name in names
    ), f"{at}: {value!r} is no {names}"
    if isinstance(value, str):
        assert value in schema.get("enum", [value]), f"{at}: {value!r}"
        assert re.search(schema.get("pattern", ""), value), f"{at}: {value!r}"
    elif isinstance(value, int) and not isinstance(value, bool):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{at}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check(item, schema["items"], f"{at}[{number}]")
    elif isinstance(value, dict):
        properties = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), f"{at}: {sorted(value)}"
        for name, item in value.items():
            more = schema.get("additionalProperties", {})
            assert name in properties or more is not False, f"{at}.{name} is not described"
            if described := properties.get(name, more):
                check(item, described, f"{at}.{name}")


#: What breaks programs
TEXTS = st.sampled_from(
    [
        *("", "\x00", "a\x00b", "\ud800", "' OR 1=1 --", "'; DROP TABLE res_users; --", "%s %(x)s"),
        *("<script>alert(1)</script>", "../../etc/passwd", "{}", "[]", "null", "1e400", "x" * 300),
        *("-1", "0", " 7 ", "٣", "9" * 5000, "1,2", ",", "true", "res.partner", "\u202e", "\r\n"),
    ]
) | st.text(st.characters(), max_size=10)
NUMBERS = st.sampled_from(
    [
        *(-1, 0, 1, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**63, -(2**63), 10**40),
        *(1.5, -0.0, 1e308, float("nan"), float("inf")),
    ]
)
_SIMPLE = st.none() | st.booleans() | NUMBERS | TEXTS
ANYTHING = (
    _SIMPLE
    | st.lists(_SIMPLE, max_size=3)
    | st.dictionaries(TEXTS, _SIMPLE, max_size=2)
    | st.sampled_from(
        [[[]], [{}], {"id": [1]}, [{"id": 1, "error": None}], [[1], {"a": {"b": []}}]]
    )
)


def conforming(schema: Schema) -> st.SearchStrategy[Any]:
    """Values as the schema describes them."""
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return st.one_of(*(_of_type(name, schema) for name in names))


def _of_type(name: str, schema: Schema) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if name == "integer":
        low, high = schema.get("minimum"), schema.get("maximum")
        return st.integers(low, min(high or 50, (low or 0) + 50)) | st.integers(low, high)
    if name == "boolean":
        return st.booleans()
    if name == "string":
        return st.text(min_size=schema.get("minLength", 0), max_size=20)
    if name == "array":
        return st.lists(conforming(schema["items"]), max_size=5)
    properties = {key: conforming(value) for key, value in schema.get("properties", {}).items()}
    return st.fixed_dictionaries(properties) if properties else st.dictionaries(TEXTS, ANYTHING)
