"""All errors that the receiver raises for its callers, senders and administrators.

The docstring of a class is its default message. HTTP clients get `status` and `code`. Messages must
not contain secrets or values from the body of a request.
"""

# ruff: noqa: N818  # the names say what happened; the base class says that it is an error

from typing import ClassVar


class BridgecoreError(Exception):
    """The receiver could not do what was asked."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        #: seconds after which the same request may succeed; None if unknown
        self.retry_after = retry_after
        #: The text for the log. It may say more than the message, which the sender sees.
        self.reason = reason or str(self)


class SettingsError(BridgecoreError):
    """A setting is missing or wrong."""

    code = "settings"


class InvalidJson(BridgecoreError):
    """The body is not valid JSON in UTF-8."""

    status = 400
    code = "invalid_json"


class InvalidEvent(BridgecoreError):
    """The body is no event, no batch of events, and no event in a form of older senders."""

    status = 422
    code = "invalid_event"


class NotAuthenticated(BridgecoreError):
    """The request has no valid signature, Bearer token or API key."""

    status = 401
    code = "not_authenticated"


class ForeignSource(BridgecoreError):
    """These credentials may post only events of their own source."""

    status = 403
    code = "foreign_source"


class ReadingClosed(BridgecoreError):
    """This route is closed, because the receiver has no token for it."""

    status = 403
    code = "reading_closed"


class ReadOnly(BridgecoreError):
    """The read token changes nothing: send BRIDGECORE_ADMIN_TOKEN."""

    status = 403
    code = "read_only"


class UnknownSource(BridgecoreError):
    """This receiver has no source with this id."""

    status = 404
    code = "unknown_source"


class NotFound(BridgecoreError):
    """The receiver does not know what was asked for."""

    status = 404
    code = "not_found"


class InvalidCursor(BridgecoreError):
    """This cursor is wrong: send the `next` of an earlier page, or leave it out."""

    status = 422
    code = "invalid_cursor"


class BodyTooLarge(BridgecoreError):
    """The body is larger than BRIDGECORE_MAX_BODY_BYTES: send less at once, or raise that."""

    status = 413
    code = "body_too_large"


class TooManyBodies(BridgecoreError):
    """The receiver is reading too many large bodies at the moment: send this again later."""

    status = 503
    code = "too_many_bodies"


class UnsupportedEncoding(BridgecoreError):
    """The body is compressed (Content-Encoding): send it uncompressed, as JSON in UTF-8."""

    status = 415
    code = "unsupported_encoding"


class QueueFull(BridgecoreError):
    """Too many events are waiting to be handled; send this again later."""

    status = 429
    code = "queue_full"


class QueueUnavailable(BridgecoreError):
    """Events cannot be queued at the moment; send this again later."""

    status = 503
    code = "queue_unavailable"


class RedisFull(QueueUnavailable):
    """Redis has no memory left for these events; send this again later."""

    code = "redis_full"


class CatchingUp(QueueUnavailable):
    """The receiver reads Odoo's feed first, because its Redis is new or was restarted."""

    code = "catching_up"


class StateLost(BridgecoreError):
    """Redis lost its data while a feed was being read."""

    code = "state_lost"


class LeaseLost(BridgecoreError):
    """The lease was not extended in time, so another worker has taken over."""

    code = "lease_lost"


class WorkerDied(BridgecoreError):
    """Every attempt to handle this event ended with the death of its worker."""

    code = "worker_died"


class Unreadable(BridgecoreError):
    """The stored content of this event cannot be read."""

    code = "unreadable"


class FeedError(BridgecoreError):
    """The receiver does not understand an answer of Odoo's feed."""

    code = "feed"


class AnswerTooLarge(BridgecoreError):
    """Odoo's answer is larger than the receiver reads."""

    code = "answer_too_large"


class FeedUnavailable(FeedError):
    """Odoo's feed cannot be reached."""

    code = "feed_unavailable"


class FeedRefused(FeedError):
    """Odoo refused the feed key."""

    code = "feed_refused"


class OdooUnavailable(BridgecoreError):
    """Odoo's external API cannot be reached, or it does not accept the API key."""

    code = "odoo_unavailable"


class OdooRefused(BridgecoreError):
    """Odoo refused a call to its external API."""

    code = "odoo_refused"


class UnknownSystem(BridgecoreError):
    """BRIDGECORE_SYSTEMS has no system with this name."""

    code = "unknown_system"


class NotReady(BridgecoreError):
    """The receiver cannot accept events at the moment."""

    status = 503
    code = "not_ready"
