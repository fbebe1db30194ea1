"""A pod may print without end, or numbers that cannot be meant: every reader of a job, its log and its samples is
linear, has a bound, and goes on hearing who asks for the end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.pod import step_log
from rpd.adapters.pod.answers import claim_of, fields_of, greeting_of, step_result_of
from rpd.adapters.pod.bucket import push_out
from rpd.adapters.pod.follower import follow
from rpd.adapters.pod.local_log import LocalLog
from rpd.adapters.pod.markers import MarkerScan
from rpd.adapters.pod.step_log import StepLog
from rpd.engine.errors import Interrupted, Refused, Unavailable
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Claim, Pull
from tests.fakes.link import MEGABYTE, Link, Said, endless, megabytes
from tests.memory import little_memory

START = b"phase=running\nlaunch=1\nlog_bytes=0\n#start\n"
GIGABYTE = pytest.param(1024, marks=pytest.mark.slow)


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """The body alone, which tracing would make ten times as slow."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


class Nothing:
    """A log that keeps nothing but its size."""

    def __init__(self) -> None:
        self.offset = 0

    def append(self, data: bytes, *, is_backlog: bool = False) -> None:
        self.offset += len(data)

    def restart(self) -> None:
        self.offset = 0


def followed(said: Iterable[bytes], log: Iterable[bytes] = (), *, seconds: float = 0.3) -> Claim:
    link, kept = Link(Said(log, said)), Nothing()
    return follow(link, str, kept, seconds=seconds, to_size_only=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [40_000, pytest.param(400_000, marks=pytest.mark.slow)])
def test_a_log_full_of_marks_is_read_in_time(tmp_path: Path, size: int) -> None:
    log = tmp_path / "run.log"
    text = b"".join(b"__RUNPOD_STEP_START__s%d__\n" % number for number in range(size))
    steps = StepLog(log, 1, lambda: 5.0, None)
    with in_time(10.0):
        for at in range(0, len(text), MEGABYTE):
            piece = text[at : at + MEGABYTE]
            steps.feed(piece, min(at + MEGABYTE, len(text)), is_backlog=False)
    written = log.with_name("steps.jsonl").read_bytes()
    assert len(written) <= step_log.STEPS_BYTES_MAX
    assert written.count(b"\n") == size or size > 40_000


def test_steps_without_end_have_their_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_log, "STEPS_BYTES_MAX", 10_000)
    log = tmp_path / "run.log"
    text = b"__RUNPOD_STEP_START__s__\n" * 1000
    steps = StepLog(log, 1, lambda: 5.0, None)
    for end in range(1, 4):
        steps.feed(text, len(text) * end, is_backlog=False)
    log.write_bytes(text * 4)
    StepLog(log, 1, lambda: 5.0, None).feed(text, len(text) * 5, is_backlog=False)
    written = log.with_name("steps.jsonl").read_bytes()
    assert 9_000 < len(written) <= 10_000 and written.endswith(b"}\n")


def test_steps_that_cannot_be_written_are_not_gathered_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_log, "STEPS_BYTES_MAX", MEGABYTE)
    log = tmp_path / "run.log"
    log.with_name("steps.jsonl").mkdir()
    text = b"__RUNPOD_STEP_START__s__\n" * 2000
    steps = StepLog(log, 1, lambda: 5.0, None)
    with little_memory(8 * MEGABYTE):
        for end in range(1, 20):
            steps.feed(text, len(text) * end, is_backlog=False)
    assert len(steps._unwritten) <= MEGABYTE and list(log.with_name("steps.jsonl").iterdir()) == []


