"""Whatever the API's description allows, and much that it forbids, is answered as described and
never with a 5xx."""

from collections.abc import Iterator

import pytest
import schemathesis
from bridgecore.api import create_app
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.parts import Parts
from tests.integration.served import Served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
RUN = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def parts(redis_url, odoo) -> Iterator[Parts]:
    parts = Parts(redis_url, odoo, max_attempts=1)
    parts.read_feed()
    parts.registry.on("broken")(lambda event: 1 / 0)
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 6)))
    parts.push(*(parts.event(n, model="broken") for n in range(6, 9)))
    parts.deliver()
    yield parts
    parts.storage.close()


@pytest.fixture(scope="module")
def description(parts) -> Iterator[schemathesis.BaseSchema]:
    with Served(parts) as served:
        yield schemathesis.openapi.from_url(f"{served.url}/openapi.json")


# Not with schemathesis' own decorators: those of 4.32 do not work with pytest 9.2.
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(description, subtests, mode):
    """With the right credentials; the wrong ones are in other tests."""

    def check(case: Case) -> None:
        token = "token" if case.path.endswith("/receive") else "admin"
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

    # the live stream never ends
    for found in description.exclude(path="/api/v1/stream").get_all_operations():
        operation = found.ok()
        with subtests.test(operation.label):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                RUN(given(strategy)(check))()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # there is nothing to get wrong


def test_the_description_is_complete(parts):
    """Every route says what it does and what it answers, with an example."""
    client = TestClient(create_app(parts))
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            assert route["description"], path
            assert route["tags"], path
            answers = {code: answer for code, answer in route["responses"].items() if code < "3"}
            for answer in answers.values():
                for kind, content in answer["content"].items():
                    if kind == "application/json":
                        name = content["schema"]["$ref"].rpartition("/")[2]
                        assert has_example(schemas, schemas[name]), (method, path, name)
            for parameter in route.get("parameters", []):
                assert "schema" in parameter
    assert client.get("/docs").status_code == 200


def has_example(schemas, schema):
    """Its own, or one for each of the objects that it holds."""
    if schema.get("examples") or schema.get("example"):
        return True
    held = [
        part["$ref"].rpartition("/")[2]
        for value in schema.get("properties", {}).values()
        for part in (value, value.get("items", {}))
        if "$ref" in part
    ]
    return bool(held) and all(has_example(schemas, schemas[name]) for name in held)
