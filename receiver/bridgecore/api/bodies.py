"""Reads the bodies of requests, never more of one than the route allows."""

from starlette.requests import Request

from bridgecore.errors import BodyTooLarge, TooManyBodies, UnsupportedEncoding

#: Bytes up to which a body counts as small. Odoo's batches have about 1 MB.
SMALL = 1_500_000


class LargeBodies:
    """The large bodies that are being read, in bytes of memory.

    A signature can be checked only when its body is complete. Without this bound a stranger with
    many connections could fill the memory. Small bodies are always read, so that large ones of
    strangers do not keep them out.

    Parameters:
        most: bytes of all large bodies together.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def hold(self, more: int) -> None:
        """Count bytes that a body takes.

        Raises:
            TooManyBodies: they would be too many. They are not counted.
        """
        if self._held + more > self._most:
            raise TooManyBodies(retry_after=1)
        self._held += more

    def release(self, held: int) -> None:
        """Take back bytes that `hold` has counted."""
        self._held -= held


async def limited_body(
    request: Request, limit: int, large: LargeBodies | None = None, message: str | None = None
) -> bytes:
    """Return the body of a request. Stop reading when it is larger than `limit` bytes.

    Parameters:
        large: bounds the memory of all bodies together; None if the sender has shown a token.
        message: of the error if the body is larger; None for the one about pushes.

    Raises:
        UnsupportedEncoding: the body is compressed. It is not read.
        BodyTooLarge: the body is larger, or its Content-Length says so.
        TooManyBodies: too many large bodies are being read.
    """
    headers = request.headers
    if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise UnsupportedEncoding
    announced = headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
        raise BodyTooLarge(message)
    body, held = bytearray(), 0
    try:
        async for chunk in request.stream():  # Content-Length may be absent
            body += chunk
            if len(body) > limit:
                raise BodyTooLarge(message)
            if len(body) > SMALL and large is not None:
                large.hold(len(body) - held)
                held = len(body)
    finally:
        if held and large is not None:
            large.release(held)
    return bytes(body)


def encoding_problem(body: bytes) -> str | None:
    """Return a text that says how the body is encoded if that is not UTF-8; None if it is."""
    try:
        body.decode()
    except UnicodeDecodeError:
        looks = ""
        if body.startswith(b"\x1f\x8b"):
            looks = " It looks compressed (gzip)."
        elif body.startswith((b"\xff\xfe", b"\xfe\xff")):
            looks = " It looks like UTF-16."
        return f"The body is not UTF-8: send JSON in UTF-8, not compressed.{looks}"
    return None
