"""Where and how to deliver."""

import base64
import dataclasses

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
        return tuple(sorted(filter(None, texts), key=len, reverse=True))


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
}
