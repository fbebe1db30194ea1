"""Hashing that goes on in the pod while the link is gone. Otherwise a link that often breaks would never give enough
time to read a large file."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable

from rpd.adapters.transfer.entry import Entry
from rpd.adapters.transfer.exchange import quote

APART_BYTES_MIN = 32 * 1024 * 1024
"""A smaller amount is hashed while the caller waits."""

# A process in its own session. Its input lies beside its result, and so does the word that it is done. If it died, or
# never got all names, it begins anew.
_SCRIPT = """
exec 2>/dev/null
at=${{TMPDIR:-/tmp}}/rpd-sums-{token}
if [ -s "$at/pid" ]; then cat >/dev/null
else
  rm -rf "$at"; mkdir -m 700 "$at" && cat >"$at/names" || exit 1
  [ "$(($(wc -c <"$at/names")))" -eq {count} ] || {{ rm -rf "$at"; exit 1; }}
  export at sums={sums}
  run=; for each in setsid nohup; do if command -v $each >/dev/null 2>&1; then run=$each; break; fi; done
  cd {root} || exit 3
  $run sh -c 'eval "$sums" <"$at/names" >"$at/sums"; : >"$at/done"' </dev/null >/dev/null 2>&1 &
  echo $! >"$at/pid"
fi
while [ ! -e "$at/done" ] && kill -0 "$(cat "$at/pid")" 2>/dev/null; do sleep 0.1 2>/dev/null || sleep 1; done
[ -e "$at/done" ] || {{ rm -rf "$at"; exit 1; }}
cat "$at/sums"
"""


def script(root: str, sums: str, token: str, count: int) -> str:
    """Run `sums`, a command that reads names of files below `root` and prints their hashes, apart, and print its result
    so far: a part or nothing on a full disk, without an error. `count` is how many bytes the names have. `token` names
    this very work."""
    return _SCRIPT.format(token=token, count=count, root=quote(root), sums=shlex.quote(sums))


def forgetting(token: str) -> str:
    """The command that removes the result."""
    return f'rm -rf "${{TMPDIR:-/tmp}}/rpd-sums-{token}"'


def token_of(root: str, files: Iterable[Entry], salt: str) -> str:
    """A word for the work on these versions of these files. Empty if the work is too small to be done apart."""
    whole, size = hashlib.sha256(f"{root}\0{salt}\0".encode("utf-8", "surrogateescape")), 0
    for entry in files:
        whole.update(f"{entry.size} {entry.mtime} {entry.path}\0".encode("utf-8", "surrogateescape"))
        size += entry.size
    return whole.hexdigest()[:24] if size >= APART_BYTES_MIN else ""
