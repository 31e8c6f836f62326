"""Standard Webhooks 1.0 signatures (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105  # the public prefix, not a secret
MINIMUM_KEY_BYTES = 24  # Standard Webhooks 1.0, "Signature scheme"


def decode_secret(secret):
    """Return the key bytes of a ``whsec_<base64>`` secret.

    :raises ValueError: if the secret has another form, or its key is shorter than 24 bytes
    """
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a signing secret starts with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(secret[len(SECRET_PREFIX) :], validate=True)
    except binascii.Error as error:
        raise ValueError(f"a signing secret is base64 after {SECRET_PREFIX}") from error
    if len(key) < MINIMUM_KEY_BYTES:
        raise ValueError(f"a signing key has at least {MINIMUM_KEY_BYTES} bytes")
    return key


def generate_secret(random_bytes):
    """Return a new secret made of ``random_bytes`` (24 to 64 of them)."""
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def signature_headers(secrets, message_id, timestamp, body):
    """Return the three headers that sign ``body`` for one attempt.

    :param secrets: ``whsec_<base64>`` texts; several while an old secret is still valid
    :param str message_id: the same for every attempt of a message
    :param int timestamp: time of this attempt, in seconds since the epoch
    :param bytes body: the exact bytes that are sent
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    digests = [hmac.digest(decode_secret(secret), signed, hashlib.sha256) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(d).decode()}" for d in digests),
    }
