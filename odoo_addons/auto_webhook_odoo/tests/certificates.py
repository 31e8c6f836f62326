"""Certificates that are made for a test."""

import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_PEM = serialization.Encoding.PEM


class Issued(NamedTuple):
    certificate: str  # PEM
    key: str  # PEM
    parsed_certificate: object
    parsed_key: object


def issue(name, issuer=None, days=(-2, 2)):
    """Return a certificate for a host, signed by the issuer or by itself, and its key.

    :param issuer: ``Issued``
    :param days: from now, between which it is valid
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(
            issuer.parsed_certificate.subject if issuer else subject,
            *(subject, key.public_key(), x509.random_serial_number()),
        )
        .not_valid_before(now + datetime.timedelta(days[0]))
        .not_valid_after(now + datetime.timedelta(days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), critical=True)
        .sign(issuer.parsed_key if issuer else key, hashes.SHA256())
    )
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Issued(
        certificate.public_bytes(_PEM).decode(),
        key.private_bytes(_PEM, *private).decode(),
        *(certificate, key),
    )


def encrypted(issued, password):
    """Return the key of a certificate, encrypted, as PEM."""
    encryption = serialization.BestAvailableEncryption(password.encode())
    return issued.parsed_key.private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()
