"""The one form that every error has."""

import pytest

from tests.integration.api_calls import ADMIN, RECEIVE, TOKEN, error_of


def test_an_unforeseen_error(parts, client, monkeypatch):
    monkeypatch.setattr(parts.acceptance, "accept", lambda submissions: 1 / 0)
    response = client.post(RECEIVE, json=parts.wire(1), headers=TOKEN)
    assert error_of(response) == (500, "internal")

    monkeypatch.undo()
    assert client.post(RECEIVE, json=parts.wire(1), headers=TOKEN).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", RECEIVE, 405, "method_not_allowed"),
        ("GET", "/api/v1/events?limit=0", 422, "invalid_request"),
        ("GET", "/api/v1/events?limit=many", 422, "invalid_request"),
    ],
)
def test_every_error_has_the_same_form(client, method, path, status, code):
    response = client.request(method, path, headers=ADMIN)
    assert error_of(response) == (status, code)
