"""Errors as the API words them: RFC 9457 problems with title, status, detail and, for validation, a list of lines."""

from __future__ import annotations

from http import HTTPStatus

OUT_OF_STOCK = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)
START_REFUSED = "There are not enough free GPUs on the host machine to start this pod."


class Problem(Exception):
    """An answer that is not a success. `errors` are validation lines; `headers` go with the answer."""

    def __init__(
        self, status: int, detail: str, *, errors: tuple[str, ...] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, object]:
        """The JSON document of this problem."""
        content: dict[str, object] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            content["errors"] = list(self.errors)
        return content


def bad_request(detail: str) -> Problem:
    """A rule is broken, or there is no capacity: the API tells the two apart by words only."""
    return Problem(400, detail)


def out_of_stock() -> Problem:
    """The one text for a true stock-out and for constraints nothing can meet."""
    return Problem(400, OUT_OF_STOCK)


def not_found(what: str = "resource") -> Problem:
    """Absent, or not yours."""
    return Problem(404, f"{what} not found")


def forbidden(detail: str = "access denied") -> Problem:
    """The key is valid but may not do this."""
    return Problem(403, detail)


def conflict(detail: str) -> Problem:
    """The action does not fit the pod's status."""
    return Problem(409, detail)


def unprocessable(*errors: str) -> Problem:
    """The body does not match its schema; the lines say where."""
    return Problem(422, "Request validation failed.", errors=errors)
