"""Authenticates pushes by Standard Webhooks signature, Bearer token or API key."""

import hmac
import time
from collections.abc import Iterable, Mapping

from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from bridgecore.config.databases import Source
from bridgecore.errors import NotAuthenticated

#: seconds by which a signature's timestamp may be off, according to Standard Webhooks
TOLERANCE = 300
SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Authenticator:
    """Finds the source that the credentials of a push belong to."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = list(sources)
        self._webhooks = [
            (source, Webhook(secret.get_secret_value()))
            for source in self._sources
            for secret in source.signing_secrets
        ]

    def source_of(self, headers: Mapping[str, str], body: bytes) -> Source:
        """Return the source whose secret signed the body, else the source whose token was sent.

        If a source has signing secrets and the push has a signature, the signature must be valid:
        a token does not replace it. If a source has no signing secrets, its token is enough, also
        with a signature: Odoo may sign with a secret that the receiver does not know.

        Parameters:
            headers: headers of the request, with lower-case names.

        Raises:
            NotAuthenticated: the credentials are wrong. Its `reason`, for the log, says how; its
                message does not.
        """
        return self.source_of_headers(headers) or self.source_of_signed(headers, body)

    def source_of_headers(self, headers: Mapping[str, str]) -> Source | None:
        """Return what `source_of` returns for every body; None if that depends on the body.

        A caller that has not read the body yet learns here whether it is worth reading.

        Raises:
            NotAuthenticated: no body could make the credentials valid.
        """
        if "webhook-signature" in headers and self._webhooks and not _header_problem(headers):
            return None
        return self._source_of_token(headers)

    def source_of_signed(self, headers: Mapping[str, str], body: bytes) -> Source:
        """Return what `source_of` returns. `source_of_headers` has returned None for the headers.

        Raises:
            NotAuthenticated
        """
        for source, webhook in self._webhooks:
            if _verified(webhook, headers, body):
                return source
        return self._source_of_token(headers)

    def _source_of_token(self, headers: Mapping[str, str]) -> Source:
        """Return the source whose token was sent; the signature, if there is one, is not valid."""
        token = bearer_token(headers) or headers.get("x-api-key", "")
        found = None
        for source in self._sources:
            if matches_any(token, source.push_tokens):
                found = source
        if found is None or ("webhook-signature" in headers and found.signing_secrets):
            raise NotAuthenticated(reason=self._reason(headers, token, found))
        return found

    def _reason(self, headers: Mapping[str, str], token: str, owner: Source | None) -> str:
        """Return why a push is refused, without quoting tokens and signatures."""
        if "webhook-signature" not in headers:
            if token:
                return "unknown token"
            return "no credentials: no webhook-signature, Bearer token or X-API-Key"
        problem = "no source has signing secrets"
        if self._webhooks:
            problem = _header_problem(headers) or (
                "the signature matches no signing secret, or the body was changed in transit"
            )
        if owner:
            return f"{problem}; a token does not replace the signature of this source"
        return f"{problem}; unknown token" if token else problem


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the Bearer token of the Authorization header, empty if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def matches_any(token: str, secrets: Iterable[SecretStr]) -> bool:
    """Return whether the token is one of the secrets.

    It takes as long for a similar token as for any other, so its duration tells no secret.
    """
    given = token.encode()
    hits = [hmac.compare_digest(given, secret.get_secret_value().encode()) for secret in secrets]
    return any(hits)


def _verified(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether the body was signed with the secret; `_header_problem` has found none."""
    try:
        webhook.verify(
            body, {name: headers.get(name, "") for name in SIGNATURE_HEADERS}, json_parse=False
        )
    except (WebhookVerificationError, ValueError):
        # The library raises a ValueError if the body is not UTF-8, or if a signature has no version
        # or is not base64.
        return False
    return True


def _header_problem(headers: Mapping[str, str]) -> str | None:
    """Return why a signature cannot be valid, whatever the body is; None if it may be."""
    missing = [name for name in ("webhook-id", "webhook-timestamp") if not headers.get(name)]
    if missing:
        return f"{' and '.join(missing)} missing"
    timestamp = headers["webhook-timestamp"]
    # Standard Webhooks wants whole seconds; the library would round "1.9" and accept it.
    if not timestamp.isdecimal() or len(timestamp) > 12:
        return "webhook-timestamp is no time in whole seconds"
    age = round(time.time() - int(timestamp))
    if abs(age) > TOLERANCE:
        place = "past" if age > 0 else "future"
        return f"webhook-timestamp is {abs(age)} s in the {place}: check the clocks"
    if not any(part.startswith("v1,") for part in headers["webhook-signature"].split(" ")):
        return "webhook-signature has no signature that begins with 'v1,'"
    return None
