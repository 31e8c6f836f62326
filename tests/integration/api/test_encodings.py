"""A body that is no UTF-8 is answered by that, however it is signed."""

import base64
import gzip
import hmac
import json
import time

import pytest
from bridgecore.api import create_app, refusals
from fastapi.testclient import TestClient
from pydantic import SecretStr

RECEIVE = "/api/v1/webhooks/receive"
SECRET = "whsec_" + "b3RoZXI" * 6
PLAIN = json.dumps({"events": [], "note": "Zoë"}, ensure_ascii=False)
COMPRESSED = gzip.compress(PLAIN.encode())


def signed(body: bytes) -> dict[str, str]:
    """The right signature of these bytes."""
    timestamp = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_") + "==")
    mac = hmac.digest(key, f"a.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": "a",
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


@pytest.fixture
def client(make_parts, caplog):
    caplog.set_level("INFO", refusals.log.name)
    parts = make_parts()
    parts.settings.sources[0].signing_secrets.append(SecretStr(SECRET))
    with TestClient(create_app(parts)) as client:
        yield client


@pytest.mark.parametrize("credentials", ["signature", "token"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (COMPRESSED, "It looks compressed (gzip)."),
        (PLAIN.encode("utf-16"), "It looks like UTF-16."),
        (PLAIN.encode("latin-1"), "send JSON in UTF-8, not compressed."),
    ],
    ids=["gzip", "UTF-16", "Latin-1"],
)
def test_what_is_not_utf_8_is_answered_so(client, caplog, credentials, body, said):
    headers = signed(body) if credentials == "signature" else {"X-API-Key": "token"}
    answer = client.post(RECEIVE, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"
    assert answer.json()["error"]["message"].startswith("The body is not UTF-8: ")
    assert answer.json()["error"]["message"].endswith(said)
    (line,) = (r.getMessage() for r in caplog.records if r.name == refusals.log.name)
    assert "reason=The body is not UTF-" in line


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip"])
@pytest.mark.parametrize("credentials", ["signature", "token"])
def test_a_compressed_body_is_refused_before_it_is_read(client, caplog, encoding, credentials):
    headers = signed(b"") if credentials == "signature" else {"X-API-Key": "token"}
    answer = client.post(
        RECEIVE, content=COMPRESSED, headers={**headers, "Content-Encoding": encoding}
    )
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "unsupported_encoding"
    (line,) = (r.getMessage() for r in caplog.records if r.name == refusals.log.name)
    assert "status=415 code=unsupported_encoding" in line


def test_a_body_that_says_that_it_is_not_compressed(client):
    body = PLAIN.encode()
    headers = {**signed(body), "Content-Encoding": "identity"}
    assert client.post(RECEIVE, content=body, headers=headers).status_code == 200


def test_a_stranger_learns_nothing_about_the_body(client):
    headers = {"X-API-Key": "wrong", "Content-Encoding": "gzip"}
    assert client.post(RECEIVE, content=COMPRESSED, headers=headers).status_code == 401


def test_a_wrong_signature_of_a_good_body_is_still_that(client, caplog):
    headers = signed(b"another")
    assert client.post(RECEIVE, content=PLAIN.encode(), headers=headers).status_code == 401
    assert "the signature matches no signing secret" in caplog.text
