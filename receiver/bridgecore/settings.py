"""The receiver's settings, read from environment variables `BRIDGECORE_…`."""

import json
import re
from functools import cached_property
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from standardwebhooks import Webhook

from bridgecore.errors import SettingsError

PREFIX = "BRIDGECORE_"

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Source(BaseModel):
    """One Odoo database: where its feed is and how its pushes prove themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Odoo's `database.uuid`; part of every key in Redis
    id: str
    name: str = ""
    #: Odoo's root address; the feed's paths are appended to it
    url: HttpUrl
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
                "put the API key of Odoo's user for the receiver here, 40 digits and letters; "
                "that user makes it under My Preferences > Security > Add API Key"
            )
        return key

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: HttpUrl) -> HttpUrl:
        if url.username or url.password:
            raise ValueError("must not contain a user or password: addresses appear in logs")
        return url

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


class Settings(BaseSettings):
    """All settings. Times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        extra="forbid",
    )

    #: state, and the queue unless `broker_url` is set
    redis_url: Annotated[
        SecretStr, Field(validation_alias=AliasChoices(PREFIX + "REDIS_URL", "REDIS_URL"))
    ] = SecretStr("redis://127.0.0.1:6379/0")
    broker_url: SecretStr | None = None
    sources: Annotated[list[Source], NoDecode] = []
    #: modules whose import registers handlers
    handlers: Annotated[list[str], NoDecode] = []

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    #: opens the reading routes; unset: they are closed
    admin_token: SecretStr | None = None
    max_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    #: events of one source that wait to be handled, above which more are refused
    max_queue_depth: Count = 1_000_000
    #: what a refused sender is told to wait
    retry_after: Count = 10

    pull_interval: Seconds = 30
    pull_page_size: Annotated[int, Field(ge=1, le=1000)] = 500
    #: how often the feed is asked for everything unconfirmed, from its beginning
    reconcile_interval: Seconds = 600
    #: how often records are looked for whose message was lost
    wake_interval: Seconds = 5
    #: (connect, read) of one call to Odoo
    feed_timeout: tuple[float, float] = (5, 30)

    #: how long a worker that died holds its record, and a record waits for a message that is lost
    lease: Annotated[float, Field(ge=0.2)] = 15
    max_attempts: Count = 5
    retry_base: Annotated[float, Field(ge=0)] = 2
    #: far below the broker's visibility timeout, after which a delayed message is repeated
    retry_max: Annotated[float, Field(ge=0, le=1800)] = 300

    #: how long the content of a confirmed event is kept
    event_retention: Seconds = 7 * 86400
    #: how long a confirmed event is still known as a duplicate
    dedupe_retention: Seconds = 30 * 86400
    #: events of one source that are listed
    max_listed_events: Count = 100_000

    worker_concurrency: Count = 2
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"

    @field_validator("redis_url")
    @classmethod
    def _of_redis(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @field_validator("sources", mode="before")
    @classmethod
    def _sources_from_json(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError(
                'must be a JSON list like [{"id": "<database.uuid>", "url": "https://…", …}]'
            ) from None

    @field_validator("handlers", mode="before")
    @classmethod
    def _names_from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return [name.strip() for name in value.split(",") if name.strip()]
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("must be module names separated by commas, or a JSON list") from None

    @model_validator(mode="after")
    def _credentials_name_one_source(self) -> "Settings":
        ids = [source.id for source in self.sources]
        if len(ids) != len(set(ids)):
            raise ValueError("SOURCES contains the same id twice")
        credentials = [
            secret.get_secret_value()
            for source in self.sources
            for secret in {*source.signing_secrets, *source.push_tokens}
        ]
        if len(credentials) != len(set(credentials)):
            raise ValueError("SOURCES: two sources share a credential, so it names neither")
        return self

    @property
    def problem(self) -> str | None:
        """What keeps the receiver from doing anything although nothing is wrong, in words."""
        if self.sources:
            return None
        return (
            "No Odoo database is known, so every push is refused and nothing is pulled: "
            "set BRIDGECORE_SOURCES (see docs/settings.md)."
        )

    @cached_property
    def sources_by_id(self) -> dict[str, Source]:
        return {source.id: source for source in self.sources}


def load_settings() -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: one line per wrong setting that says what to set, without its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_in_words(item) for item in error.errors())) from None


def _in_words(item: Any) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return PREFIX + message
    name, *path = (str(part) for part in item["loc"])
    name = PREFIX + name.upper().removeprefix(PREFIX)
    return f"{'.'.join([name, *path])}: {message}"
