"""Ports of this machine that lead to ports of a pod, over SSH: opened, verified, reconnected, closed."""
