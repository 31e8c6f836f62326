"""The certificate by which an endpoint knows Odoo in the TLS handshake (mutual TLS)."""

import contextlib
import datetime
import os
import pathlib
import re
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)


class ClientCertificateError(ValueError):
    """The client certificate cannot be used. The text says why, and holds nothing of the key."""


def check_client_certificate(certificate, key):
    """Check a certificate and its private key before they are saved.

    :param str certificate: PEM; authorities between it and the endpoint's one may follow
    :param str key: PEM, not encrypted
    :raises ClientCertificateError: if an endpoint could not accept them
    """
    if "PRIVATE KEY" in certificate:
        raise ClientCertificateError("the private key belongs into the other field")
    own, *chain = _certificates(certificate)
    public = _public_key_of(key)
    if _encoded(own.public_key()) != public:
        if public in (_encoded(one.public_key()) for one in chain):
            raise ClientCertificateError("the certificate of the key must be the first one")
        raise ClientCertificateError("the private key belongs to another certificate")
    now, (begins, ends) = datetime.datetime.now(datetime.UTC), _validity(own)
    if now > ends:
        raise ClientCertificateError(f"the certificate expired on {ends:%Y-%m-%d}")
    if now < begins:
        raise ClientCertificateError(f"the certificate is not valid before {begins:%Y-%m-%d}")
    load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)


def has_expired(certificate):
    """Return whether a certificate that was checked when it was saved has expired since."""
    own, *_chain = _certificates(certificate)
    return datetime.datetime.now(datetime.UTC) > _validity(own)[1]


def load_client_certificate(context, certificate, key):
    """Make a TLS context answer an endpoint that asks for a client certificate.

    :param ssl.SSLContext context: changed
    :raises ClientCertificateError: if OpenSSL refuses the certificate or the key
    """
    with _file_of(f"{key}\n{certificate}") as path:
        try:
            # With an empty password OpenSSL refuses an encrypted key. Without one it would wait for
            # somebody to type it.
            context.load_cert_chain(path, password="")
        except ssl.SSLError as error:
            reason = (error.reason or "unknown").lower().replace("_", " ")
            raise ClientCertificateError(f"OpenSSL refuses it ({reason})") from None


@contextlib.contextmanager
def _file_of(text):
    """Yield the path of a file with this text, which only this process can find.

    ``ssl`` reads a certificate from a file only. On Linux the file is in memory and has no name, so
    the private key never reaches a disk, and nothing is left of it if the process is killed.
    Elsewhere it is in a folder that other users cannot open.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(os.memfd_create("webhook"), "w", encoding="utf-8"))
            path = pathlib.Path(f"/proc/self/fd/{file.fileno()}")
            path.stat()
        except (AttributeError, OSError):
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            path = pathlib.Path(directory, "client.pem")
            file = stack.enter_context(path.open("w", encoding="utf-8"))
        file.write(text)
        file.flush()
        yield path


def _certificates(text):
    try:
        found = [x509.load_pem_x509_certificate(pem.encode()) for pem in _CERTIFICATE.findall(text)]
    except ValueError:
        found = []
    if not found:
        raise ClientCertificateError(
            "the certificate must be PEM, a text that begins with -----BEGIN CERTIFICATE-----"
        )
    return found


def _public_key_of(key):
    """Return the encoded public key that belongs to a private key."""
    try:
        return _encoded(load_pem_private_key(key.encode(), password=None).public_key())
    except TypeError:
        reason = "the private key is encrypted: remove its password (openssl pkey -in key.pem)"
    except Exception:  # the kinds differ between versions, and their texts may hold parts of it
        reason = "the private key must be PEM, a text that begins with -----BEGIN PRIVATE KEY-----"
    raise ClientCertificateError(reason)


def _encoded(public_key):
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _validity(certificate):
    """Return the first and the last moment at which a certificate is valid."""
    try:
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except AttributeError:  # cryptography before version 42
        utc = datetime.UTC
        return (
            certificate.not_valid_before.replace(tzinfo=utc),
            certificate.not_valid_after.replace(tzinfo=utc),
        )
