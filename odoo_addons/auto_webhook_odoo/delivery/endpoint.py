"""Where and how to deliver."""

import base64
import contextlib
import dataclasses

from ..postgres import place
from ..wire.proxy import ProxySettingError, parse_proxy
from ..wire.signature import SECRET_PREFIX


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A copy of a subscriber's settings, independent of the ORM. ``COLUMNS`` reads it."""

    url: str
    auth_type: str
    auth_token: str
    api_key_header: str
    #: the newest first; while an old secret is still valid, both sign
    signing_secrets: list
    #: seconds for the whole attempt
    timeout: float
    #: events in one message
    batch_size: int
    verify_ssl: bool
    allow_private_network: bool
    #: ``[[name, value], …]`` that an administrator has added; None if there are none
    own_headers: list | None = None
    #: ``oauth.Client`` as a dict; None without OAuth
    oauth: dict | None = None
    #: PEM, for an endpoint that asks for one; or empty
    client_certificate: str = ""
    client_key: str = ""
    #: of all subscribers (Settings → Webhooks), as ``wire.proxy`` reads them; or empty
    proxy: str = ""
    proxy_exceptions: str = ""
    #: where the database is the original, as ``postgres.place`` stores it; or empty
    place: str = ""

    @property
    def way(self):
        """The settings on which connections depend: arguments of ``open_connections``."""
        return (
            *(self.allow_private_network, self.verify_ssl),
            *(self.client_certificate, self.client_key, self.proxy, self.proxy_exceptions),
        )

    @property
    def secrets(self):
        """Texts that must not be shown, whatever an endpoint answers; the longest first."""
        token = self.auth_token
        texts = {token, base64.b64encode(token.encode()).decode(), *self.signing_secrets}
        texts.update(secret.removeprefix(SECRET_PREFIX) for secret in self.signing_secrets)
        if self.auth_type == "basic":
            texts.add(token.partition(":")[2])
        for _name, value in self.own_headers or ():
            texts |= {value, value.partition(" ")[2]}  # with and without a scheme like Bearer
        if self.oauth:
            texts.add(self.oauth["secret"])
        if self.proxy:
            with contextlib.suppress(ProxySettingError):  # then no connection goes through it
                texts |= parse_proxy(self.proxy).secrets
        return tuple(sorted(filter(None, texts), key=len, reverse=True))


def _parameter(key):
    """Return the SQL expression of a system parameter.

    Odoo's own cache of them would not do: a lane does not learn that another process changed one.
    """
    return f"coalesce((SELECT value FROM ir_config_parameter WHERE key = '{key}'), '')"  # noqa: S608


#: ``{field of Endpoint: (SQL type, expression over webhook_subscriber)}``
COLUMNS = {
    "url": ("varchar", "url"),
    "auth_type": ("varchar", "auth_type"),
    "auth_token": ("varchar", "coalesce(auth_token, '')"),
    "api_key_header": ("varchar", "coalesce(api_key_header, '')"),
    "signing_secrets": (
        "text[]",
        """array_remove(ARRAY[
            nullif(signing_secret, ''),
            CASE WHEN previous_secret_until > statement_timestamp() AT TIME ZONE 'UTC'
                 THEN nullif(previous_secret, '') END
        ], NULL)""",
    ),
    "timeout": ("int", "timeout"),
    "batch_size": ("int", "least(batch_size, nullif(batch_limit, 0))"),
    "verify_ssl": ("bool", "coalesce(verify_ssl, FALSE)"),
    "allow_private_network": ("bool", "coalesce(allow_private_network, FALSE)"),
    "own_headers": ("jsonb", "own_headers"),
    "oauth": (
        "jsonb",
        """CASE WHEN auth_type = 'oauth2' THEN jsonb_build_object(
            'url', oauth_token_url,
            'id', oauth_client_id,
            'secret', oauth_client_secret,
            'in_body', oauth_client_auth = 'body',
            'scope', coalesce(oauth_scope, ''),
            'audience', coalesce(oauth_audience, '')
        ) END""",
    ),
    "client_certificate": ("text", "coalesce(client_certificate, '')"),
    "client_key": ("text", "coalesce(client_key, '')"),
    "proxy": ("text", _parameter("auto_webhook_odoo.proxy")),
    "proxy_exceptions": ("text", _parameter("auto_webhook_odoo.proxy_exceptions")),
    "place": ("text", _parameter(place.KEY)),
}
