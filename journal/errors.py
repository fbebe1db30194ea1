"""Everything that can be wrong with a journal, drawn as a tree:

JournalError
├── JournalMissing     no such journal
├── JournalLocked      another live process owns it
├── JournalDamaged     a bad line before the end: inspect and gc work, resume does not
├── JournalStrange     intact lines that no run writes: inspect names the record, gc works, resume does not
├── JournalTooNew      written by a newer rpd: inspect and gc work, resume does not
├── JournalNotOurs     another owner, a symlink, a world-writable folder, another config
├── JournalLost        records that were acknowledged are gone, or a newer owner exists elsewhere
├── JournalUnwritable  disk full, read-only, storage error
└── RecordRefused      this one record cannot be written: not data, or it holds a secret
    └── RecordTooLarge ... or it is longer than a line may be
"""

from __future__ import annotations


class JournalError(Exception):
    """Root. `hint` is one command to type, or an empty string."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class JournalMissing(JournalError):
    """The named journal does not exist."""


class JournalLocked(JournalError):
    """Another live process holds the lock. `owner` is what it wrote about itself; it is used for the message only."""

    def __init__(self, message: str, *, owner: dict[str, object] | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.owner = owner or {}


class JournalDamaged(JournalError):
    """A line before the end is wrong. `line` counts from 1, `offset` in bytes from 0."""

    def __init__(self, message: str, *, line: int, offset: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.offset = offset


NONSENSE = (LookupError, TypeError, ValueError, AttributeError, AssertionError, ArithmeticError, RecursionError)
"""What the code raises when it reads a record's plain data and the data has the wrong shape (a struct's own error is a
ValueError).
"""


class JournalStrange(JournalError):
    """The part that `where` names fits the chain but makes no sense: another version or another program wrote it."""

    def __init__(self, where: str, why: Exception) -> None:
        match why:
            case KeyError():
                what = f"{why} is missing"
            case ValueError():
                what = str(why)
            case _:
                what = "its values do not fit together"
        message = f"{where} makes no sense: {what[:1].lower()}{what[1:]}"
        super().__init__(message, hint="rpd salvage   releases the run's pods and ends the run")


class JournalTooNew(JournalError):
    """The file needs a newer reader, or holds a critical record of an unknown kind."""


class JournalNotOurs(JournalError):
    """The file or its folder belongs to another user, or is not what it should be."""


class JournalLost(JournalError):
    """There is proof that acknowledged records are missing here, or that a newer owner acted elsewhere."""


class JournalUnwritable(JournalError):
    """The record could not be made durable."""


class RecordRefused(JournalError):
    """The record itself cannot be written. The journal is unharmed and accepts other records."""


class RecordTooLarge(RecordRefused):
    """The record is longer than a line may be, even after its texts were cut."""
