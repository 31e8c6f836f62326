"""The Odoo databases that the receiver talks to: one class for each kind, with its checks."""

import re
from base64 import b64decode
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    field_validator,
)
from standardwebhooks import Webhook


def _check_root_address(url: HttpUrl) -> HttpUrl:
    if url.username or url.password:
        raise ValueError("must not contain a user or password, because addresses appear in logs")
    if url.query is not None or url.fragment is not None:
        raise ValueError("must end before a ? or #; name the database in `database` instead")
    return url


#: bytes of the key in a signing secret, as in Odoo and in Standard Webhooks
_SHORTEST_SECRET = 24


def check_token(token: SecretStr) -> SecretStr:
    """Return the token.

    Raises:
        ValueError: a header cannot carry it, so no request could have it.
    """
    if not re.fullmatch(r"[!-~]+", token.get_secret_value()):
        raise ValueError(
            "a token consists of ASCII letters, digits and signs without spaces, because a header "
            "carries it; make one with: openssl rand -hex 32"
        )
    return token


#: Names of headers that the receiver or the HTTP client sets itself, in lower case.
_RESERVED_HEADERS = {
    *("host", "content-length", "content-type", "content-encoding", "transfer-encoding"),
    *("connection", "keep-alive", "expect", "te", "trailer", "upgrade", "accept-encoding"),
}


def _check_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Check own headers. The errors show no values, and no names that may be values."""
    lower = [name.lower() for name in headers]
    if len(lower) != len(set(lower)):
        raise ValueError("a header stands there twice; capital letters make no difference")
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError(
                "the name of a header consists of letters, digits and hyphens, such as "
                '"Authorization"'
            )
        if name.lower() in _RESERVED_HEADERS:
            raise ValueError(f"the receiver sets the header {name} itself; remove it")
        if name.lower() == "x-api-key":
            raise ValueError(f"the header {name} carries the key of Odoo; remove it")
        if name.lower() == "x-odoo-database":
            raise ValueError(f"instead of the header {name} write the name into `database`")
        if name.lower() == "proxy-authorization":
            raise ValueError(
                f"instead of the header {name} put user and password into the address in `proxy`"
            )
        if not re.fullmatch(r"[!-~]([ -~\t]*[!-~])?", value.get_secret_value()):
            raise ValueError(
                f"the value of the header {name} must be ASCII text in one line, without spaces "
                "at its ends, and not empty"
            )
    return headers


def _check_no_authorization(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name in headers:
        if name.lower() == "authorization":
            raise ValueError(
                f"Odoo's external API takes api_key in the header {name} and nowhere else, so it "
                "is not free for another password: let the proxy in front of Odoo take its "
                "password from another header, or pass /json/2/ on without one"
            )
    return headers


def _check_proxy(proxy: SecretStr) -> SecretStr:
    text = proxy.get_secret_value().strip()
    if text.lower() in ("", "none"):
        return SecretStr(text.lower())
    wrong = 'must be "none", or the address of a proxy such as http://proxy.example.com:3128'
    try:
        parts = urlsplit(text)
        usable = parts.hostname and parts.port != 0  # asking for the port checks it
    except ValueError:
        raise ValueError(wrong) from None
    if not usable or parts.scheme not in ("http", "https") or re.search(r"[^!-~]", text):
        raise ValueError(wrong)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(wrong)
    return SecretStr(text)


#: headers of the administrator's own, for a proxy or web server in front of Odoo
OwnHeaders = Annotated[dict[str, SecretStr], AfterValidator(_check_headers)]
#: Address of the proxy to Odoo, perhaps with a password; `none` for no proxy. Empty: the
#: environment names the proxy, if there is one (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
Proxy = Annotated[SecretStr, AfterValidator(_check_proxy)]
#: Odoo's root address; the receiver appends the paths
OdooUrl = Annotated[HttpUrl, AfterValidator(_check_root_address)]


class Source(BaseModel):
    """One Odoo database: the address and key of its feed, and the credentials of its pushes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Odoo's `database.uuid`; part of every key in Redis
    id: str
    #: shown by commands and sync states
    name: str = ""
    url: OdooUrl
    #: sent as X-Odoo-Database, for an Odoo that serves several databases
    database: str = ""
    #: API key of an Odoo user in the group *Webhook receiver*
    feed_key: SecretStr
    #: `whsec_…`; several while the administrator replaces one by another
    signing_secrets: list[SecretStr] = []
    #: for senders that cannot sign: a Bearer token or the header X-API-Key
    push_tokens: list[SecretStr] = []
    #: If it contains Authorization, the feed key is sent as X-API-Key.
    headers: OwnHeaders = {}
    proxy: Proxy = SecretStr("")

    @field_validator("id")
    @classmethod
    def _check_id(cls, id_: str) -> str:
        if not re.fullmatch(r"[0-9A-Za-z._-]+", id_):
            raise ValueError(
                "put the database.uuid of Odoo here, 36 letters, digits and hyphens; Odoo shows "
                "it under Settings > Technical > System Parameters (in developer mode)"
            )
        return id_

    @field_validator("feed_key")
    @classmethod
    def _check_feed_key(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]+", key.get_secret_value()):  # fits into a header
            raise ValueError(
                "put the key of Odoo's user for the receiver here, 40 digits and letters; an "
                "administrator makes it in Odoo: Settings > Users & Companies > Users, open that "
                "user, page Webhooks, button New Webhook Key"
            )
        return key

    @field_validator("signing_secrets")
    @classmethod
    def _check_signing_secrets(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            text = secret.get_secret_value()
            try:
                Webhook(text)  # ignores characters that are not base64, hence the next check
                if not re.fullmatch(r"[A-Za-z0-9+/]+=*", text.removeprefix("whsec_")):
                    raise ValueError
                key = b64decode(text.removeprefix("whsec_") + "==")  # the padding may be absent
            except Exception as error:
                raise ValueError(
                    "a signing secret is 'whsec_' followed by base64; copy it from the subscriber "
                    "in Odoo (Webhooks > Configuration > Subscribers)"
                ) from error
            if len(key) < _SHORTEST_SECRET:
                raise ValueError(
                    f"a signing secret has at least {_SHORTEST_SECRET} bytes (32 characters of "
                    f"base64), and this one has {len(key)}, so it could be guessed; press New "
                    "Signing Secret at the subscriber in Odoo, and copy that"
                )
        return secrets

    @field_validator("push_tokens")
    @classmethod
    def _check_push_tokens(cls, tokens: list[SecretStr]) -> list[SecretStr]:
        for token in tokens:
            if not token.get_secret_value().strip():
                raise ValueError("a push token must not be empty; remove it, or write a token")
            check_token(token)
        return tokens


class System(BaseModel):
    """One Odoo database that `sync_data` copies from or to, over its external API."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Never change it: it is part of the external ids that copied records have in other systems.
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$", max_length=32)]
    url: OdooUrl
    #: sent as X-Odoo-Database, for an Odoo that serves several databases
    database: str = ""
    #: of an Odoo user who may read, create and write the copied models
    api_key: Annotated[SecretStr, AfterValidator(check_token)]
    headers: Annotated[OwnHeaders, AfterValidator(_check_no_authorization)] = {}
    proxy: Proxy = SecretStr("")
