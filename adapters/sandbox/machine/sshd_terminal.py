"""The modes that a client asks for with a terminal, as RFC 4254 encodes them."""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Mapping

from asyncssh import constants

_INPUT = "IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8"
_OUTPUT = "OPOST OLCUC ONLCR OCRNL ONOCR ONLRET"
_CONTROL = "CS7 CS8 PARENB PARODD"
_LOCAL = "ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP IEXTEN ECHOCTL ECHOKE PENDIN"
_CHARACTERS = "VINTR VQUIT VERASE VKILL VEOF VEOL VEOL2 VSTART VSTOP VSUSP VREPRINT VLNEXT VDISCARD"
_NO_CHARACTER = 255

_FLAGS = {
    getattr(constants, f"PTY_{name}"): (field, getattr(termios, name))
    for field, names in enumerate((_INPUT, _OUTPUT, _CONTROL, _LOCAL))
    for name in names.split()
    if hasattr(termios, name)
}
"""From the number of a mode to its field of `tcgetattr` and its bit there."""
_PLACES = {
    getattr(constants, f"PTY_{name}"): getattr(termios, name) for name in _CHARACTERS.split() if hasattr(termios, name)
}


def set_modes(terminal: int, modes: Mapping[int, int]) -> None:
    """Set what the client named; modes that this system does not know are passed over."""
    with contextlib.suppress(termios.error):
        settings = termios.tcgetattr(terminal)
        for number, value in modes.items():
            if number in _FLAGS:
                field, bit = _FLAGS[number]
                settings[field] = settings[field] | bit if value else settings[field] & ~bit
            elif number in _PLACES:
                settings[6][_PLACES[number]] = bytes([0 if value == _NO_CHARACTER else value & 0xFF])
        termios.tcsetattr(terminal, termios.TCSANOW, settings)
