"""The Odoo databases that the receiver talks to, as the settings describe them."""

import re
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


def _root(url: HttpUrl) -> HttpUrl:
    if url.username or url.password:
        raise ValueError("must not contain a user or password: addresses appear in logs")
    if url.query is not None or url.fragment is not None:
        raise ValueError("must end before a ? or #; name the database in `database` instead")
    return url


#: Odoo's root address; paths are appended to it
OdooUrl = Annotated[HttpUrl, AfterValidator(_root)]


class Source(BaseModel):
    """One Odoo database: where its feed is and how its pushes prove themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Odoo's `database.uuid`; part of every key in Redis
    id: str
    name: str = ""
    url: OdooUrl
    #: sent as X-Odoo-Database, for an Odoo that serves several databases
    database: str = ""
    #: API key of an Odoo user in the group *Webhook receiver*
    feed_key: SecretStr
    #: `whsec_…`; several while keys are rotated
    signing_secrets: list[SecretStr] = []
    push_tokens: list[SecretStr] = []

    @field_validator("id")
    @classmethod
    def _of_a_database(cls, id_: str) -> str:
        if not re.fullmatch(r"[0-9A-Za-z._-]+", id_):
            raise ValueError(
                "put the database.uuid of Odoo here, 36 letters, digits and hyphens; it stands "
                "under Settings > Technical > System Parameters (developer mode)"
            )
        return id_

    @field_validator("feed_key")
    @classmethod
    def _of_a_user(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]+", key.get_secret_value()):  # what a header can carry
            raise ValueError(
                "put the key of Odoo's user for the receiver here, 40 digits and letters; an "
                "administrator makes it with New Webhook Key on the page Webhooks of that user "
                "(Settings > Users & Companies > Users)"
            )
        return key

    @field_validator("signing_secrets")
    @classmethod
    def _decodable(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            text = secret.get_secret_value()
            try:
                Webhook(text)  # which passes over characters that are not base64
                if not re.fullmatch(r"[A-Za-z0-9+/]+=*", text.removeprefix("whsec_")):
                    raise ValueError
            except Exception as error:
                raise ValueError(
                    "a signing secret is 'whsec_' followed by base64; copy it from the subscriber "
                    "in Odoo (Webhooks > Configuration > Subscribers)"
                ) from error
        return secrets

    @field_validator("push_tokens")
    @classmethod
    def _not_empty(cls, tokens: list[SecretStr]) -> list[SecretStr]:
        if not all(token.get_secret_value().strip() for token in tokens):
            raise ValueError("a push token must not be empty")
        return tokens


class System(BaseModel):
    """One Odoo database that `sync_data` copies from or to, over its external API."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: part of the external ids that records get in other systems: never change it
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$", max_length=32)]
    url: OdooUrl
    #: sent as X-Odoo-Database, for an Odoo that serves several databases
    database: str = ""
    #: of a user who may read, create and write what is copied
    api_key: SecretStr
