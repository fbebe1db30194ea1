"""The command line that a login shell gets means the same to all of them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from rpd.adapters.ssh.login_shell import command_line

SCRIPT = "cat <<'X'\na'b\"c $HOME `x` \\n \\\\ %s%% ! ü {1,2} ~ * ^a^b\n  l2\nX\ncat; echo odd >&2; exit 3\n"
SAID = "a'b\"c $HOME `x` \\n \\\\ %s%% ! ü {1,2} ~ * ^a^b\n  l2\n".encode()


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "busybox", "mksh", "ksh93", "yash", "zsh", "tcsh", "fish"])
def test_every_shell_runs_the_same_script(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    words = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run([*words, "-c", command_line(SCRIPT)], input=b"in\0put", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, SAID + b"in\0put", b"odd\n")


@pytest.mark.parametrize("script", [SCRIPT, "a\udcffb\r\t\x7f!'", "!!\n!x\n''", ""])
def test_nothing_stands_in_it_that_shells_read_differently(script: str) -> None:
    """Those that are not installed here, too: csh ends words at line breaks and replaces what follows an exclamation
    mark, fish knows backslashes before quotes and backslashes, and csh has no way to redirect errors alone."""
    word = re.fullmatch(r"exec sh -c '([ -~]*)'", command_line(script))
    assert word is not None
    assert "'" not in word[1] and "!" not in word[1] and "\\\\" not in word[1]
    assert re.sub(r"\\[0-7]{3}", "", word[1]).count("\\") == 0


def test_bytes_of_a_path_that_is_no_text_arrive() -> None:
    path = b"/w/\xff\xe9".decode("utf-8", "surrogateescape")
    done = subprocess.run(["sh", "-c", command_line(f"printf %s '{path}'")], capture_output=True, check=True)
    assert done.stdout == b"/w/\xff\xe9"
