"""Whatever a pod prints, its readers answer with a value that a journal can hold, or with an error of the port."""

from __future__ import annotations

import contextlib
import io
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.forensics.job_phases import steps_of
from rpd.adapters.forensics.samples import read_samples, sparkline
from rpd.adapters.forensics.timeline import wall_of
from rpd.adapters.pod.attention import Attention
from rpd.adapters.pod.bucket import push_out
from rpd.adapters.pod.remote import PodRemote
from rpd.adapters.report.log_tail import LogTail
from rpd.adapters.transfer.listing import DEPTH_MAX, PATH_BYTES_MAX, SIZE_MAX
from rpd.adapters.transfer.remote_tree import hash_files, list_tree
from rpd.engine.errors import RpdError
from rpd.journal import tolerant
from rpd.journal.codec import encode
from rpd.journal.records import Observation, Stamp
from rpd.states.ports.world import Claim, JobRef, LaunchOrder, Pull, SshAddress, Step, SwitchOrder, Target
from tests.fakes.clock import FakeClock, FakeControl
from tests.fakes.link import Link, Said
from tests.fuzz.mutation import pieces, spoiled

GREETING = (
    b"pod_id=pod1234567890a\ncontainer=0c1d-4711\nepoch=1\nclock=1767225600.123456789\nclock_s=1767225600\ngpus=2\n"
    b"tool=bash\ntool=flock\ntool=tar\nanchor=17 5f0c2a\n"
)
CLAIM = (
    b"phase=ended\nlaunch=1\nexit_code=0\nstarted_at=1767225600\nended_at=1767225700\nlog_bytes=4\n"
    b"note=the container was restarted while the job ran\nhas_marker=1\nfailure_marker=CUDA error\n"
)
FOLLOWER = b"phase=running\nlaunch=1\nlog_bytes=4\n\n#start\n0 4#size\n4 4#size\n" + CLAIM + b"\n#end\n"
ARMED = b"generation=3\nlimit_at=1767225600\nprobe=ok\nkind=start\npid=4711\n"
STEP = b"done=1\nexit_code=3\nseconds=12\n\nfirst\n 5%\r10%\n\x1b[31merror\x1b[0m\nlast\n"
FAULT = b"fault=taken_over\nmessage=a newer owner acts for this run\n"
FULL = b"folder\0full\0d 755 4096 1.5 \0\0f 644 5 1767225600.25 a b\0\0l 777 1 6.0 l\0a b\0s 644 0 5.0 s\0\0end\0"
PLAIN = b"folder\0plain\0.\0./a b\0./l\0\x0041ed 4096 1\n81a4 5 1767225600\na1ff 1 6\n\0./l\0a b\n\0end\0"
ONE = b"file\0full\0f 644 5 1767225600.25 \0\0end\0"
SUMS = b"%064d *./a b\n\\%064d *./back\\\\slash\\nline\n" % (1, 2)
RCLONE = b'rclone\n[{"Path":"a b","Name":"a b","Size":5,"IsDir":false}]\n'
AWS = b"aws\n2026-01-01 00:00:00          5 place/a b\n"
SAMPLES = b"1767225660\n" + b"".join(
    b'{"ts_utc":"2026-01-01T00:00:%02dZ","launch":1,"gpu_util_pct":0,"gpus":[{"index":0,"util_pct":0,"mem_used_mb":5,'
    b'"mem_total_mb":80000,"temp_c":30,"power_w":70.5}],"cpu_user_pct":1.5,"net_rx_bytes":%d}\n' % (second, second)
    for second in range(0, 60, 10)
)
LOG = b"one\n\x1b[31mtwo\r3\n__RUNPOD_STEP_START__a__\n__RUNPOD_STEP_DONE__a__\nDONE\n--- log restarted ---\n"
REAL = (GREETING, CLAIM, FOLLOWER, ARMED, STEP, FAULT, FULL, PLAIN, ONE, SUMS, RCLONE, AWS, SAMPLES, LOG)

TARGET = Target("pod1234567890a", "rpd-test", "run-1", 1, "/workspace/.rpd/run-1")
JOB = JobRef(1, "/workspace/run.log", "DONE", ("CUDA error",))
RECORD_BYTES_MAX = 64 * 1024


def play(seed: int) -> None:
    """One reader, one output."""
    chance = random.Random(seed)
    read = chance.choice(READERS)
    link = Link(*(Said(*_streams(chance, read), chance.choice((0, 0, 0, 0, 1, 3, 127, 255))) for _ in range(6)))
    with tempfile.TemporaryDirectory(prefix="rpd-fuzz-") as folder, contextlib.redirect_stderr(io.StringIO()):
        try:
            answer = read(link, Path(folder), chance)
        except RpdError as error:
            assert len(error.message) < 8000, f"an error of {len(error.message)} characters"
            return
        _check(answer)


def _streams(chance: random.Random, read: Callable[..., Any]) -> tuple[list[bytes], list[bytes]]:
    """What belongs to the reader, mostly; on stderr, too, for that is where a follower speaks."""
    usual = USUAL.get(read, REAL)
    text = chance.choice(usual if chance.random() < 0.9 else REAL)
    noise = FOLLOWER if read is _watch else b"find: ./x: Permission denied\n"
    return pieces(chance, spoiled(chance, text, REAL)), pieces(chance, spoiled(chance, noise, REAL))


