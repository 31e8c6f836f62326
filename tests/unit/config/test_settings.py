"""Settings from the environment, and errors that say what to set."""

import re

import pytest
from bridgecore.config.databases import Source, System
from bridgecore.config.settings import Settings, load_settings
from bridgecore.errors import SettingsError

from tests.support import REPOSITORY

SECRET = "whsec_" + "b3RoZXI" * 6
SOURCE = {
    "id": "0c5d4f6a-0000-4000-8000-000000000001",
    "url": "https://odoo.example",
    "feed_key": "feed-key",
    "signing_secrets": [SECRET],
    "push_tokens": ["push-token"],
}


pytestmark = pytest.mark.usefixtures("environment")


def test_defaults_are_enough_to_start():
    assert load_settings().sources == []


@pytest.mark.parametrize("name", ["SOURCES", "HANDLERS", "ADMIN_TOKEN", "REDIS_URL", "PORT"])
def test_an_empty_variable_is_as_good_as_none(environment, name):
    environment(f"BRIDGECORE_{name}", "")
    assert load_settings().model_dump() == Settings().model_dump()


def test_sources(environment):
    environment("BRIDGECORE_SOURCES", [SOURCE])
    (source,) = load_settings().sources
    assert source.feed_key.get_secret_value() == "feed-key"
    assert load_settings().sources_by_id[SOURCE["id"]] == source


@pytest.mark.parametrize("text", ["a, b.c", '["a", "b.c"]', "a,b.c,"])
def test_handlers(environment, text):
    environment("BRIDGECORE_HANDLERS", text)
    assert load_settings().handlers == ["a", "b.c"]


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "redis://127.0.0.1:6379/0"),
        ({"REDIS_URL": "redis://a"}, "redis://a"),
        ({"REDIS_URL": "redis://a", "BRIDGECORE_REDIS_URL": "redis://b"}, "redis://b"),
    ],
    ids=["neither", "general", "own before general"],
)
def test_redis_url(environment, variables, url):
    for name, value in variables.items():
        environment(name, value)
    assert load_settings().redis_url.get_secret_value() == url


