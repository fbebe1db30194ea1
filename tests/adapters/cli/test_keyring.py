"""A key for a keyring that is not there: told before anybody has answered a question or tried the key."""

from __future__ import annotations

import pytest

from tests.adapters.cli.conftest import Typist

NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "RUNPOD_API_KEY": None}


@pytest.mark.parametrize(
    "words", [("init", "--no-input", "--api-key-file", "key"), ("set", "api-key", "--file", "key")]
)
def test_a_keyring_that_does_not_work_is_told_first(rpd: Typist, words: tuple[str, ...]) -> None:
    pytest.importorskip("keyring")
    rpd.write("key", "rpa_0123456789abcdef\n")
    said = rpd.refused("config", *words, "--keyring", code=4, **NO_KEYRING)
    assert "keyring does not work here" in said
    assert rpd.is_untouched(), "the key was not tried"
    assert not (rpd.user / ".config").exists()


def test_a_package_that_is_missing_is_told_before_the_first_question(rpd: Typist) -> None:
    (rpd.folder / "keyring.py").write_text("raise ImportError('not installed')\n")
    rpd.write("key", "rpa_0123456789abcdef\n")
    words = ("config", "init", "--no-input", "--api-key-file", "key", "--keyring")
    said = rpd.refused(*words, code=4, PYTHONPATH=str(rpd.folder), RUNPOD_API_KEY=None)
    assert "pip install 'rpd-cli[keyring]'" in said
    assert rpd.is_untouched()
