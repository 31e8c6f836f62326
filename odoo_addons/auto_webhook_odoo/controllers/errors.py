"""Errors of the feed's routes: always JSON, never a traceback or an HTML page."""

import functools
import logging

import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.http import request

from ..models.ir_http import json_error

_logger = logging.getLogger(__name__)


class FeedError(Exception):
    """The feed refuses the request. The message says what the client must change."""

    def __init__(self, message, status=400, code="invalid_request"):
        super().__init__(message)
        self.status = status
        self.code = code


def json_errors(*methods):
    """Decorate a route: refuse HTTP methods other than these, and answer every error as JSON."""

    def decorate(route):
        @functools.wraps(route)
        def wrapped(self):
            if request.httprequest.method not in methods:
                return json_error(
                    405,
                    "method_not_allowed",
                    f"Use {' or '.join(methods)}.",
                    {"Allow": ", ".join(methods)},
                )
            try:
                return route(self)
            except FeedError as error:
                return json_error(error.status, error.code, str(error))
            except AccessError as error:
                return json_error(403, "forbidden", str(error))
            except UserError as error:
                return json_error(400, "invalid_request", str(error))
            except psycopg2.OperationalError:
                raise  # transactions collided: Odoo rolls back and calls the route again
            except Exception:
                _logger.exception("A call of the webhook feed failed.")
                request.env.cr.rollback()
                return json_error(500, "internal_error", "Odoo failed. Its log says why.")

        return wrapped

    return decorate
