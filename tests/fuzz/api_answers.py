"""An API that answers anything: every call ends in its result or in an error of the tree, within its bounds, and no
text of it holds the key."""

from __future__ import annotations

import base64
import contextlib
import copy
import functools
import json
import logging
import random
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from rpd.adapters.local.own_log import ROOT
from rpd.adapters.runpod.balance import read_balance
from rpd.adapters.runpod.billing import pod_bill
from rpd.adapters.runpod.client import Limits, RunPodClient
from rpd.adapters.runpod.cloud import RunPodCloud
from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable
from rpd.journal.redact import Redactor, Secret
from rpd.states.ports.world import PodOrder

KEY = "rpa_Q7/x+0Zp9TheKeyThatNobodyMayEverSee"
OTHER = "hf_AnotherSecretOfThisVeryRun0042"
PIECE = 8
"""So many characters of a secret in a row are a part of it that is shown."""
LIMITS = Limits(answer_seconds=0.4, create_seconds=0.4, attempts=2, body_bytes=4_000_000)
SECONDS_MAX = 8.0
SENT_BYTES_MAX = 25_000_000
"""What a server gets rid of when its client stops reading at its limit: that, and what the system holds."""
POD: dict[str, Any] = {
    "id": "9kz2c1xq7hb3vd",
    "name": "rpd-train-tok-a1",
    "status": "RUNNING",
    "image": "runpod/pytorch:2",
    "mounts": {"persistent": {"size": 30, "path": "/workspace"}, "network": [{"volumeId": "v1"}]},
    "ports": ["22/tcp"],
    "env": {"RPD_RUN_ID": "r1"},
    "dataCenterId": "US-TX-3",
    "gpu": {"id": "NVIDIA RTX A5000", "count": 1},
    "ssh": {"direct": {"host": "203.0.113.7", "port": 17740, "username": "root"}},
    "runtime": {"ports": [{"private": 22, "public": 17740, "type": "tcp", "ip": "203.0.113.7"}]},
    "cost": 0.27,
    "createdAt": "2026-11-20T10:00:00Z",
}
VOLUME: dict[str, Any] = {"id": "v1", "name": "data", "size": 10, "dataCenter": "EU-RO-1", "type": "STANDARD"}
GPU: dict[str, Any] = {
    "id": "NVIDIA L4",
    "name": "L4",
    "memory": 24,
    "price": {"secure": 0.4, "community": 0.3, "securePerVcpu": 0.02},
    "maxCount": {"secure": 8},
    "availability": "HIGH",
    "dataCenters": [{"id": "EU-RO-1", "availability": "LOW"}],
}
CENTER: dict[str, Any] = {"id": "EU-RO-1", "gpuAvailability": [{"id": "NVIDIA L4", "availability": "LOW"}]}
BILL = {"records": [{"podId": "p1", "totalAmount": 1.5, "gpuAmount": 1.0}]}
PROBLEM = {"title": "No", "status": 400, "detail": "no instances currently available", "errors": ["$.gpu: missing"]}
ORDER = PodOrder(
    name="rpd-x-a1",
    image="i",
    gpu_id="NVIDIA L4",
    gpu_count=1,
    cloud="SECURE",
    datacenter_ids=(),
    disk_gb=20,
    env={"A": OTHER},
    ports=("22/tcp",),
    volume_gb=None,
    volume_path="/workspace",
    network_volume_id=None,
)
MONEY = {"data": {"myself": {"clientBalance": 12.5, "currentSpendPerHr": 0.4}}}
READS: dict[str, tuple[Callable[[RunPodCloud], Any], Any]] = {
    "get": (lambda cloud: cloud.get("p1"), POD),
    "list": (lambda cloud: cloud.list(), {"pods": [POD], "pagination": {"hasNextPage": True, "nextCursor": "c"}}),
    "offers": (lambda cloud: cloud.offers(2), {"gpus": [GPU]}),
    "cpu offers": (lambda cloud: cloud.cpu_offers(), {"cpus": [GPU]}),
    "gpu types": (lambda cloud: cloud.gpu_types(), {"gpus": [GPU]}),
    "volume id": (lambda cloud: cloud.network_volume_id("data"), {"networkVolumes": [VOLUME]}),
    "volume": (lambda cloud: cloud.volume("v1"), VOLUME),
    "mounts": (lambda cloud: cloud.mounts(), {"pods": [POD]}),
    "datacenters": (lambda cloud: cloud.datacenters(), {"dataCenters": [CENTER]}),
    "registries": (lambda cloud: cloud.registries(), {"registries": [{"id": "r", "name": "n"}]}),
    "template": (lambda cloud: cloud.has_template("t"), {"id": "t"}),
    "log": (lambda cloud: cloud.pod_log("p1", 10), {"line": "pulling image", "source": "system"}),
    "bill": (lambda cloud: pod_bill(cloud._client, "p1", since="2026-11-20T10:00:00Z"), BILL),
}
EFFECTS: dict[str, tuple[Callable[[RunPodCloud], Any], Any]] = {
    "create": (lambda cloud: cloud.create(ORDER), POD),
    "start": (lambda cloud: cloud.start("p1"), {}),
    "stop": (lambda cloud: cloud.stop("p1"), {}),
    "delete": (lambda cloud: cloud.delete("p1"), {}),
    "create volume": (lambda cloud: cloud.create_volume("n", 10, "EU-RO-1", "STANDARD"), VOLUME),
    "grow volume": (lambda cloud: cloud.grow_volume("v1", 20), VOLUME),
    "delete volume": (lambda cloud: cloud.delete_volume("v1"), {}),
}
SENT_ONCE = ("create", "create volume", "start", "stop")
STATUSES = (
    200, 200, 200, 201, 204, 206, 299, 301, 302, 304, 307, 400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422,
)  # fmt: skip
MORE_STATUSES = (*STATUSES, 429, 429, 451, 500, 502, 503, 504, 599, 600, 999)
ODD: list[Any] = [
    None, True, False, 0, -1, 10**30, 1e308, -0.0, "", " ", "x", "x" * 100_000, [], [[]], {}, {"": None},
    "\x00\x1b[2J\u202e", "NaN", "9" * 400, [1] * 1000, {"a": {"b": {"c": {}}}}, "../..", "2026-99-99T99:99:99Z",
    "é\u2028",
]  # fmt: skip
RAW = [
    b"NaN",
    b"1e999",
    b"-" + b"9" * 4000,
    b"[" * 50_000,
    b'{"a":' * 3000,
    b"\xff\xfe",
    b'"\\ud800"',
    b"'x'",
    b"01",
    b"\x00",
]
WAITS = [
    "0",
    "5",
    "-1",
    "1e9",
    "999999999",
    "9" * 5000,
    "soon",
    "",
    "Wed, 21 Oct 2199 07:28:00 GMT",
    "Wed, 99 Foo",
    "1;r=0",
    "\xff",
]
QUOTAS = [
    '"minute";r=0;t=30',
    '"minute";r=1;t=999999999',
    '"minute"',
    '"";r=;t=',
    '"minute";r=' + "9" * 40,
    '"m"' * 5000,
]