def test_whoever_asks_is_heard_while_a_long_log_is_read_again(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_bytes(bytes(3 * MEGABYTE))

    def interrupted() -> None:
        raise Interrupted("asked", reason="interrupted")

    with pytest.raises(Interrupted):
        StepLog(log, 1, lambda: 5.0, None, check=interrupted)
    with pytest.raises(Interrupted):
        MarkerScan(["done"]).read(log, 0, check=interrupted)


@pytest.mark.parametrize("count", [60, GIGABYTE])
@pytest.mark.parametrize("markers", [["done"], ["done", "x" * 3000, *(f"marker {n}" for n in range(8))]])
def test_markers_in_a_log_without_end(count: int, markers: list[str]) -> None:
    scan = MarkerScan(markers)
    with little_memory(8 * MEGABYTE):
        for piece in megabytes(b"don xx", count):
            scan.feed(piece)
    scan.feed(b"do")
    scan.feed(b"ne")
    assert scan.heard == ("done",)


@pytest.mark.parametrize(
    "piece",
    [b"x", b"\n", b"a=b\n", b"0 0#size\n", b"phase=running\nlaunch=1\n#start\n", b"#", b"x" * 70_000 + b"\n"],
    ids=["x", "lines", "values", "sizes", "claims", "hash", "long"],
)
def test_a_follower_that_talks_without_end(piece: bytes) -> None:
    with in_time(8.0), pytest.raises(Unavailable) as caught:
        drops = itertools.repeat(piece * (100 // len(piece) + 1))
        followed(itertools.chain([START], drops), endless(b"log\n"), seconds=60.0)
    assert caught.value.reason == Fault.UNREADABLE
    with in_time(8.0), pytest.raises(Unavailable) as caught:
        followed(itertools.chain([START, piece * (20_000 // len(piece) + 1)], endless(piece)), seconds=60.0)
    assert caught.value.reason == Fault.UNREADABLE


def test_a_follower_that_talks_in_drops_is_read_in_time() -> None:
    drops = itertools.chain([START], (b"a\n" for _ in range(60_000)), [b"#end\n"])
    with in_time(10.0), pytest.raises(Unavailable):
        followed(drops, seconds=60.0)


def test_a_log_without_end_ends_with_its_time() -> None:
    with little_memory():
        assert followed([START], endless(b"log\n")).phase == "running"


@pytest.mark.slow
def test_a_gigabyte_of_log_needs_little_memory(tmp_path: Path) -> None:
    said = Said(megabytes(b"log\n", 1024), [START, b"phase=ended\nlaunch=1\nlog_bytes=%d\n#end\n" % (1 << 30)])
    with LocalLog(str(tmp_path / "run.log")) as log, little_memory():
        claim = follow(Link(said), str, log, seconds=100.0, to_size_only=False)  # type: ignore[arg-type]
        assert claim.phase == "ended" and log.offset == 1 << 30


def test_answers_of_a_megabyte_are_read_in_time() -> None:
    with in_time(8.0):
        assert step_result_of({"exit_code": "0"}, "\n" * MEGABYTE).tail == ()
        assert len(step_result_of({"exit_code": "0"}, "x\n" * (MEGABYTE // 2)).tail) == 40
        assert len(step_result_of({"exit_code": "0"}, "\x1b]" * (MEGABYTE // 2)).tail) <= 1
        for text in ("=\n" * (MEGABYTE // 2), "a" * MEGABYTE + "=1"):
            with pytest.raises(ValueError):
                fields_of(text)


def test_a_step_result_is_the_end_of_what_was_printed() -> None:
    assert step_result_of({"exit_code": "0"}, "a\r\nb\n5%\r10%\n\x1b[m\n \n\n").tail == ("a", "b", "10%")


def test_a_greeting_names_a_bounded_number_of_tools() -> None:
    text = "pod_id=p\ncontainer=c\nclock=5\nepoch=1\n" + "".join(f"tool=t{n}\n" for n in range(900))
    assert len(greeting_of(text, "k").tools) <= 64
    with pytest.raises(ValueError):
        greeting_of(text + "tool=x\n" * 200_000, "k")


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        ("exit_code", ("-1", "256", "99999", "1.5", "nan")),
        ("log_bytes", ("-1", "-999", "1e3")),
        ("launch", ("-1",)),
    ],
)
def test_a_claim_holds_no_number_that_cannot_be(field: str, odd: tuple[str, ...]) -> None:
    for text in odd:
        with pytest.raises(ValueError):
            claim_of({"phase": "ended", "launch": "1", "exit_code": "0", field: text})


@pytest.mark.parametrize("odd", ["-1", "nan", "-inf", "inf", "1e300", "-1e11", "99999999999999999999999999"])
def test_times_that_cannot_be_are_none(odd: str) -> None:
    claim = claim_of({"phase": "running", "launch": "1", "started_at": odd, "ended_at": odd})
    assert (claim.started_at, claim.ended_at) == (None, None)
    assert step_result_of({"exit_code": "0", "seconds": odd}, "").seconds == 0.0
    with pytest.raises(ValueError):
        greeting_of(f"pod_id=p\ncontainer=c\nclock={odd}\nclock_s={odd}\nepoch=1", "k")
    for line in (f"gpus={odd}", f"epoch={odd}", f"anchor={odd} z"):
        with pytest.raises(ValueError):
            greeting_of(f"pod_id=p\ncontainer=c\nclock=5\nepoch=1\n{line}", "k")


def pushed(*answers: Said) -> Any:
    listing = Said([b"folder\0full\0f 644 5 5.0 a\0\0end\0"])
    pull = Pull("artifact", "/out", "s3://bucket/place", True)
    return push_out(Link(listing, *answers), pull, lambda **_: "true")  # type: ignore[arg-type]


def test_a_bucket_gets_no_path_that_nobody_can_open_and_it_is_named() -> None:
    deep = b"d/" * 300 + b"best.ckpt"
    fields = [b"folder", b"full", *(b"%s 644 5 5.0 %s\0" % each for each in ((b"f", b"a"), (b"f", deep)))]
    fields += [b"f 644 5 5.0 " + deep[:-4] + b"tmp\0", b"l 777 1 5.0 " + deep[:-4] + b"link\0a", b"end", b""]
    pull = Pull("artifact", "/out", "s3://bucket/place", True, ("*.tmp",))
    answers = Said([b"\0".join(fields)]), Said([b'rclone\n[{"Path":"a","Size":5}]'])
    asked: dict[str, Any] = {}

    def script(**order: Any) -> str:
        asked.update(order)
        return "true"

    done = push_out(Link(*answers), pull, script)  # type: ignore[arg-type]
    assert (done.files, done.refused, asked["names"], asked["is_all"]) == (1, 1, ["a"], False)
    assert done.refused_paths[0].startswith("d/d/d/")


def test_a_bucket_gets_files_in_place_of_links_that_lead_out() -> None:
    fields = [b"folder", b"full", b"f 644 5 5.0 a", b"", b"l 777 1 5.0 far", b"/cache/x", b"l 777 1 5.0 near", b"a"]
    listing = Said([b"\0".join([*fields, b"l 777 1 5.0 lost", b"/none", b"end", b""])])
    looked = Said([b"\0./far\x0081a4 7 1\n\0/cache/x\n\0./lost\0\0/none\n\0end\0"])
    held = Said([b'rclone\n[{"Path":"a","Size":5},{"Path":"far","Size":7}]'])
    asked: dict[str, Any] = {}

    def script(**order: Any) -> str:
        asked.update(order)
        return "true"

    link = Link(listing, looked, held)
    done = push_out(link, Pull("artifact", "/out", "s3://bucket/place", True), script)  # type: ignore[arg-type]
    assert (asked["names"], asked["is_all"], done.files, done.bytes) == (["a", "far"], False, 2, 12)
    assert (done.refused, done.left_out_links) == (0, ("lost -> /none (leads to nothing)",))


def test_a_bucket_gets_what_matches_and_not_the_folder_that_holds_it() -> None:
    listing, held = Said([b"folder\0full\0f 644 5 5.0 ./a\0\0end\0"]), Said([b'rclone\n[{"Path":"a","Size":5}]'])
    asked: dict[str, Any] = {}

    def script(**order: Any) -> str:
        asked.update(order)
        return "true"

    pull = Pull("artifact", "/out/a*", "s3://bucket/place", True, is_pattern=True)
    assert push_out(Link(listing, held), pull, script).files == 1  # type: ignore[arg-type]
    assert (asked["root"], asked["names"], asked["is_all"]) == ("/out", ["a"], False)


def test_a_bucket_that_holds_it() -> None:
    assert pushed(Said([b'rclone\n[{"Path":"a","Size":5}]'])).files == 1
    assert pushed(Said([b"aws\n2026-01-01 00:00:00    5 place/a\n"])).files == 1


@pytest.mark.parametrize(
    "text",
    [
        b'rclone\n[{"Path":"a","Size":4}]',
        b'rclone\n[{"Path":"b","Size":5}]',
        b'rclone\n[{"Path":"\xff","Size":5}]',
        b"rclone\n" + b"[" * 100_000,
        b'rclone\n[{"Path":"a","Size":1e999}]',
        b"aws\n2026-01-01 00:00:00 " + b"5" * 5000 + b" place/a\n",
        b"aws\n2026-01-01 00:00:00 5 places/a\n",
        b"",
    ],
)
def test_a_bucket_that_does_not(text: bytes) -> None:
    with pytest.raises((Refused, Unavailable)) as caught:
        pushed(Said([text]))
    assert caught.value.reason in (Fault.UNREADABLE, Fault.VERIFY_FAILED)


@pytest.mark.parametrize("piece", [b"rclone\n" + b"[", b"aws\n", b"x"])
def test_a_bucket_without_end(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpd.adapters.pod.bucket.LISTING_BYTES_MAX", 4 * MEGABYTE)
    with little_memory(), pytest.raises(Unavailable) as caught:
        pushed(Said(itertools.chain([piece], megabytes(b"x y 5 z\n", 60))))
    assert caught.value.reason == Fault.UNREADABLE
