"""What is rewritten where there are no namespaces, and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpd.adapters.sandbox.machine.rewriting import PathRewriter, StdinRewriter

HOME = "/home/me/.local/rpd/"
PATHS = {"/workspace": HOME + "v", "/root": HOME + "d/root", "/tmp": HOME + "d/tmp", "/start.sh": HOME + "d/start.sh"}
REWRITER = PathRewriter(PATHS, kept=(HOME,))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cd /workspace && ls", "cd @v && ls"),
        ("cat '/workspace/a b' > /tmp/x;rm /root/.x", "cat '@v/a b' > @d/tmp/x;rm @d/root/.x"),
        ("--dir=/workspace:/tmp", "--dir=@v:@d/tmp"),
        ('X="/workspace"', 'X="@v"'),
        ("exec /start.sh", "exec @d/start.sh"),
        ("/workspace.", "@v."),
        ("see (/workspace).", "see (@v)."),
        ("/workspaces /workspace2 /workspace-x /workspace.d /start.shx", None),
        ("a/workspace ./tmp ../root $HOME/tmp ${HOME}/tmp ~/tmp */tmp", None),
        ("http://host/workspace", None),
        ("/var/tmp", None),
        (HOME + "v/tmp/root/x", None),
    ],
)
def test_whole_paths_are_rewritten(text: str, expected: str | None) -> None:
    assert REWRITER.text(text) == (text if expected is None else expected.replace("@", HOME))


@given(st.text(alphabet="/workspacetmprt.sh -'\"=:"))
def test_a_second_pass_changes_nothing(text: str) -> None:
    once = REWRITER.text(text)
    assert REWRITER.text(once) == once


@given(st.lists(st.binary(max_size=40)))
def test_a_stream_that_names_no_path_passes_unchanged(pieces: list[bytes]) -> None:
    rewriter = StdinRewriter(PathRewriter({"/never/named/path": "/x"}))
    assert b"".join(rewriter(piece) for piece in pieces if piece) + rewriter(b"") == b"".join(pieces)


@given(st.integers(1, 60))
def test_a_path_across_two_pieces_is_rewritten(cut: int) -> None:
    script = b"set -e\ncd /workspace/x\necho '\xc3\xa4' > /tmp/y\nlast /root"
    rewriter = StdinRewriter(REWRITER)
    out = rewriter(script[:cut]) + rewriter(script[cut:]) + rewriter(b"")
    assert out.decode() == REWRITER.text(script.decode())


def test_lines_are_handed_on_at_once() -> None:
    rewriter = StdinRewriter(REWRITER)
    assert rewriter(b"ls /tmp\n") == b"ls " + PATHS["/tmp"].encode() + b"\n"


def test_binary_data_passes_unchanged_from_its_first_byte_on() -> None:
    rewriter = StdinRewriter(REWRITER)
    assert rewriter(b"/tmp \0 /tmp\n/tmp") == b"/tmp \0 /tmp\n/tmp"
    assert rewriter(b"/tmp\n") == b"/tmp\n"
