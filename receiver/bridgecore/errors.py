"""Everything that can go wrong and is somebody's business.

The docstring of a class is its default message; `status` and `code` are what an
HTTP client sees. Messages never contain secrets or values from a request body.
"""

# ruff: noqa: N818  # named for what happened; that each is an error, its base says

from typing import ClassVar


class BridgecoreError(Exception):
    """The receiver could not do what it was asked."""

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
        #: seconds after which the same request may succeed; None: no advice
        self.retry_after = retry_after
        #: for the log, which may be told more than whoever asked
        self.reason = reason or str(self)


class SettingsError(BridgecoreError):
    """A setting is missing or wrong."""

    code = "settings"


class InvalidJson(BridgecoreError):
    """The body is not valid JSON in UTF-8."""

    status = 400
    code = "invalid_json"


class InvalidEvent(BridgecoreError):
    """The body is not an event, a batch of events or the form of older senders."""

    status = 422
    code = "invalid_event"


class NotAuthenticated(BridgecoreError):
    """The request has no valid signature, Bearer token or API key."""

    status = 401
    code = "not_authenticated"


class ForeignSource(BridgecoreError):
    """These credentials may post events of their own source only."""

    status = 403
    code = "foreign_source"


class ReadingClosed(BridgecoreError):
    """Reading is closed until its token is set."""

    status = 403
    code = "reading_closed"


class UnknownSource(BridgecoreError):
    """No source of this receiver has this id."""

    status = 404
    code = "unknown_source"


class NotFound(BridgecoreError):
    """There is nothing of this name."""

    status = 404
    code = "not_found"


class InvalidCursor(BridgecoreError):
    """This cursor is none that a page of events had as its `next`."""

    status = 422
    code = "invalid_cursor"


class BodyTooLarge(BridgecoreError):
    """The body is larger than BRIDGECORE_MAX_BODY_BYTES allows."""

    status = 413
    code = "body_too_large"


class QueueFull(BridgecoreError):
    """Too many events are waiting to be handled; send this again later."""

    status = 429
    code = "queue_full"


class QueueUnavailable(BridgecoreError):
    """Events cannot be queued at the moment; send this again later."""

    status = 503
    code = "queue_unavailable"


class LeaseLost(BridgecoreError):
    """Another worker has taken over, because the lease was not extended in time."""

    code = "lease_lost"


class WorkerDied(BridgecoreError):
    """Every attempt to handle this event ended with the death of its worker."""

    code = "worker_died"


class Unreadable(BridgecoreError):
    """The stored content of this event cannot be read."""

    code = "unreadable"


class FeedError(BridgecoreError):
    """Odoo's feed gave an answer that is not understood."""

    code = "feed"


class FeedUnavailable(FeedError):
    """Odoo's feed cannot be reached."""

    code = "feed_unavailable"


class FeedRefused(FeedError):
    """Odoo refused the key of the feed."""

    code = "feed_refused"


class OdooUnavailable(BridgecoreError):
    """Odoo's external API cannot be reached, or does not accept the key."""

    code = "odoo_unavailable"


class OdooRefused(BridgecoreError):
    """Odoo refused a call of its external API."""

    code = "odoo_refused"


class UnknownSystem(BridgecoreError):
    """BRIDGECORE_SYSTEMS has no system of this name."""

    code = "unknown_system"


class NotReady(BridgecoreError):
    """The receiver cannot take in events at the moment."""

    status = 503
    code = "not_ready"
