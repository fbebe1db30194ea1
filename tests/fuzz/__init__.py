"""Fuzzers. A target is a module of this folder with one function `play(seed: int) -> None`: one case, the same for the
same seed, in milliseconds; it raises AssertionError when a promise is broken. A target may name `SHARE`, how many seeds
of it `make test` plays (100 where it does not); `make fuzz MINUTES=60` plays all targets for as long as one likes.
"""
