"""One request, one answer: no retry, no redirect, no cookie, no surprise.

The key goes into one header and nowhere else. rpd removes it from returned texts before any person reads them. Nothing
of requests (whose errors carry the prepared request, header included) leaves this file.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, NameResolutionError

from rpd.adapters.http.wire import Straight, Watch, pieces
from rpd.adapters.runpod.answer import Answer, Failure, clean
from rpd.adapters.runpod.exchange import ApiRequest, log_exchange
from rpd.engine.errors import UserError
from rpd.journal.redact import Redactor, Secret
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Session:
    """A connection to one API. Used by one thread at a time."""

    def __init__(
        self,
        base_url: str,
        key: Secret,
        *,
        connect_seconds: float,
        body_limit: int,
        redactor: Redactor | None = None,
    ) -> None:
        self.base_url = checked_url(base_url)
        self._key = checked_key(key)
        self._redactor = redactor or Redactor()
        self._redactor.add(key)
        self._connect_seconds = connect_seconds
        self._body_limit = body_limit
        self._watch = Watch()
        self._requests = Straight(self._watch)
        # A proxy for the outside world is not for this machine.
        self._requests.trust_env = urlsplit(self.base_url).hostname not in LOOPBACK
        self._requests.headers["User-Agent"] = f"rpd/{version('rpd-cli')}"
        # A compressed body could be small on the wire and huge in memory.
        self._requests.headers["Accept-Encoding"] = "identity"

    def __repr__(self) -> str:
        return f"Session({self.base_url!r})"

    def send(self, request: ApiRequest, wants_end: Callable[[], bool] = bool) -> Answer | Failure:
        """One attempt, which rpd's own log notes. `wants_end` is asked while a read waits and cuts it short (Failure
        with INTERRUPTED)."""
        started = time.monotonic()
        found = self._send(request, wants_end)
        log_exchange(request, found, time.monotonic() - started, self._redactor.mask)
        return found

    def _send(self, request: ApiRequest, wants_end: Callable[[], bool]) -> Answer | Failure:
        if request.is_effect:
            # A fresh connection: a stale one would make a lost request look like a lost answer.
            self._requests.wire.close()
        self._watch.begin(request.seconds, wants_end)
        try:
            response = self._requests.request(
                request.method,
                self.base_url + request.path,
                params=request.params or None,
                data=request.body,
                headers=_headers(request),
                auth=_Bearer(self._key),
                timeout=(self._connect_seconds, request.seconds),
                stream=True,
            )
        except (OSError, HTTPError) as error:
            return Failure(self._fault(error), self._watch.left, self._in_words(error))
        try:
            return self._answer(response, request)
        finally:
            response.close()

    def close(self) -> None:
        """Drop the connections."""
        self._requests.close()

    def _answer(self, response: requests.Response, request: ApiRequest) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        body, flaw = self._read(response, request, headers)
        if response.status_code >= 300 or request.quiet is not None:
            # These bodies are shown to people.
            body = self._redactor.mask_bytes(body)
        # An answer without a length, or with broken headers, may be cut without a sign.
        return Answer(response.status_code, headers, body, flaw, partial(self._redactor.mask, is_cut=True))

    def _read(
        self, response: requests.Response, request: ApiRequest, headers: dict[str, str]
    ) -> tuple[bytes, str | None]:
        """The body, and what is wrong with it."""
        if headers.get("content-encoding", "identity").lower() != "identity":
            return b"", "a compressed body that was not requested"
        body = bytearray()
        try:
            for piece in pieces(response):
                body += piece
                if len(body) > self._body_limit:
                    return b"", f"a body of more than {self._body_limit} bytes"
                if request.quiet is not None:
                    self._watch.expect_more_within(request.quiet)
        except (OSError, HTTPError) as error:
            return bytes(body), self._in_words(error)
        return bytes(body), None

    def _fault(self, error: Exception) -> Fault:
        if self._watch.is_woken:
            return Fault.INTERRUPTED
        if not self._watch.left:
            return Fault.NOT_SENT
        if isinstance(error, requests.Timeout) or self._watch.seconds_left <= 0:
            return Fault.TIMEOUT
        return Fault.CONNECTION_LOST

    def _in_words(self, error: Exception) -> str:
        """The error in our own words, because foreign texts hold URLs, headers and object addresses."""
        host = urlsplit(self.base_url).hostname or ""
        if self._watch.is_woken:
            return "cut short"
        if self._watch.left:
            late = self._watch.seconds_left <= 0 or isinstance(error, requests.Timeout)
            return "no whole answer in time" if late else "the connection broke before the answer was whole"
        for cause in _causes(error):
            if isinstance(cause, NameResolutionError):
                return f"the name {host} cannot be resolved"
            if isinstance(cause, ssl.SSLCertVerificationError):
                return f"the certificate of {host} cannot be trusted: {clean(cause.verify_message, 120)}"
            if isinstance(cause, ssl.SSLError):
                return f"no TLS connection to {host}"
            if isinstance(cause, ConnectionRefusedError):
                return f"{host} refuses the connection"
        if isinstance(error, requests.exceptions.ProxyError):
            return f"the proxy does not lead to {host}"
        if isinstance(error, requests.Timeout):
            return f"{host} does not take the connection in time"
        return f"{host} cannot be reached"


class _Bearer(AuthBase):
    """Puts the key into the header of one request. It is explicit, so that no .netrc entry takes its place."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


def checked_url(text: str) -> str:
    """The API's address without a trailing `/v2`. UserError for an address that would send the key unencrypted."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("the API address must look like https://api.runpod.io", hint="unset RPD_API_URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError("the API address must be bare: no user, password, query or fragment", hint="unset RPD_API_URL")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UserError(
            "the API address must begin with https: otherwise the key is sent unencrypted", hint="unset RPD_API_URL"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v2')}"


def checked_key(key: Secret) -> Secret:
    """The key, if it can be in a header. The error does not show it."""
    text = key.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise UserError(
            "the API key is empty or holds characters that no key has (such as a line break or a space)",
            exit_code=Exit.KEY,
            reason=Fault.KEY_REFUSED,
            hint="rpd config set api-key   (or export RUNPOD_API_KEY=...)",
        )
    return key


def _headers(request: ApiRequest) -> dict[str, str]:
    headers = {"Accept": request.accept}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    return headers


def _causes(error: BaseException) -> list[BaseException]:
    """The error and its causes: urllib3 nests causes as arguments and as `reason`."""
    found: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting and len(found) < 20:
        cause = waiting.pop()
        if cause in found:
            continue
        found.append(cause)
        nested = [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
        waiting.extend(item for item in nested if isinstance(item, BaseException))
    return found
