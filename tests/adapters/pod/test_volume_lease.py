"""Places on a volume that several pods mount: the real scripts, two pods, one folder."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rpd.adapters.pod.answers import holders_of
from rpd.adapters.pod.remote import PodRemote
from rpd.engine.errors import Refused
from rpd.states.ports.world import Holder, Target, name_mark
from tests.adapters.pod.local_shell import SHELLS, LocalShell, shell_at

Make = Callable[..., LocalShell]
Remote = Callable[[LocalShell], PodRemote]


def target_of(pod: LocalShell, run: str, pod_id: str = "", epoch: int = 1) -> Target:
    folder = str(pod.volume / ".rpd" / run)
    return Target(pod_id or f"pod-of-{run}", f"rpd-{run}-token-a1", run, epoch, folder, owner=f"o{epoch}")


def names(holders: tuple[Holder, ...]) -> list[tuple[str, str]]:
    return sorted((each.run_id, each.destination) for each in holders)


@pytest.mark.parametrize("sh", SHELLS)
def test_one_run_at_a_time_has_a_place_what_lies_in_it_and_what_it_lies_in(
    make_pod: Make, remote_of: Remote, tmp_path: Path, sh: str
) -> None:
    pod = make_pod(sh=shell_at(sh, tmp_path))
    remote = remote_of(pod)
    one, two = target_of(pod, "one"), target_of(pod, "two")
    assert remote.take_lease(one, ("/src dir", "/a/b"), ()) == ()
    assert remote.take_lease(one, ("/src dir", "/a/b"), ()) == (), "it may be done again"
    (held,) = remote.take_lease(two, ("/src dir",), ())
    assert (held.run_id, held.pod_id, held.destination) == ("one", one.pod_id, "/src dir")
    assert held.mark == name_mark(one.pod_name.replace("-a1", "-a2")), "of all pods of the run"
    for place in ("/a", "/a/b/c", ""):
        assert ("one", "/a/b") in names(remote.take_lease(two, (place,), ())), place
    for place in ("/ab", "/a/bc", "/a/c", "/src"):
        assert remote.take_lease(two, (place,), ()) == (), place
    assert names(remote.take_lease(one, ("/src dir", "/a/c/d"), ())) == [("two", "/a/c")]
    remote.drop_lease(two)
    assert remote.take_lease(one, ("/src dir", "/a/c/d"), ()) == ()


def test_who_is_refused_holds_nothing(pod: LocalShell, remote: PodRemote) -> None:
    one, two, three = (target_of(pod, name) for name in ("one", "two", "three"))
    assert remote.take_lease(one, ("/src",), ()) == ()
    assert names(remote.take_lease(two, ("/free", "/src"), ())) == [("one", "/src")]
    assert remote.take_lease(three, ("/free",), ()) == ()


def test_what_is_proved_gone_counts_no_more_and_nothing_else_does(pod: LocalShell, remote: PodRemote) -> None:
    one, two, three = (target_of(pod, name) for name in ("one", "two", "three"))
    assert remote.take_lease(one, ("/src",), ()) == ()
    (held,) = remote.take_lease(two, ("/src",), ())
    assert remote.take_lease(one, ("/src",), ()) == (), "it is back, in another start of its pod"
    (again,) = remote.take_lease(two, ("/src",), (held.lease,))
    assert again.lease != held.lease, "the proof was about its earlier lease"
    assert remote.take_lease(two, ("/src",), (again.lease,)) == ()
    assert names(remote.take_lease(three, ("/src",), (held.lease, again.lease))) == [("two", "/src")]
    (lost,) = remote.take_lease(one, ("/src/sub",), ())
    assert lost.run_id == "two"
    assert remote.take_lease(three, ("",), (lost.lease,)) == ()


def test_a_recycled_pod_and_the_same_run_in_another_pod_keep_it(pod: LocalShell, remote: PodRemote) -> None:
    first = target_of(pod, "one", "pod-a")
    assert remote.take_lease(first, ("/src",), ()) == ()
    assert remote.take_lease(target_of(pod, "one", "pod-b", epoch=2), ("/src",), ()) == ()
    assert remote.take_lease(target_of(pod, "next", "pod-b"), ("/src",), ()) == ()
    assert names(remote.take_lease(target_of(pod, "two", "pod-c"), ("/src",), ())) == [("next", "/src")]


def test_of_many_at_once_one_has_it(make_pod: Make, remote_of: Remote, tmp_path: Path) -> None:
    volume = tmp_path / "shared"
    pods = [make_pod(volume) for _ in range(4)]
    answers: dict[int, tuple[Holder, ...]] = {}

    def take(number: int) -> None:
        where = target_of(pods[number], f"run{number}")
        answers[number] = remote_of(pods[number]).take_lease(where, ("/src",), ())

    threads = [threading.Thread(target=take, args=(number,)) for number in range(len(pods))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number, holders in answers.items() if not holders]
    assert len(winners) == 1 and len(answers) == 4
    assert {each.run_id for number in answers for each in answers[number]} == {f"run{winners[0]}"}


def test_a_place_that_another_took_a_moment_before_is_theirs(
    pod: LocalShell, remote: PodRemote, tmp_path: Path
) -> None:
    """After this run has looked, and before it moves its lease into place."""
    tools = tmp_path / "tools"
    tools.mkdir()
    text = (
        '#!/bin/sh\nfor last; do :; done\ncase $last in */leases/*.1) mkdir -p "$last"; '
        'printf "rival\\n1\\npod-r\\nrpd-rival-token-a1\\n/src\\n" >"$last/holder" ;; esac\nexec mv "$@"\n'
    )
    remote.take_lease(target_of(pod, "one"), ("/other",), ())
    (tools / "mv").write_text(text.replace("exec mv", f"exec {shutil.which('mv')}"))
    (tools / "mv").chmod(0o755)
    pod.env["PATH"] = f"{tools}:{pod.env['PATH']}"
    assert names(remote.take_lease(target_of(pod, "one"), ("/src",), ())) == [("rival", "/src")]
    assert names(remote.take_lease(target_of(pod, "two"), ("/src",), ())) == [("rival", "/src")], "it keeps it"


def test_an_owner_of_an_older_epoch_takes_nothing(pod: LocalShell, remote: PodRemote) -> None:
    assert remote.take_lease(target_of(pod, "one", epoch=2), ("/src",), ()) == ()
    for act in (lambda where: remote.take_lease(where, ("/src",), ()), remote.drop_lease):
        with pytest.raises(Refused) as caught:
            act(target_of(pod, "one"))
        assert caught.value.reason == "taken_over"
    assert names(remote.take_lease(target_of(pod, "two"), ("/src",), ())) == [("one", "/src")]


def test_a_lease_without_a_holder_keeps_nobody_out(pod: LocalShell, remote: PodRemote) -> None:
    """A volume that lost power: the folder is there, and its file is empty."""
    one = target_of(pod, "one")
    assert remote.take_lease(one, ("/src",), ()) == ()
    (lease,) = (pod.volume / ".rpd/leases").glob("*.1")
    (lease / "holder").write_text("")
    assert remote.take_lease(target_of(pod, "two"), ("/src",), ()) == ()


def test_an_answer_without_its_end_or_its_words_is_none() -> None:
    good = "holder=k.1 run pod rpd-x-t-a1 /a b\nleases=1\n"
    assert holders_of(good) == (Holder("k.1", "run", "pod", name_mark("rpd-x-t-a1"), "/a b"),)
    assert b"rpd-x-t" not in msgspec.json.encode(holders_of(good)), "a record with it makes its pod one of this run"
    assert holders_of("holder=k.1 run pod name \nleases=1\n")[0].destination == ""
    for text in ("", "holder=k.1 run pod name /a\n", "holder=k.1 run\nleases=1\n"):
        with pytest.raises(ValueError):
            holders_of(text)
