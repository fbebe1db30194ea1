"""Mask secrets in the errors that a program gets, as a command masks them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def without_secrets(call: Callable[P, T]) -> Callable[P, T]:
    """The same function, with masked errors. rpd masks each error and its causes as a command masks its output, because
    an error may quote anything and may end up in a log."""

    @functools.wraps(call)
    def masked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            _mask(error)
            raise

    return masked


def _mask(error: Exception) -> None:
    from rpd.adapters.access.clouds import redactor

    mask = redactor().mask
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        each.args = tuple(mask(word) if isinstance(word, str) else word for word in each.args)
        for name in ("message", "hint", "filename", "filename2"):
            if isinstance(word := getattr(each, name, None), str):
                setattr(each, name, mask(word))
        each = each.__cause__ or each.__context__
