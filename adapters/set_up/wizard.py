"""`rpd config init`: all questions, then one change of the settings file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rpd.adapters.access.config import ApiKey, find_api_key
from rpd.adapters.set_up.account import AccountView
from rpd.adapters.set_up.answers import Answers, checked
from rpd.adapters.set_up.api_key import WHERE_TO_MAKE, account_line, kept, read_key, require_keeper, tried
from rpd.adapters.set_up.imports import Found, found_here
from rpd.adapters.set_up.questions import Questions
from rpd.adapters.settings.file import change_settings, require_settings_file
from rpd.adapters.settings.settings import load
from rpd.adapters.terminal import output
from rpd.adapters.terminal.prompting import can_prompt, confirmed
from rpd.engine.errors import UserError
from rpd.journal.redact import Secret
from rpd.states.ports.exits import Exit

TRIES = 3
"""How often a person may type the key."""


def set_up(answers: Answers, environ: Mapping[str, str] = os.environ) -> int:
    """Ask, check, save. Without a terminal, or with `--no-input`, nothing is asked: a missing answer is a UserError
    that names its flag. Exit code 0."""
    try:
        wizard = _Wizard(answers, environ)
        wizard.ask()
    except KeyboardInterrupt:
        raise UserError("nothing was saved", exit_code=Exit.INTERRUPTED, reason="interrupted") from None
    wizard.save()
    return 0


class _Wizard:
    def __init__(self, answers: Answers, environ: Mapping[str, str]) -> None:
        self._answers = answers
        self._environ = environ
        self._file = require_settings_file(environ)
        self._before = load(environ, self._file).settings  # a wrong file is told before the first question
        require_keeper(answers.key)
        self._asks = can_prompt() and not answers.is_silent
        self._changes: dict[str, Any] = {name: checked(name, text) for name, text in answers.values.items()}
        self._key: Secret | None = None

    def ask(self) -> None:
        """Every question that no flag has answered. Nothing is saved before the last one."""
        if self._asks:
            output.note([f"rpd keeps its settings in {self._file}, readable by you alone.", ""])
        brought = self._take_over()
        key, view = self._api_key(brought)
        questions = Questions(self._environ, self._before, key, view, asks=self._asks)
        self._changes |= questions.answer(self._changes)

    def save(self) -> None:
        """Effect: write the file, and the key to its keeper. Say what is next."""
        changes = dict(self._changes)
        if self._key is not None:
            changes |= kept(self._key, self._answers.key, self._file)
        change_settings(self._file, changes)
        output.note(["", f"saved in {self._file}; rpd config show   lists it, rpd doctor   checks everything"])
        if self._key is not None and self._environ.get("RUNPOD_API_KEY"):
            output.note(["RUNPOD_API_KEY is set, and wins over the key that was saved"])

    def _take_over(self) -> Secret | None:
        """The settings of other tools that the person agrees to; the key among them."""
        key: Secret | None = None
        for found in found_here(self._environ):
            if not self._agrees(found):
                continue
            key = found.key or key
            self._changes = {**found.values, **self._changes}
            if found.left_out:
                output.note([f"not taken over, because rpd cannot use it: {', '.join(found.left_out)}"])
        unknown = set(self._answers.imports) - {found.name for found in found_here(self._environ)}
        if unknown:
            raise UserError(f"there is nothing to import of {', '.join(sorted(unknown))}")
        return key

    def _agrees(self, found: Found) -> bool:
        if found.name in self._answers.imports:
            return True
        holds = [*(["an API key"] if found.key is not None else []), *found.values]
        return self._asks and confirmed(f"{found.file} holds {', '.join(holds)}. Take it over?", default=True)

    def _api_key(self, brought: Secret | None) -> tuple[Secret, AccountView | None]:
        """A key that works, and what the account showed. It is saved unless it is the one in use already."""
        source = self._answers.key
        if source.is_said:
            self._key = read_key(source)
            return self._key, self._shown(self._key)
        known = find_api_key(self._environ, self._file) if brought is None else None
        if brought is None and known is None and not self._asks:
            raise UserError(
                "no API key: nothing is asked here, and no flag names one",
                reason="needs_input",
                hint="rpd config init --api-key-file FILE   (or --api-key-stdin, or RUNPOD_API_KEY)",
            )
        self._key = brought
        key = brought or (known.secret if known is not None and not self._is_to_replace(known) else None)
        if key is not None:
            try:
                return key, self._shown(key)
            except UserError as error:
                if not self._asks or error.exit_code != Exit.KEY:
                    raise
                output.note([f"  {error.message}"])
        return self._typed()

    def _is_to_replace(self, known: ApiKey) -> bool:
        return self._asks and confirmed(f"There is an API key in {known.source}. Replace it?", default=False)

    def _typed(self) -> tuple[Secret, AccountView | None]:
        output.note([f"API key: make one at {WHERE_TO_MAKE}. It has to read and write pods."])
        for left in reversed(range(TRIES)):
            try:
                key = read_key(self._answers.key)
                view = self._shown(key)
            except UserError as error:
                if not left or error.exit_code != Exit.KEY:
                    raise
                output.note([f"  {error.message}. Try again."])
                continue
            self._key = key
            return key, view
        raise AssertionError("the last try returns or raises")

    def _shown(self, key: Secret) -> AccountView | None:
        view = tried(key, self._answers.key, self._environ)
        output.note([f"  {account_line(view)}", ""] if self._asks else [account_line(view)])
        return view


def offer(environ: Mapping[str, str] = os.environ) -> bool:
    """Ask a person without any key whether to set rpd up now, and do so. Whether a key is there afterwards."""
    if not can_prompt() or not confirmed("No API key is set up yet. Do it now?", default=True):
        return False
    set_up(Answers(), environ)
    return find_api_key(environ) is not None
