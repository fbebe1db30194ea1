"""Options that several commands share as one struct. typer sees the options, the command gets the struct. Imports the
standard library only."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def unfolded(command: Callable[..., int]) -> Callable[..., int]:
    """The command, with each dataclass parameter replaced by its fields, after all other parameters."""
    hints = get_type_hints(command, include_extras=True)
    structs = {name: kind for name, kind in hints.items() if is_dataclass(kind) and isinstance(kind, type)}
    parameters = [
        each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(command).parameters.values()
        if each.name not in structs
    ]
    for kind in structs.values():
        own = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            words = {"default": field.default, "annotation": own[field.name]}
            parameters.append(inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, **words))

    def called(**given: Any) -> int:
        for name, kind in structs.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        return command(**given)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