class Server:
    """Answers every request with what is in hand, byte for byte, and hangs up."""

    def __init__(self) -> None:
        self.answer: Callable[[], Iterator[bytes]] = lambda: iter(())
        self.requests = self.most_sent = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(OSError, ValueError):
                connection.settimeout(3.0)
                self._read(connection)
                self.requests += 1
                sent = 0
                for piece in self.answer():
                    connection.sendall(piece)
                    sent += len(piece)
                    self.most_sent = max(self.most_sent, sent)

    @staticmethod
    def _read(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (data := connection.recv(65536)):
            request += data
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length and (data := connection.recv(65536)):
            body += data


@functools.cache
def server() -> Server:
    """One for all cases of this process."""
    return Server()


def play(seed: int) -> None:
    """One call, answered with one mutated answer as often as it asks."""
    luck = random.Random(seed)
    name = luck.choice([*READS, *EFFECTS, "create", "delete", "balance"])
    if name == "balance":
        server().answer = functools.partial(_mutated, seed, MONEY, False)
        balance = read_balance(server().url, Secret(KEY), seconds=1.0)
        assert balance is None or balance.usd == balance.usd
        return
    call, body = (READS | EFFECTS)[name]
    server().answer = functools.partial(_mutated, seed, body, name == "log")
    server().requests = server().most_sent = 0
    waits: list[float] = []
    said: list[str] = []
    cloud = RunPodCloud(_client(waits, luck))
    began = time.monotonic()
    with _listening(said):
        try:
            result = call(cloud)
        except RpdError as error:
            said += _everything(error)
            _fits(name, error)
        else:
            said += [*result.system, *result.container] if name == "log" else []
        finally:
            cloud.close()
    assert time.monotonic() - began < SECONDS_MAX, "it took too long"
    assert server().most_sent < SENT_BYTES_MAX, "a body without an end is read on"
    assert sum(waits) <= LIMITS.wait_seconds * 210 + 11.0, waits
    if name in SENT_ONCE and not any(" 429 " in line for line in said):
        first = _line(seed, body, name == "log")
        conflict = 1 if name in ("start", "stop") else 0  # it then looks what the pod does
        assert b" 429" in first or server().requests <= 1 + conflict * LIMITS.attempts, "sent more than once"
    _hold_nothing_back_from(said)


def _client(waits: list[float], luck: random.Random) -> RunPodClient:
    return RunPodClient(
        server().url,
        Secret(KEY),
        interrupted=bool,
        wait=waits.append,
        random=luck,
        limits=LIMITS,
        redactor=Redactor(Secret(OTHER)),
    )


def _fits(name: str, error: RpdError) -> None:
    """An error that the port knows; for an effect, one that says no more than is proved."""
    assert error.reason and error.message, "an error without words"
    assert len(error.message) < 5000 and len(json.dumps(error.detail)) < 20_000, "an error of any size"
    assert error.retry_after is None or 0.0 <= error.retry_after < 1e10
    if name in READS:
        assert isinstance(error, Refused | Unavailable), error
        return
    assert isinstance(error, Refused | Ambiguous | NotSent), error
    assert not isinstance(error, NotSent), "every request arrived"
    status = error.detail.get("status")
    if isinstance(error, Refused):
        assert status is not None and 400 <= int(str(status)) < 500, f"{status} does not prove that nothing was done"


def _everything(error: BaseException) -> list[str]:
    """All an error could tell: texts, attributes, chain, printed traceback."""
    told = ["".join(traceback.format_exception(error))]
    chain: BaseException | None = error
    while chain is not None:
        told += [str(chain), repr(vars(chain)), repr(chain.args)]
        chain = chain.__cause__ or chain.__context__
    return told


def _hold_nothing_back_from(said: list[str]) -> None:
    for secret in (KEY, OTHER):
        forms = (secret, base64.b64encode(secret.encode()).decode(), quote(secret, safe=""), secret.encode().hex())
        for form in forms:
            pieces = {form[at : at + PIECE] for at in range(len(form) - PIECE + 1)}
            for text in said:
                found = next((piece for piece in pieces if piece in text), None)
                assert found is None, f"{found!r} of a secret is shown: {text[:300]!r}"


@contextlib.contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    """What is logged meanwhile."""

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    ears, log = Ears(), logging.getLogger(ROOT)
    level = log.level
    log.addHandler(ears)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(ears)
        log.setLevel(level)


# The answer, the same for every request of a case.


def _line(seed: int, body: Any, is_stream: bool) -> bytes:
    return next(_mutated(seed, body, is_stream), b"").partition(b"\r\n")[0]


def _mutated(seed: int, base: Any, is_stream: bool) -> Iterator[bytes]:
    luck = random.Random(seed * 31 + 7)
    status = luck.choice(MORE_STATUSES) if luck.random() < 0.7 else 200
    body = _body(luck, base if status < 300 and luck.random() < 0.9 else PROBLEM)
    if is_stream and luck.random() < 0.8:
        body = b"data: " + body.replace(b"\n", b" ") + luck.choice((b"\n\n", b"\r\n\r\n", b"\n")) * luck.choice((1, 3))
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "x-request-id": "req-7"}
    for _ in range(luck.choice((0, 0, 1, 2))):
        _header(luck, headers)
    how = luck.random()
    if 0.17 <= how < 0.19:
        headers.pop("Content-Length")  # up to the end of the connection, wherever that is
    line = f"HTTP/1.1 {status} x"
    if luck.random() < 0.04:
        line = luck.choice(
            ["HTTP/1.1", "HTTP/9.9 200 x", "200 OK", "", "HTTP/1.1 abc x", f"HTTP/1.1 {status} {KEY}", "\x00"]
        )
    head = "\r\n".join([line, *(f"{name}: {value}" for name, value in headers.items())]).encode("latin-1", "replace")
    if luck.random() < 0.03:
        yield head[: luck.randrange(len(head))]  # and hangs up
        return
    yield head + b"\r\n\r\n"
    if how < 0.15:
        yield body[: luck.randrange(len(body) + 1)]  # and hangs up
    elif how < 0.17:
        for at in range(40):  # slower than anybody waits
            yield body[at : at + 1] or b" "
            time.sleep(0.02)
    elif how < 0.19:
        yield from (b" " * 1_000_000 for _ in range(50))
    else:
        yield body


