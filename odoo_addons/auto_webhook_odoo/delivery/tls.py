"""TLS: which certificates are trusted, which one is shown, and in words why a handshake failed."""

import os
import re
import ssl

from requests.certs import where as certificates
from urllib3.util.ssl_ import create_urllib3_context

from .client_certificate import ClientCertificateError, has_expired, load_client_certificate

_ALERT = re.compile(r"\balert ([a-z ]+)")

#: Alerts about the certificate of the other side (RFC 8446, section 6.2), here the client's. A
#: server of TLS 1.2 has no alert of its own for a certificate that is missing: it sends one of
#: these, or ``handshake failure``.
_ABOUT_CERTIFICATE = {
    *("certificate required", "bad certificate", "unsupported certificate"),
    *("certificate revoked", "certificate expired", "certificate unknown", "unknown ca"),
    "access denied",
}

_EXPIRED = "The client certificate has expired. Enter a new one in the form of the subscriber."


class CertificatesError(ValueError):
    """Certificates of this side cannot be used; the text says which, and why."""


def tls_context(verify, client_certificate, client_key):
    """Return a TLS context. It takes some milliseconds, so connections should share it.

    :param verify: refuse an endpoint whose certificate cannot be verified
    :param client_certificate: PEM, shown to an endpoint that asks for one; may be empty
    :raises CertificatesError:
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    if verify:
        # by these variables requests and OpenSSL find the certificates of a private authority
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        bundle = next(filter(None, map(os.environ.get, names)), None) or certificates()
        try:
            kind = "capath" if os.path.isdir(bundle) else "cafile"
            context.load_verify_locations(**{kind: bundle})
        except OSError as error:
            raise CertificatesError(f"No certificates can be read from {bundle}.") from error
    if client_certificate:
        try:
            load_client_certificate(context, client_certificate, client_key)
        except ClientCertificateError as error:
            raise CertificatesError(f"The client certificate cannot be used: {error}.") from error
    return context


def failed_handshake(error, client_certificate):
    """Return in words why an endpoint and Odoo do not agree on a TLS connection.

    With TLS 1.3 the client's part of the handshake is over before the endpoint has looked at the
    certificate, so the endpoint's alert arrives instead of the answer.

    :param ssl.SSLError error:
    :param client_certificate: PEM, what was shown to the endpoint; may be empty
    """
    found = _ALERT.search(str(error))
    alert = found[1].strip() if found else ""
    if alert == "handshake failure":
        cause = "does not accept the client certificate"
        if not client_certificate:
            cause = "asks for a client certificate"
        elif has_expired(client_certificate):
            return _EXPIRED
        return f"The endpoint {cause}, or has no version or cipher of TLS in common with Odoo."
    if alert not in _ABOUT_CERTIFICATE:
        reason = f" ({alert})" if alert else ""
        return f"The endpoint does not speak TLS, or not as Odoo asks for it{reason}."
    if not client_certificate:
        return (
            "The endpoint asks for a client certificate. Enter one in the form of the subscriber."
        )
    if has_expired(client_certificate):
        return _EXPIRED
    return f"The endpoint does not accept the client certificate ({alert})."
