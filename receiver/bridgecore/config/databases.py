"""The Odoo databases that the receiver talks to: one class for each kind, with its checks."""

import re
from base64 import b64decode
from typing import Annotated

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
