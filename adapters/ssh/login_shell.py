"""A script as a command line for whatever shell sshd hands it to: the one that the user has at login, be it tcsh."""

from __future__ import annotations

import re

_SPECIAL = re.compile(rb"[^\x20-\x7e]|['\"$`\\!]")


def command_line(script: str) -> str:
    """One line that runs the `sh` script, its streams left to it.

    Shells agree on words in single quotes as long as no quote, line break, backslash before a quote or exclamation mark
    stands in them. So these, and what the inner double quotes would change, are written as octal numbers for `printf`.
    """
    text = script.encode("utf-8", "surrogateescape").replace(b"%", b"%%")
    plain = _SPECIAL.sub(lambda found: b"\\%03o" % found[0][0], text).decode("ascii")
    return f'exec sh -c \'eval "$(printf "{plain}")"\''
