"""A container that will never start is told by the logs, and paid for no longer than it takes to read them."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.report.ending import last_words
from rpd.adapters.report.story import tell
from rpd.adapters.sandbox.cloud.faults import STUCK_LINES
from rpd.journal.records import Observation, Transition
from rpd.states.boot import NO_SSHD_SECONDS, cannot_start
from rpd.states.facts import Facts
from rpd.states.fold import apply
from rpd.states.lifecycle import JOB_LIFECYCLE
from rpd.states.ports.boot_signs import BootSign, Sign, find, is_of_image
from rpd.states.ports.names import Op, State, Trigger
from rpd.states.ports.world import PodLog
from tests.fakes.facts import facts_in
from tests.fakes.fake_world import FakeWorld
from tests.states.test_large_records import bodies
from tests.states.test_lives import ended

SIGNS = {
    "pull": Sign.PULL_LIMIT,
    "denied": Sign.PULL_DENIED,
    "manifest": Sign.NO_IMAGE,
    "arch": Sign.WRONG_PROCESSOR,
    "space": Sign.DISK_FULL,
    "cuda": Sign.OLD_DRIVER,
    "command": Sign.NO_COMMAND,
    "layer": Sign.HOST,
    "task": Sign.HOST,
}
DAEMON = "Error response from daemon"
BEGUN = "start container for runpod/pytorch: begin"


def stuck(
    *system: str, container: tuple[str, ...] = (), boots: tuple[float, ...] = (1e9, 20.0), **config: Any
) -> FakeWorld:
    fake = FakeWorld(**config)
    fake.cloud.boot_seconds = list(boots)
    fake.cloud.pod_logs = [PodLog(system, container)]
    return fake


@pytest.mark.parametrize("word", STUCK_LINES)
def test_what_a_line_is_a_sign_of(word: str) -> None:
    seen = find(["create container x", STUCK_LINES[word]], [])
    assert seen == BootSign(SIGNS[word], STUCK_LINES[word])
    assert is_of_image(seen, None) is (word not in ("layer", "task"))


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("Error response from daemon: toomanyrequests: too many failed login attempts", Sign.PULL_LIMIT),
        ("unauthorized: authentication required", Sign.PULL_DENIED),
        ("denied: requested access to the resource is denied", Sign.PULL_DENIED),
        ("exec /start.sh: exec format error", Sign.WRONG_PROCESSOR),
        ('exec: "python": executable file not found in $PATH: unknown', Sign.NO_COMMAND),
        ("Unsatisfied Condition: CUDA>=12.4", Sign.OLD_DRIVER),
        ("error pulling image: Error response from daemon: denied: denied", Sign.PULL_DENIED),
        ('failed to pull image: Head "https://ghcr.io/v2/t/a": 403 Forbidden', Sign.PULL_DENIED),
        ("error pulling image: denied: Your authorization token has expired.", Sign.PULL_DENIED),
        ('failed to resolve reference "docker.io/t/a:v9": docker.io/t/a:v9: not found', Sign.NO_IMAGE),
        ("exec /start.sh: permission denied", Sign.NO_COMMAND),
        ("failed to create shim task: mkdir /x: permission denied: unknown", Sign.HOST),
        (f"{DAEMON}: failed to create shim task: error mounting /x: permission denied: unknown", Sign.HOST),
        (f"error creating container: {DAEMON}: mkdir /var/lib/x: permission denied: unknown", Sign.HOST),
        (f'{DAEMON}: exec: "/start.sh": permission denied: unknown', Sign.NO_COMMAND),
        ("disk quota exceeded", Sign.DISK_FULL),
        ("error creating container: conflict", Sign.HOST),
        ("pulling image runpod/pytorch", None),
        ("net/http: TLS handshake timeout; retrying in 5 s", None),
        ("2b8cbd0846c5 Extracting [==>   ] 12MB/300MB", None),
        ("pull of registry.example.com/team/train:1: 401 MB of 2000 MB", None),
        ("pulling image: 2b8cbd0846c5: 1401 of 2000 MB", None),
        ("error pulling image: unexpected status: 401 Authorization Required", Sign.PULL_DENIED),
    ],
)
def test_lines_of_real_logs(line: str, sign: Sign | None) -> None:
    seen = find([line], [])
    assert (seen and seen.sign) == sign


def test_what_was_said_before_the_container_was_started_is_over() -> None:
    assert find([STUCK_LINES["pull"], "pulling image x", BEGUN], []) is None
    assert find([BEGUN, STUCK_LINES["task"]], []) is not None, "it is said after each start"


def test_the_container_itself_is_believed_only_where_its_programs_cannot_say_so() -> None:
    wrong = "exec /start.sh: exec format error"
    assert find([BEGUN], [wrong]) is None
    assert find([BEGUN], [wrong, wrong]) == BootSign(Sign.WRONG_PROCESSOR, wrong)
    gone = "exec /start.sh: no such file or directory"
    assert find([BEGUN], [gone]) is None
    assert find([BEGUN], [gone, gone]) == BootSign(Sign.NO_COMMAND, gone)
    tini = "[FATAL tini (7)] exec /start.sh failed: No such file or directory"
    assert find([BEGUN], [tini, tini]) == BootSign(Sign.NO_COMMAND, tini)
    assert find([BEGUN], [f"worker 1: {gone}"] * 9) is None
    assert find([BEGUN], ["cp: no space left on device"] * 9) is None
    assert find([BEGUN], ["toomanyrequests"] * 9) is None


def test_a_host_with_an_older_driver_than_was_asked_for_is_a_bad_host() -> None:
    seen = BootSign(Sign.OLD_DRIVER, STUCK_LINES["cuda"])
    assert is_of_image(seen, "12.4") and not is_of_image(seen, "12.8") and not is_of_image(seen, "12.11")


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("pull", "pod.registry_id"),
        ("denied", "pod.registry_id"),
        ("manifest", "rpd validate --online"),
        ("arch", "linux/amd64"),
        ("space", "raise pod.container_disk_gb above 20"),
        ("cuda", 'pod.min_cuda_version: "12.8"'),
        ("command", "pod.args"),
    ],
)
def test_a_fault_of_the_image_ends_the_run_within_seconds_with_its_advice(word: str, advice: str) -> None:
    fake = stuck(STUCK_LINES[word])
    assert ended(fake.process()) == ("refused", "image_failed", 6)
    fake.assert_settled()
    assert fake.cloud.only().status == "TERMINATED" and fake.cloud.only().billed[0][1] < 20.0  # type: ignore[operator]
    words = "\n".join(last_words(fake.facts, fake.clock.now()))
    assert STUCK_LINES[word][:60] in words and advice in words and "large images" not in words


@pytest.mark.parametrize("word", ["layer", "task"])
def test_a_fault_of_the_host_goes_on_to_the_next_one_at_once(word: str) -> None:
    fake = stuck(STUCK_LINES[word])
    fake.cloud.pod_logs = [PodLog((STUCK_LINES[word],)), PodLog(("pulling image",))]
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    first, _ = fake.cloud.pods.values()
    assert first.status == "TERMINATED" and first.billed[0][1] < 20.0  # type: ignore[operator]
    fake.assert_settled()


def test_hosts_that_cannot_start_it_are_told_by_the_last_ones_words() -> None:
    fake = stuck(STUCK_LINES["layer"], boots=(1e9,))
    assert ended(fake.process()) == ("refused", "hosts_never_booted", 6)
    assert len(fake.cloud.pods) == 2
    assert "layer does not exist" in "\n".join(last_words(fake.facts, fake.clock.now()))


@pytest.mark.parametrize("change", ["starts", "paused", "greeted_start", "launched"])
def test_a_pod_with_a_past_is_not_judged_by_its_log(change: str) -> None:
    facts = facts_in(State.BOOT)
    facts.container.boot_sign = BootSign(Sign.PULL_LIMIT, "x")
    pod = facts.pod
    assert pod is not None and cannot_start(facts) is not None
    if change == "launched":
        facts.launch.intended = True
    else:
        part = {"starts": pod, "paused": pod.origin, "greeted_start": pod.container}[change]
        setattr(part, change, 2 if change == "starts" else object())
    assert cannot_start(facts) is None, "its log tells of earlier starts, too, and there may be results in it"


def test_a_missing_sshd_is_told_after_two_minutes_and_at_the_end() -> None:
    fake = stuck(BEGUN, container=("no sshd here",), boots=(20.0,), budget={"ssh_ready_timeout_sec": 300})
    fake.remote.down_from, fake.remote.down_until = 0.0, 1e9
    assert ended(fake.process()) == ("refused", "hosts_never_booted", 6)
    said = [(record.at.wall, text) for record, text in told(fake) if text and "no sshd has answered" in text]
    connected = next(record.at.wall for record, _ in told(fake) if _is_move(record.body, Trigger.ADDRESS_KNOWN))
    assert NO_SSHD_SECONDS <= said[0][0] - connected <= NO_SSHD_SECONDS + 60.0
    words = "\n".join(last_words(fake.facts, fake.clock.now()))
    assert "no sshd has answered" in words and "pod.args" in words and "large images" not in words
    looks = bodies(fake, Observation, Op.READ_SYSTEM_LOG)
    assert looks[-1].data["container"] == ["no sshd here"]
    fake.assert_settled()


def _is_move(body: Any, trigger: Trigger) -> bool:
    return isinstance(body, Transition) and body.trigger == trigger


def told(fake: FakeWorld) -> list[tuple[Any, str | None]]:
    """Every record with the sentence about it."""
    records = fake.journal.records()
    facts: Facts = JOB_LIFECYCLE.new_facts(records[0].body, records[0].run)  # type: ignore[arg-type]
    found = []
    for record in records:
        apply(facts, record)
        found.append((record, tell(record, facts)))
    return found