def test_secrets_are_not_shown(environment):
    own = {"headers": {"X-Own": "own-header"}, "proxy": "http://user:proxy-password@proxy"}
    environment("BRIDGECORE_SOURCES", [{**SOURCE, **own}])
    environment("BRIDGECORE_ADMIN_TOKEN", "admin-token")
    environment("BRIDGECORE_REDIS_URL", "redis://:redis-password@host")
    shown = repr(load_settings()) + str(load_settings()) + load_settings().model_dump_json()
    secrets = ("feed-key", SECRET, "push-token", "admin-token", "redis-password", "own-header")
    for secret in (*secrets, "proxy-password"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BRIDGECORE_SOURCES", "nonsense", "BRIDGECORE_SOURCES: must be JSON like [{"),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "id": "a{b}"}], "0.id: put the database.uuid of Odoo"),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "id": "<database.uuid of Odoo>"}],
            "BRIDGECORE_SOURCES.0.id: put the database.uuid of Odoo here",
        ),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "feed_key": "<the API key>"}],
            "BRIDGECORE_SOURCES.0.feed_key: put the key of Odoo's user",
        ),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "feed_key": ""}], "button New Webhook Key"),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "signing_secrets": ["<the signing secret>"]}],
            "BRIDGECORE_SOURCES.0.signing_secrets: a signing secret is 'whsec_'",
        ),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "url": "odoo"}], "0.url: must be an address like https"),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "url": "ftp://odoo"}], "0.url: must be an address like"),
        ("BRIDGECORE_SOURCES", SOURCE, "BRIDGECORE_SOURCES: must be JSON like [{"),
        ("BRIDGECORE_SOURCES", ["a"], "BRIDGECORE_SOURCES.0: must be a JSON object in braces {}"),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "url": "https://user:word@odoo.example"}],
            "BRIDGECORE_SOURCES.0.url: must not contain",
        ),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "url": "http://odoo:8069?db=x"}],
            "BRIDGECORE_SOURCES.0.url: must end before a ? or #; name the database in `database`",
        ),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "url": "http://odoo/#a"}], "must end before"),
        ("BRIDGECORE_REDIS_URL", "redis://a/0?foo=1", "BRIDGECORE_REDIS_URL: this kind of URL"),
        ("BRIDGECORE_SOURCES", [{"id": "a"}], "BRIDGECORE_SOURCES.0.feed_key: is missing"),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "feedkey": "x"}], "0.feedkey: there is no such"),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "signing_secrets": ["whsec_é"]}],
            "BRIDGECORE_SOURCES.0.signing_secrets: a signing secret is 'whsec_'",
        ),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "push_tokens": [""]}], "must not be empty"),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "push_tokens": ["é"]}], "because a header carries it"),
        ("BRIDGECORE_SOURCES", [{**SOURCE, "push_tokens": ["a b"]}], "openssl rand -hex 32"),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "signing_secrets": ["whsec_AA=="]}],
            "0.signing_secrets: a signing secret has at least 24 bytes (32 characters of base64), "
            "and this one has 1, so it could be guessed; press New Signing Secret",
        ),
        (
            "BRIDGECORE_SOURCES",
            [{**SOURCE, "signing_secrets": [SECRET, "whsec_" + "YWJj" * 7 + "YWI"]}],
            "and this one has 23",
        ),
        (
            "BRIDGECORE_SYSTEMS",
            [{"name": "a", "url": "http://a", "api_key": "é"}],
            "BRIDGECORE_SYSTEMS.0.api_key: a token consists of ASCII letters",
        ),
        ("BRIDGECORE_ADMIN_TOKEN", "a b", "BRIDGECORE_ADMIN_TOKEN: a token consists of ASCII"),
        ("BRIDGECORE_READ_TOKEN", "tökén", "BRIDGECORE_READ_TOKEN: a token consists of ASCII"),
        ("BRIDGECORE_MAX_CONNECTIONS", "0", "BRIDGECORE_MAX_CONNECTIONS: must be at least 1"),
        *(
            ("BRIDGECORE_SOURCES", [{**SOURCE, "headers": headers}], message)
            for headers, message in [
                ({"Authorization": "Basic a\r\nX-B: c"}, "Authorization must be ASCII text in one"),
                ({"X-A": ""}, "the header X-A must be ASCII text in one line"),
                ({"X-A": "é"}, "the header X-A must be ASCII text in one line"),
                ({"X-A": " a"}, "the header X-A must be ASCII text in one line"),
                ({"X-A\r\nX-B": "a"}, "headers: the name of a header consists of letters"),
                ({"": "a"}, "headers: the name of a header consists of letters"),
                ({"host": "a"}, "the receiver sets the header host itself"),
                ({"Content-Length": "1"}, "the receiver sets the header Content-Length itself"),
                ({"X-API-Key": "a"}, "the header X-API-Key carries the key of Odoo"),
                ({"X-Odoo-Database": "a"}, "write the name into `database`"),
                ({"Proxy-Authorization": "a"}, "into the address in `proxy`"),
                ({"X-A": "a", "x-a": "b"}, "a header stands there twice"),
                ({"X-A": 1}, "headers.X-A: must be a text in quotes"),
                ("X-A: a", "headers: must be a JSON object in braces {}"),
            ]
        ),
        *(
            ("BRIDGECORE_SOURCES", [{**SOURCE, "proxy": proxy}], '0.proxy: must be "none", or')
            for proxy in ["no", "proxy:3128", "socks5://a", "http://", "http://a:b", "http://a/b"]
        ),
        (
            "BRIDGECORE_SYSTEMS",
            [{"name": "a", "url": "http://a", "api_key": "k", "headers": {"authorization": "x"}}],
            "BRIDGECORE_SYSTEMS.0.headers: Odoo's external API takes api_key in the header",
        ),
        ("BRIDGECORE_SOURCES", [SOURCE, SOURCE], "BRIDGECORE_SOURCES contains the same id"),
        (
            "BRIDGECORE_SOURCES",
            [SOURCE, {**SOURCE, "id": "b"}],
            "two sources share a signing secret",
        ),
        ("BRIDGECORE_PULL_INTERVAL", "soon", "BRIDGECORE_PULL_INTERVAL: must be a number"),
        ("BRIDGECORE_PULL_INTERVAL", "0", "BRIDGECORE_PULL_INTERVAL: must be more than 0"),
        ("BRIDGECORE_FEED_TIMEOUT", "5", "BRIDGECORE_FEED_TIMEOUT: must be JSON like [5, 30]"),
        ("BRIDGECORE_FEED_TIMEOUT", "[5]", "BRIDGECORE_FEED_TIMEOUT.1: is missing"),
        ("BRIDGECORE_FEED_TIMEOUT", "[1, 2, 3]", "must have no more than 2 items"),
        ("BRIDGECORE_PORT", "70000", "BRIDGECORE_PORT: must be at most 65535"),
        ("BRIDGECORE_LOG_FORMAT", "xml", "BRIDGECORE_LOG_FORMAT: must be 'text' or 'json'"),
        (
            "BRIDGECORE_SYSTEMS",
            [{"name": "Shop 1", "url": "http://a", "api_key": "k"}],
            "BRIDGECORE_SYSTEMS.0.name: must match ^[a-z]",
        ),
        ("BRIDGECORE_PULL_PAGE_SIZE", "1001", "BRIDGECORE_PULL_PAGE_SIZE: must be at most 1000"),
        (
            "BRIDGECORE_REDIS_URL",
            "localhost:6379",
            "BRIDGECORE_REDIS_URL: must start with redis://",
        ),
        (
            "BRIDGECORE_REDIS_URL",
            "redis+sentinel://sentinel:26379",
            "BRIDGECORE_REDIS_URL: name the master after the hosts",
        ),
        ("BRIDGECORE_BROKER_URL", "rabbit:5672", "BRIDGECORE_BROKER_URL: must start with redis://"),
        ("BRIDGECORE_HANDLERS", "[", "BRIDGECORE_HANDLERS: must be names of modules"),
    ],
)
def test_errors_say_what_to_set(environment, name, value, message):
    environment(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert message in str(error.value)


@pytest.mark.parametrize("key", ["YWJj" * 8, "YWJj" * 8 + "YQ", "YWJj" * 8 + "YQ=="])
def test_a_signing_secret_of_24_bytes_or_more(environment, key):
    environment("BRIDGECORE_SOURCES", [{**SOURCE, "signing_secrets": [f"whsec_{key}"]}])
    assert load_settings().sources


@pytest.mark.parametrize("other", ["READ", "METRICS"])
def test_each_token_of_the_api_is_another_one(environment, other):
    environment("BRIDGECORE_ADMIN_TOKEN", "the-same-token")
    environment(f"BRIDGECORE_{other}_TOKEN", "the-same-token")
    with pytest.raises(SettingsError, match="METRICS_TOKEN must differ") as error:
        load_settings()
    assert "the-same" not in str(error.value)


def test_weak_tokens_are_named(environment):
    environment("BRIDGECORE_SOURCES", [{**SOURCE, "push_tokens": ["x" * 16]}])
    environment("BRIDGECORE_ADMIN_TOKEN", "x" * 16)
    environment("BRIDGECORE_READ_TOKEN", "x" * 15)
    assert load_settings().weak_tokens == ["BRIDGECORE_READ_TOKEN"]
    environment("BRIDGECORE_SOURCES", [SOURCE])
    assert load_settings().weak_tokens[1:] == ["push_tokens in BRIDGECORE_SOURCES"]


def test_errors_do_not_show_values(environment):
    broken = {
        **SOURCE,
        "url": "feed-key://",
        "signing_secrets": ["push-token"],
        "id": 1,
        "headers": {"X-A": "push-token\n"},
        "proxy": "http://push-token:push-token@:0/",
    }
    environment("BRIDGECORE_SOURCES", [broken])
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "feed-key" not in str(error.value)
    assert "push-token" not in str(error.value)


def test_the_description_names_every_setting_and_no_other():
    text = (REPOSITORY / "docs" / "settings.md").read_text("utf-8")
    known = {f"BRIDGECORE_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"^\| `(BRIDGECORE_\w+)`", text, re.MULTILINE)) == known
    for title, model in (("Sources", Source), ("Systems", System)):
        (section,) = re.findall(rf"^## {title}$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
        assert set(re.findall(r"^\| `([a-z_]+)`", section, re.MULTILINE)) == set(model.model_fields)


def test_the_description_names_the_defaults():
    text = (REPOSITORY / "docs" / "settings.md").read_text("utf-8")
    for name, default in re.findall(r"^\| `BRIDGECORE_(\w+)` \| `(.*?)` \|", text, re.MULTILINE):
        documented = Settings.model_validate({name.lower(): default})
        assert getattr(documented, name.lower()) == getattr(Settings(), name.lower()), name
