"""Folders to and from a pod as a verified, resumable tar stream."""
