"""A script as a command line for any shell to which sshd may hand it: the user's login shell, even tcsh."""

from __future__ import annotations

import re

_SPECIAL = re.compile(rb"[^\x20-\x7e]|['\"$`\\!]")


def command_line(script: str) -> str:
    """One line that runs the `sh` script, and leaves its streams to it.

    Shells agree on words in single quotes, unless a quote, line break, backslash before a quote or exclamation mark is
    in them. So these characters, and those that the inner double quotes would change, are written as octal numbers for
    `printf`.
    """
    text = script.encode("utf-8", "surrogateescape").replace(b"%", b"%%")
    plain = _SPECIAL.sub(lambda found: b"\\%03o" % found[0][0], text).decode("ascii")
    return f'exec sh -c \'eval "$(printf "{plain}")"\''
