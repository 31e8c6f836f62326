"""Credentials say which source a push comes from."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks.webhooks
from bridgecore.accepting import authentication
from bridgecore.accepting.authentication import Authenticator
from bridgecore.config.databases import Source
from bridgecore.errors import NotAuthenticated
from standardwebhooks import Webhook

from tests.support import vectors

VECTORS = vectors("signatures")["valid"]
SECRET, OTHER = VECTORS[0]["secret"], "whsec_" + "b3RoZXI" * 6
BODY = b'{"test": 2432232314}'


def source(id_: str = "a", **credentials: Any) -> Source:
    return Source(id=id_, url="http://odoo", feed_key="key", **credentials)


def signed(secret: str = SECRET, body: bytes = BODY, age: timedelta = timedelta()) -> dict:
    moment = datetime.now(UTC) - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", moment, body.decode()),
    }


@pytest.fixture
def at(monkeypatch):
    """Sets the clock that signatures are checked with."""

    def set_clock(timestamp: int) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(timestamp, tz)

        monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Clock)
        monkeypatch.setattr(authentication.time, "time", lambda: timestamp)

    return set_clock


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_signature_of_the_vectors(vector, at):
    at(vector["timestamp"])
    headers = {
        "webhook-id": vector["id"],
        "webhook-timestamp": str(vector["timestamp"]),
        "webhook-signature": vector["signature"],
    }
    sources = [source(signing_secrets=[vector["secret"]])]

    assert Authenticator(sources).source_of(headers, vector["body"].encode()).id == "a"


def test_any_secret_of_a_source_will_do_while_keys_are_rotated():
    authenticator = Authenticator([source(signing_secrets=[OTHER, SECRET])])
    assert authenticator.source_of(signed(SECRET), BODY).id == "a"
    assert authenticator.source_of(signed(OTHER), BODY).id == "a"


def test_any_signature_of_the_list_will_do_while_keys_are_rotated():
    headers = signed(SECRET)
    headers["webhook-signature"] = (
        f"{signed(OTHER)['webhook-signature']} v1a,bm90aGluZw== {headers['webhook-signature']}"
    )
    assert Authenticator([source(signing_secrets=[SECRET])]).source_of(headers, BODY).id == "a"


def test_the_secret_names_the_source():
    sources = [source("a", signing_secrets=[SECRET]), source("b", signing_secrets=[OTHER])]
    assert Authenticator(sources).source_of(signed(OTHER), BODY).id == "b"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,not base64"},
        {"webhook-signature": "v1,äöü"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-id": ""},
        {"webhook-id": "msg_2"},
        {"webhook-id": "ÿ"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "inf"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "-1"},
    ],
    ids=str,
)
def test_malformed_headers_are_refused(change):
    with pytest.raises(NotAuthenticated):
        Authenticator([source(signing_secrets=[SECRET])]).source_of({**signed(), **change}, BODY)


def test_a_fraction_of_a_second_is_refused():
    headers = signed()
    headers["webhook-timestamp"] += ".5"  # the library would sign for the whole second
    with pytest.raises(NotAuthenticated):
        Authenticator([source(signing_secrets=[SECRET])]).source_of(headers, BODY)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", BODY + b" "])
def test_another_body_is_refused(body):
    with pytest.raises(NotAuthenticated):
        Authenticator([source(signing_secrets=[SECRET])]).source_of(signed(), body)


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(-310, False), (-290, True), (290, True), (310, False)]
)
def test_a_signature_is_good_for_five_minutes(seconds, accepted):
    headers = signed(age=timedelta(seconds=seconds))
    authenticator = Authenticator([source(signing_secrets=[SECRET])])
    if accepted:
        assert authenticator.source_of(headers, BODY).id == "a"
    else:
        with pytest.raises(NotAuthenticated):
            authenticator.source_of(headers, BODY)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer token-b"},
        {"authorization": "bearer  token-b"},
        {"x-api-key": "token-b"},
    ],
    ids=str,
)
def test_the_token_names_the_source(headers):
    sources = [source("a", push_tokens=["token-a"]), source("b", push_tokens=["old", "token-b"])]
    assert Authenticator(sources).source_of(headers, BODY).id == "b"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": "Basic token-a"},
        {"authorization": "token-a"},
        {"x-api-key": ""},
        {"x-api-key": "token-ä"},
        {"x-api-key": "token-aa"},
    ],
    ids=str,
)
def test_other_tokens_are_refused(headers):
    with pytest.raises(NotAuthenticated):
        Authenticator([source(push_tokens=["token-a"])]).source_of(headers, BODY)


def test_a_token_does_not_replace_a_wrong_signature():
    authenticator = Authenticator([source(signing_secrets=[SECRET], push_tokens=["token"])])
    with pytest.raises(NotAuthenticated):
        authenticator.source_of({**signed(OTHER), "x-api-key": "token"}, BODY)


def test_a_token_will_do_for_a_source_whose_signing_secret_is_not_known_here():
    sources = [source("a", signing_secrets=[SECRET]), source("b", push_tokens=["token"])]
    headers = {**signed(OTHER), "x-api-key": "token"}
    assert Authenticator(sources).source_of(headers, BODY).id == "b"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (dict, "no credentials: "),
        (lambda: {"authorization": "Basic token"}, "no credentials: "),
        (lambda: {"x-api-key": "wrong"}, "unknown token"),
        (lambda: signed(OTHER), "signature matches no signing secret"),
        (lambda: signed(OTHER) | {"x-api-key": "wrong"}, "matches no .*; unknown token"),
        (lambda: signed(OTHER) | {"x-api-key": "token"}, "; a token does not replace the sig"),
        (lambda: signed(age=timedelta(seconds=400)), "is 40. s in the past: check the clocks"),
        (lambda: signed(age=timedelta(seconds=-400)), "is (39.|400) s in the future: check"),
        (lambda: signed() | {"webhook-timestamp": "9" * 5000}, "is no time in whole seconds"),
        (lambda: signed() | {"webhook-timestamp": "1.5"}, "is no time in whole seconds"),
        (lambda: signed() | {"webhook-id": ""}, "webhook-id missing"),
        (lambda: {"webhook-signature": "v1,x"}, "webhook-id and webhook-timestamp missing"),
        (lambda: signed() | {"webhook-signature": "bm90aGluZw=="}, "begins with 'v1,'"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_the_reason_is_for_the_log_and_not_for_the_sender(headers, reason):
    authenticator = Authenticator([source(signing_secrets=[SECRET], push_tokens=["token"])])
    with pytest.raises(NotAuthenticated) as refused:
        authenticator.source_of(headers(), BODY)
    assert re.search(reason, refused.value.reason)
    assert str(refused.value) == NotAuthenticated.__doc__


def test_a_receiver_without_signing_secrets_says_so():
    with pytest.raises(NotAuthenticated) as refused:
        Authenticator([source(push_tokens=["token"])]).source_of(signed(), BODY)
    assert refused.value.reason == "no source has signing secrets"


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, NotAuthenticated),
        ({"x-api-key": "wrong"}, NotAuthenticated),
        ({"x-api-key": "token"}, "b"),
        ({"webhook-signature": "v1,YQ=="}, NotAuthenticated),
        ({"webhook-signature": "v1,YQ==", "x-api-key": "token"}, "b"),
        ({"webhook-id": "a", "webhook-signature": "v1,YQ=="}, NotAuthenticated),
        ({**signed(), "webhook-signature": "v2,YQ=="}, NotAuthenticated),
        (signed(age=timedelta(seconds=400)), NotAuthenticated),
        ({**signed(), "webhook-timestamp": "soon"}, NotAuthenticated),
    ],
)
def test_headers_that_no_body_could_make_valid(headers, answer):
    authenticator = Authenticator(
        [source("a", signing_secrets=[SECRET]), source("b", push_tokens=["token"])]
    )
    if answer is NotAuthenticated:
        with pytest.raises(NotAuthenticated):
            authenticator.source_of_headers(headers)
    else:
        assert authenticator.source_of_headers(headers).id == answer


def test_headers_that_need_the_body():
    authenticator = Authenticator([source("a", signing_secrets=[SECRET])])
    assert authenticator.source_of_headers(signed()) is None
    assert authenticator.source_of_headers({**signed(), "x-api-key": "token"}) is None


def test_a_signature_is_of_no_use_if_no_source_has_signing_secrets():
    with pytest.raises(NotAuthenticated) as error:
        Authenticator([source(push_tokens=["token"])]).source_of_headers(signed())
    assert "no source has signing secrets" in error.value.reason
