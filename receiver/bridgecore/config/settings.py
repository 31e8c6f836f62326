"""The receiver's settings, read from environment variables `BRIDGECORE_…`."""

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from bridgecore.config.broker import broker_at, broker_settings
from bridgecore.config.databases import Source, System
from bridgecore.config.environment import read_settings
from bridgecore.config.redis_address import RedisAddress, embedded_url, redis_address
from bridgecore.config.setting_errors import in_words
from bridgecore.errors import SettingsError

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


def _json_like(example: str) -> BeforeValidator:
    """Reads a text as a list in JSON; the error shows how it should look."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        if not isinstance(found, list):
            raise ValueError(f"must be JSON like {example}")
        return found

    return BeforeValidator(read)


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return [name.strip() for name in value.split(",") if name.strip()]
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("must be module names separated by commas, or a JSON list") from None


class Settings(BaseModel):
    """All settings. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    #: state, and the queue unless `broker_url` is set; the module `redis_address` says how it looks
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    #: of the Redis that `bridgecore serve` brings, where no other is named
    data_dir: Path | None = None
    #: a Redis or RabbitMQ; the module `broker` says how it looks
    broker_url: SecretStr | None = None
    sources: Annotated[
        list[Source], _json_like('[{"id": "<database.uuid>", "url": "https://…", …}]')
    ] = []
    #: databases that `sync_data` copies between
    systems: Annotated[
        list[System], _json_like('[{"name": "shop", "url": "https://…", "api_key": "…"}]')
    ] = []
    #: modules whose import registers handlers
    handlers: Annotated[list[str], BeforeValidator(_names)] = []

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    #: opens the routes for administrators; unset: they are closed
    admin_token: SecretStr | None = None
    #: opens the metrics, as the admin token does, and nothing else
    metrics_token: SecretStr | None = None
    max_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    #: events of one source that wait to be handled, above which more are refused
    max_queue_depth: Count = 1_000_000
    #: what a refused sender is told to wait
    retry_after: Count = 10

    pull_interval: Seconds = 30
    pull_page_size: Annotated[int, Field(ge=1, le=1000)] = 500
    #: how often the feed is asked for everything unconfirmed, from its beginning
    reconcile_interval: Seconds = 600
    #: (connect, read) of one call to Odoo
    feed_timeout: Annotated[tuple[float, float], _json_like("[5, 30]")] = (5, 30)
    #: the longest time for which an Odoo that does not answer is left alone
    feed_backoff_max: Seconds = 120

    #: processes that handle events of high priority only
    high_concurrency: Count = 1
    #: processes that handle all events, those of high priority first
    default_concurrency: Count = 2
    #: processes that talk to Odoo
    feed_concurrency: Count = 1
    max_attempts: Count = 5
    retry_base: Annotated[float, Field(ge=0)] = 2
    #: far below the broker's visibility timeout, after which a delayed message is repeated
    retry_max: Annotated[float, Field(ge=0, le=1800)] = 300
    #: how long a worker that died holds its record, and a record waits for a message that is lost
    lease: Annotated[float, Field(ge=0.2)] = 15
    #: how often records are looked for whose message was lost
    wake_interval: Seconds = 5

    #: how long the content of a confirmed event is kept
    event_retention: Seconds = 7 * 86400
    #: of so many events of one source
    max_stored_events: Count = 100_000
    #: how long a confirmed event is still known as a duplicate
    dedupe_retention: Seconds = 30 * 86400
    #: of so many events of one source, if they were confirmed more than a day ago
    max_remembered_events: Count = 1_000_000
    dead_retention: Seconds = 90 * 86400
    max_dead_letters: Count = 10_000
    #: how long the latest values of a record are kept after its last event
    record_retention: Seconds = 90 * 86400
    max_records: Count = 100_000
    #: events that a reader of the live stream may be behind
    max_streamed_events: Count = 10_000
    audit_retention: Seconds = 365 * 86400

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("redis_url")
    @classmethod
    def _of_redis(cls, url: SecretStr) -> SecretStr:
        redis_address(url.get_secret_value())
        return url

    @field_validator("broker_url")
    @classmethod
    def _of_a_broker(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            broker_settings(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Settings":
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
        names = [system.name for system in self.systems]
        if len(names) != len(set(names)):
            raise ValueError("SYSTEMS contains the same name twice")
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
    def redis(self) -> RedisAddress:
        return redis_address(self.redis_url.get_secret_value())

    @property
    def broker_at(self) -> str:
        """Where the broker is, for people."""
        return broker_at((self.broker_url or self.redis_url).get_secret_value())

    @cached_property
    def sources_by_id(self) -> dict[str, Source]:
        return {source.id: source for source in self.sources}

    @cached_property
    def systems_by_name(self) -> dict[str, System]:
        return {system.name: system for system in self.systems}


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment.

    Without a Redis URL of its own it is `REDIS_URL`, or the Redis that `serve` runs in `data_dir`.

    Raises:
        SettingsError: one line per wrong setting that says what to set, without its value.
    """
    texts: dict[str, Any] = dict(read_settings(environment, Settings.model_fields))
    if environment.get("REDIS_URL"):
        texts.setdefault("redis_url", environment["REDIS_URL"])
    if "data_dir" in texts:
        texts.setdefault("redis_url", embedded_url(Path(texts["data_dir"])))
    try:
        return Settings.model_validate(texts)
    except ValidationError as error:
        raise SettingsError("\n".join(in_words(item) for item in error.errors())) from None