def _body(luck: random.Random, base: Any) -> bytes:
    value = json.loads(json.dumps(base))
    for _ in range(luck.choice((0, 1, 1, 2, 4))):
        value = _changed(luck, value)
    text = json.dumps(value, ensure_ascii=luck.random() < 0.5).encode("utf-8", "surrogatepass")
    kind = luck.random()
    if kind < 0.25:
        text = _quoting(luck, text)
    elif kind < 0.35:
        at = luck.randrange(len(text) + 1)
        text = text[:at] + luck.choice(RAW) + text[at + luck.randrange(3) :]
    elif kind < 0.4:
        text = luck.choice(
            [b"", b" ", b"null", b"[]", b'"x"', b"<html><title>Bad gateway</title></html>", b"error code: 1010"]
        )
    elif kind < 0.45:
        text = text.replace(b'"id": ', b'"id": "first", "id": ', 1)
    elif kind < 0.5:
        text = b"\xef\xbb\xbf" + text
    return text


def _quoting(luck: random.Random, text: bytes) -> bytes:
    """An answer that says a secret, as whoever echoes a request does, in some disguise and at some place."""
    secret = luck.choice((KEY, OTHER))
    form = luck.choice([
        secret,
        base64.b64encode(f"user:{secret}".encode()).decode(),
        quote(secret, safe=""),
        secret.encode().hex(),
        "".join(f"\\u{ord(char):04x}" for char in secret),
        secret.replace("/", "\\/"),
    ])  # fmt: skip
    words = f"{'y' * luck.choice((0, 60, 90, 170, 195, 380, 460, 490))} Bearer {form} "
    return luck.choice([
        b'{"detail": "%s"}' % words.encode(),
        b'{"title": "t", "errors": ["%s", "%s"]}' % (words.encode(), words.encode()),
        b'{"error": {"message": "%s"}}' % words.encode(),
        b"<html><title>%s</title>%s" % (words.encode(), words.encode()),
        b'{"line": "%s", "source": "system"}' % words.encode(),
        words.encode(),
        text[:-1] + b', "message": "%s"}' % words.encode(),
    ])  # fmt: skip


