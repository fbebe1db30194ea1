"""What an error may say to a program: the same as a command says, without secrets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def without_secrets(call: Callable[P, T]) -> Callable[P, T]:
    """The same function, whose errors and their causes are masked as a command masks what it prints: nobody knows what
    an error quotes, and it may end up in a log."""

    @functools.wraps(call)
    def masked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            _mask(error)
            raise

    return masked


def _mask(error: Exception) -> None:
    from rpd.adapters.cli.errors import redactor

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
