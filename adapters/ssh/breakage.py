"""The errors by which paramiko reports a broken link."""

from __future__ import annotations

import paramiko

LINK_BROKE = (EOFError, OSError, paramiko.SSHException)
"""Any call of paramiko that sends, receives or waits may raise any of these."""