def _changed(luck: random.Random, value: Any) -> Any:
    """Something else at any path."""
    if isinstance(value, dict) and value and luck.random() < 0.85:
        key = luck.choice(list(value))
        if luck.random() < 0.15:
            del value[key]
        else:
            value[key] = _changed(luck, value[key])
        return value
    if isinstance(value, list) and value and luck.random() < 0.8:
        at = luck.randrange(len(value))
        if luck.random() < 0.2:
            times = luck.choice((2, 300))
            return value * (times if len(json.dumps(value)) * times < SENT_BYTES_MAX // 3 else 1)
        value[at] = _changed(luck, value[at])
        return value
    return copy.deepcopy(luck.choice(ODD))


def _header(luck: random.Random, headers: dict[str, str]) -> None:
    name, values = luck.choice([
        ("Retry-After", WAITS),
        ("RateLimit", QUOTAS),
        ("Date", ["", "yesterday", "Wed, 21 Oct 2015 07:28:00 GMT"]),
        ("Content-Length", ["0", "1", "999999", "-5", "x", "9" * 30]),
        ("Content-Encoding", ["gzip", "br", "identity", "x"]),
        ("Transfer-Encoding", ["chunked", "x"]),
        ("Location", ["/", "http://127.0.0.1:1/", f"https://e.example/{KEY}?k={KEY}", "\x1b[2J", "x" * 9000]),
        ("x-request-id", [f"{'z' * luck.choice((0, 70, 95))}{luck.choice((KEY, OTHER))}", "", "x" * 9000, "\xff"]),
        ("Set-Cookie", [f"a={KEY}"]),
        ("X" * luck.choice((10, 9000)), ["y" * luck.choice((10, 70000))]),
    ])  # fmt: skip
    headers[name] = luck.choice(values)
