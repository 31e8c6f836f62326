"""Which headers an administrator may add to a request (RFC 9110, section 5)."""

import re

MOST_HEADERS = 20
#: Names and values together. Servers refuse a request whose headers are too large, some of them
#: from 8 kB on.
MOST_BYTES = 4096

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110, section 5.6.2)
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")

_RESERVED = re.compile(
    # the connection, and where a message begins and ends (RFC 9110, section 7.6.1, and RFC 9112)
    "connection|keep-alive|te|trailer|transfer-encoding|upgrade|http2-settings|content-length|"
    "host|expect|proxy-.*|"
    # the addon sets these: what the body is, what the answer may be, who sends it, the signature
    "content-type|content-encoding|accept-encoding|x-odoo-instance|webhook-.*",
    re.IGNORECASE,
)


def check_header_name(name):
    """Check the name of a header that an administrator has chosen.

    :raises ValueError: if it is no name, or if the addon or HTTP itself decides about this header
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a name has only letters, digits and hyphens, such as X-API-Key")
    if _RESERVED.fullmatch(name):
        raise ValueError("this header describes the connection or the message")


def check_header_value(value):
    """Check the value of a header that an administrator has chosen.

    :raises ValueError: if it is empty, or another text than the endpoint would get
    """
    if not _VALUE.fullmatch(value):
        raise ValueError(
            "a value has only printable ASCII characters, and no blank at its beginning or end"
        )