def _check(answer: Any) -> None:
    """A journal can hold it, and gives it back."""
    record, line = encode(
        Observation("x", {"answer": msgspec.to_builtins(answer)}),
        seq=0,
        prev="0" * 32,
        run="r",
        epoch=1,
        at=Stamp(1.0, 1.0, "b"),
    )
    assert isinstance(record.body, Observation) and len(line) < RECORD_BYTES_MAX, f"a record of {len(line)} bytes"
    assert msgspec.convert(record.body.data["answer"], type(answer)) == answer, "a journal changes it"
    if isinstance(answer, Claim):
        assert answer.exit_code is None or 0 <= answer.exit_code <= 255
        assert answer.log_bytes >= 0 and answer.launch >= 0


def _remote(link: Link) -> PodRemote:
    pool: Any = link
    return PodRemote(pool, attention=Attention(FakeControl(FakeClock())), wall=lambda: 1767225600.0)


def _greet(link: Link, folder: Path, chance: random.Random) -> Any:
    return _remote(link).greet(TARGET, SshAddress("h", 22))


def _arm(link: Link, folder: Path, chance: random.Random) -> Any:
    return _remote(link).arm(TARGET, SwitchOrder(3, 2e9, "stop", 600.0, 1))


def _step(link: Link, folder: Path, chance: random.Random) -> Any:
    return _remote(link).run_step(TARGET, Step("setup-1", "setup command 1", "true", 0.0))


def _secrets(link: Link, folder: Path, chance: random.Random) -> Any:
    return _remote(link).place_secrets(TARGET, ())


def _launch(link: Link, folder: Path, chance: random.Random) -> Any:
    return _remote(link).launch(TARGET, LaunchOrder(1, "true", "/s", "/l", {}, 1, "z"))


def _claim(link: Link, folder: Path, chance: random.Random) -> Any:
    return _remote(link).read_claim(TARGET, JOB)


def _stop(link: Link, folder: Path, chance: random.Random) -> Any:
    return _remote(link).stop_job(TARGET, JOB, 5.0)


def _watch(link: Link, folder: Path, chance: random.Random) -> Any:
    remote = _remote(link)
    log = folder / "run.log"
    claim = remote.watch(TARGET, JOB, str(log), 0.0)
    steps_of(row for line in _lines(log.with_name("steps.jsonl")) if isinstance(row := tolerant.decode(line), dict))
    return claim


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def _idle(link: Link, folder: Path, chance: random.Random) -> Any:
    idle = _remote(link).idle_seconds(TARGET, 1, 10.0, 5.0, 600.0)
    assert idle is None or 0.0 <= idle < 1e12
    return idle


def _list(link: Link, folder: Path, chance: random.Random) -> Any:
    listing = list_tree(link, "/workspace/out")  # type: ignore[arg-type]
    for entry in listing.entries:
        assert 0 <= entry.size <= SIZE_MAX and abs(entry.mtime) <= 2**33 and 0 <= entry.mode <= 0o7777
        assert len(entry.path) <= PATH_BYTES_MAX and entry.path.count("/") < DEPTH_MAX
    return len(listing.entries)


def _hash(link: Link, folder: Path, chance: random.Random) -> Any:
    found = hash_files(link, "/workspace/out", ["a b", "back\\slash\nline"], 5)  # type: ignore[arg-type]
    assert set(found) <= {"a b", "back\\slash\nline"} and all(len(each) == 64 for each in found.values())
    return found


def _bucket(link: Link, folder: Path, chance: random.Random) -> Any:
    listing = Said([FULL])
    link = Link(listing, link.next_answer())
    pull = Pull("artifact", "/out", chance.choice(("s3://bucket/place", "gs://b", "r:x/")), True)
    pushed = push_out(link, pull, lambda **_: "true")  # type: ignore[arg-type]
    assert (pushed.files, pushed.bytes) == (1, 5)
    return pushed


def _samples(link: Link, folder: Path, chance: random.Random) -> Any:
    path = folder / "metrics.jsonl"
    path.write_bytes(spoiled(chance, SAMPLES, REAL))
    found = read_samples(path)
    for series in found.series():
        series.summary()
        sparkline(series.values, 10, ceiling=series.ceiling)
    assert found.seconds is None or found.seconds >= 0.0
    return [wall_of(row) for row in found.rows][:5]


def _tail(link: Link, folder: Path, chance: random.Random) -> Any:
    log = folder / "run.log"
    tail = LogTail(log)
    log.write_bytes(spoiled(chance, LOG, REAL))
    shown = []
    while tail.is_behind:
        shown += tail.new_lines(chance.choice((1, 10, 1000, 100_000)))
    assert not any((ord(char) < 32 and char not in "\t") or char == "\x7f" for line in shown for char in line)
    return shown[:1] and shown[0][:100]


READERS = (
    *(_greet, _arm, _step, _secrets, _launch, _claim, _stop, _watch, _watch, _idle),
    *(_list, _list, _hash, _bucket, _samples, _tail),
)
USUAL: dict[Callable[..., Any], tuple[bytes, ...]] = {
    _greet: (GREETING, GREETING, FAULT),
    _arm: (ARMED, ARMED, FAULT),
    _step: (STEP, STEP, b"busy=1\n", b"gone=1\n", FAULT),
    _secrets: (b"memory=1\n", FAULT),
    _launch: (CLAIM, CLAIM, FAULT),
    _claim: (CLAIM, CLAIM, FAULT),
    _stop: (CLAIM, CLAIM, FAULT),
    _watch: (LOG,),
    _idle: (SAMPLES,),
    _list: (FULL, PLAIN, ONE),
    _hash: (SUMS,),
    _bucket: (RCLONE, AWS),
}
