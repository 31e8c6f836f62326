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

from bridgecore.config.broker import broker_location, broker_settings
from bridgecore.config.databases import Source, System, check_token
from bridgecore.config.environment import read_settings
from bridgecore.config.redis_address import RedisAddress, embedded_url, redis_address
from bridgecore.config.timeouts import ODOO_TIMEOUTS
from bridgecore.config.validation_messages import validation_message
from bridgecore.errors import SettingsError

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]

#: characters below which a token counts as weak: 16 random ones cannot be guessed over HTTP
SHORTEST_TOKEN = 16


def _json_list(example: str) -> BeforeValidator:
    """Return a validator that reads a JSON list; its error shows the example."""

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


def _module_names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return [name.strip() for name in value.split(",") if name.strip()]
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("must be names of modules, separated by commas, or a JSON list") from None


class Settings(BaseModel):
    """All settings. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    #: The Redis that holds the state, and the queue unless `broker_url` is set. The module
    #: `redis_address` describes the form.
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    #: data folder of the Redis that `bridgecore serve` starts if no other Redis is set
    data_dir: Path | None = None
    #: A Redis or RabbitMQ that holds the queue. The module `broker` describes the form.
    broker_url: SecretStr | None = None
    sources: Annotated[
        list[Source], _json_list('[{"id": "<database.uuid>", "url": "https://…", …}]')
    ] = []
    #: databases that `sync_data` copies between
    systems: Annotated[
        list[System], _json_list('[{"name": "shop", "url": "https://…", "api_key": "…"}]')
    ] = []
    #: modules whose import registers handlers
    handlers: Annotated[list[str], BeforeValidator(_module_names)] = []

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    #: Bearer token for the administrators' routes
    admin_token: SecretStr | None = None
    #: Bearer token for those of these routes that change nothing
    read_token: SecretStr | None = None
    #: Bearer token for the metrics only; the other two open them, too
    metrics_token: SecretStr | None = None
    #: connections that the API keeps at the same time
    max_connections: Count = 1000
    max_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    #: With so many waiting events of a source, the receiver refuses further events of it.
    max_queue_depth: Count = 1_000_000
    #: the time that the API tells a refused sender to wait
    retry_after: Count = 10
    #: how long pushes wait for the feed after a start of Redis, if nothing comes from the feed
    catch_up_timeout: Annotated[float, Field(ge=0)] = 60

    pull_interval: Seconds = 30
    pull_page_size: Annotated[int, Field(ge=1, le=1000)] = 500
    #: between two pulls of all unconfirmed events, from the beginning of the feed
    reconcile_interval: Seconds = 600
    #: of one call to Odoo: to connect, and to wait for the answer
    feed_timeout: Annotated[tuple[float, float], _json_list("[5, 30]")] = ODOO_TIMEOUTS
    #: the longest pause after failed calls to an Odoo
    feed_backoff_max: Seconds = 120

    #: processes that handle events of high priority only
    high_concurrency: Count = 1
    #: processes that handle all events, those of high priority first
    default_concurrency: Count = 2
    #: processes that talk to Odoo
    feed_concurrency: Count = 1
    max_attempts: Count = 5
    retry_base: Annotated[float, Field(ge=0)] = 2
    #: Must stay far below the broker's visibility timeout: after that the broker sends a delayed
    #: message again.
    retry_max: Annotated[float, Field(ge=0, le=1800)] = 300
    #: After this time another worker takes over the records of a worker that died, and a record
    #: whose message was lost counts as stalled.
    lease: Annotated[float, Field(ge=0.2)] = 15
    #: how long a handler runs before the log, `doctor` and the metrics name it
    slow_handler: Annotated[float, Field(ge=0.1)] = 60
    #: how long each process of a worker must have been in one handler, until `check-worker` fails
    stuck_after: Annotated[float, Field(ge=0.1)] = 600
    #: between two searches for records whose message was lost
    wake_interval: Seconds = 5

    #: how long the content of a confirmed event is kept
    event_retention: Seconds = 7 * 86400
    #: events of one source that are listed, and confirmed events whose content is kept
    max_stored_events: Count = 100_000
    #: how long a confirmed event is still known as a duplicate
    dedupe_retention: Seconds = 30 * 86400
    #: Confirmed events of one source that are known as duplicates. Those of the last day are known
    #: in any case.
    max_remembered_events: Count = 1_000_000
    dead_retention: Seconds = 90 * 86400
    max_dead_letters: Count = 10_000
    #: how long the latest values of a record are kept after its last event
    record_retention: Seconds = 90 * 86400
    max_records: Count = 100_000
    #: events that a reader of the live stream may be behind without missing any
    max_streamed_events: Count = 10_000
    audit_retention: Seconds = 365 * 86400

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr) -> SecretStr:
        redis_address(url.get_secret_value())
        return url

    @field_validator("admin_token", "read_token", "metrics_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        return check_token(token) if token is not None and token.get_secret_value() else None

    @field_validator("broker_url")
    @classmethod
    def _check_broker_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            broker_settings(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _check_uniqueness(self) -> "Settings":
        ids = [source.id for source in self.sources]
        if len(ids) != len(set(ids)):
            raise ValueError("SOURCES contains the same id twice; give each source its own")
        credentials = [
            secret.get_secret_value()
            for source in self.sources
            for secret in {*source.signing_secrets, *source.push_tokens}
        ]
        if len(credentials) != len(set(credentials)):
            raise ValueError(
                "SOURCES: two sources share a signing secret or push token, so that the receiver "
                "could not tell them apart; give each source its own"
            )
        tokens = [token.get_secret_value() for token in self.tokens.values()]
        if len(tokens) != len(set(tokens)):
            raise ValueError(
                "ADMIN_TOKEN, READ_TOKEN and METRICS_TOKEN must differ, because each opens other "
                "routes; give each its own"
            )
        names = [system.name for system in self.systems]
        if len(names) != len(set(names)):
            raise ValueError("SYSTEMS contains the same name twice; give each system its own")
        return self

    @property
    def problem(self) -> str | None:
        """A text for the administrator if these valid settings give the receiver nothing to do."""
        if self.sources:
            return None
        return (
            "No Odoo database is known, so the receiver refuses every push and pulls nothing: "
            "set BRIDGECORE_SOURCES (see docs/settings.md)."
        )

    @cached_property
    def tokens(self) -> dict[str, SecretStr]:
        """The API's tokens that are set, by their names: `admin`, `read` and `metrics`."""
        tokens = {"admin": self.admin_token, "read": self.read_token, "metrics": self.metrics_token}
        return {name: token for name, token in tokens.items() if token}

    @property
    def weak_tokens(self) -> list[str]:
        """The names of the settings whose tokens are so short that they might be guessed."""
        weak = [
            f"BRIDGECORE_{name.upper()}_TOKEN"
            for name, token in self.tokens.items()
            if len(token) < SHORTEST_TOKEN
        ]
        if any(
            len(token) < SHORTEST_TOKEN for source in self.sources for token in source.push_tokens
        ):
            weak.append("push_tokens in BRIDGECORE_SOURCES")
        return weak

    @cached_property
    def redis(self) -> RedisAddress:
        return redis_address(self.redis_url.get_secret_value())

    @property
    def broker_location(self) -> str:
        """The broker's hosts and ports, without user and password."""
        return broker_location((self.broker_url or self.redis_url).get_secret_value())

    @cached_property
    def sources_by_id(self) -> dict[str, Source]:
        return {source.id: source for source in self.sources}

    @cached_property
    def systems_by_name(self) -> dict[str, System]:
        return {system.name: system for system in self.systems}


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment sets.

    If `BRIDGECORE_REDIS_URL` is not set, the Redis is the one at `REDIS_URL`. If that is not set
    either, it is the one that `bridgecore serve` runs in `data_dir`.

    Raises:
        SettingsError: one line for each wrong setting says what to set, without showing the value.
    """
    texts: dict[str, Any] = dict(read_settings(environment, Settings.model_fields))
    if environment.get("REDIS_URL"):
        texts.setdefault("redis_url", environment["REDIS_URL"])
    if "data_dir" in texts:
        texts.setdefault("redis_url", embedded_url(Path(texts["data_dir"])))
    try:
        return Settings.model_validate(texts)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(validation_message(item) for item in error.errors())
        ) from None
