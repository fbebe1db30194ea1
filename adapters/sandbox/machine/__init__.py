"""Containers as process groups of this machine, each behind a real sshd."""
