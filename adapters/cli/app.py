"""The console script: the one place that turns the end of a command into an exit code, and an error into words."""

from __future__ import annotations

import os
import sys

from rpd.adapters.terminal.streams import settle, stand_in


def main() -> None:
    """Run the command of `sys.argv`. Always ends in SystemExit."""
    stand_in()
    code = _run(sys.argv[1:])
    is_written = settle()
    sys.exit(code if is_written else code or 1)


def _run(words: list[str]) -> int:
    try:
        try:
            return _call(words)
        except Exception as error:
            if not _is_set_up_now(error, words):
                raise
        return _call(words)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from rpd.adapters.cli.errors import keep, problem_of, say, show_trace

        keep(error, problem_of(error), words)
        if os.environ.get("RPD_DEBUG"):
            show_trace(error)
        return say(problem_of(error), as_json="--json" in words[: words.index("--") if "--" in words else None])


def _is_set_up_now(error: Exception, words: list[str]) -> bool:
    """Whether the command lacked an API key, and a person at the terminal has set one up since. Nothing was done
    without a key, so the command can begin again."""
    if getattr(error, "reason", "") != "key_missing" or "--json" in words or words[:1] == ["config"]:
        return False
    from rpd.adapters.set_up.wizard import offer

    return offer()


def _call(words: list[str]) -> int:
    """Run the command. The two most frequent requests are answered before the option parser is loaded, because loading
    it takes half of their time."""
    if words == ["--version"]:
        from rpd.adapters.local.version import version

        sys.stdout.write(f"rpd {version()}\n")
        return 0
    names = [word for word in words[1:] if word != "--json"]
    if words[:1] == ["inspect"] and len(names) <= 1 and not any(name.startswith("-") for name in names):
        from rpd.adapters.cli.reading.inspect import inspect_run

        return inspect_run(names[0] if names else None, as_json="--json" in words, as_graph=False)
    from rpd.adapters.cli.tree import call

    return call()
