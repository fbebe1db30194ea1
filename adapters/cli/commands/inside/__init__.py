"""Commands that lead into the pod of a run."""
