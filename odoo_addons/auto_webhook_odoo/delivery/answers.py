"""Reading an answer of HTTP/1.1 until a deadline, whatever the endpoint sends.

The timeout of a socket would not do: it begins anew with every byte, so an endpoint that sends a
byte every few seconds would outlast its lease.
"""

import http.client
import io
import time

#: How many informational answers may come before the final one, and how many bytes they may have.
_MOST_INFORMATIONAL = 100
_MOST_INFORMATIONAL_BYTES = 65536


class NoAnswerError(http.client.RemoteDisconnected):
    """A connection ended before the first byte of an answer."""


class EndlessAnswerError(http.client.HTTPException):
    """The endpoint sends informational answers (HTTP 1xx), and no final one."""


def seconds_until(deadline):
    """Return the seconds that are left until the deadline.

    :raises TimeoutError: if it has passed
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the request took too long")
    return left


class TimelyResponse(http.client.HTTPResponse):
    """A final response that is complete within the timeout of its socket, or fails."""

    def __init__(self, sock, *args, **kwargs):
        super().__init__(_TimelySocket(sock), *args, **kwargs)

    def begin(self):  # pylint: disable=missing-return
        super().begin()
        if self.status == http.client.SWITCHING_PROTOCOLS:
            self.will_close = True  # whatever follows, it is no HTTP
        # urllib3 would log a header that it cannot parse, and with it the URL, which may be secret.
        self.msg.defects = []
        self.msg.set_payload("")

    def _read_status(self):
        """Return version, status and reason of the first answer that is not informational.

        An endpoint may send any number of informational answers, of any kind, before the final one
        (RFC 9110, section 15.2). ``http.client`` passes over 100 only. With 101 the endpoint
        changes to another protocol, so no final answer follows.

        :raises EndlessAnswerError: if there are too many of them
        """
        size = 0
        for _answer in range(_MOST_INFORMATIONAL):
            found = super()._read_status()
            if not 100 <= found[1] < 200 or found[1] == http.client.SWITCHING_PROTOCOLS:
                return found
            while (line := self.fp.readline(_MOST_INFORMATIONAL_BYTES)).strip():
                size += len(line)
                if size > _MOST_INFORMATIONAL_BYTES:
                    raise EndlessAnswerError
        raise EndlessAnswerError


class _TimelySocket:
    """Has the one method of a socket that ``http.client.HTTPResponse`` calls."""

    def __init__(self, sock):
        self._sock = sock

    def makefile(self, _mode):
        return io.BufferedReader(_TimelyReader(self._sock))


class _TimelyReader(io.RawIOBase):
    """Reads from a socket until a deadline."""

    def __init__(self, sock):
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open meanwhile
        self._deadline = time.monotonic() + sock.gettimeout()
        self._begun = False

    def readable(self):
        return True

    def readinto(self, buffer):
        self._sock.settimeout(seconds_until(self._deadline))
        try:
            count = self._file.readinto(buffer)
        except ConnectionError as error:
            if self._begun:
                raise
            raise NoAnswerError(str(error)) from error
        if not (count or self._begun):
            raise NoAnswerError("closed without an answer")
        self._begun = True
        return count

    def close(self):
        self._file.close()
        return super().close()
