"""A pod that refuses to be greeted: at once the end where no other host would do, and patience where it may pass."""

from __future__ import annotations

import pytest

from rpd.adapters.report.ending import last_words
from rpd.engine.decision import Do
from rpd.engine.errors import Refused, RpdError, Unavailable
from rpd.engine.runner import Ending
from rpd.states.boot import NO_SSHD_SECONDS
from rpd.states.connect import LASTING_SECONDS
from rpd.states.ports.names import Op
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob
from tests.states.test_large_records import RECYCLE, leave_paused

BOOT_SECONDS = 300.0
LASTING = [
    ("barred", "ssh_refused"),
    ("no_session", "ssh_refused"),
    ("no_tool", "ssh_refused"),
    ("read_only", "volume_refused"),
    ("disk_full", "volume_refused"),
]


def says(reason: str) -> RpdError:
    kind = Unavailable if reason in ("no_session", "ssh_unreachable") else Refused
    return kind(f"it says {reason}", reason=reason)


def played(*words: str, **config: object) -> tuple[FakeWorld, Ending, float]:
    """A run whose pods answer greetings so, one after another; how long its pods computed."""
    fake = FakeWorld(**config)  # type: ignore[arg-type]
    fake.remote.plans["greet"] = [says(word) for word in words]
    ending = fake.process()
    spans = [span for pod in fake.cloud.pods.values() for span in pod.billed]
    return fake, ending, sum((until or 0.0) - since for since, until in spans)


@pytest.mark.parametrize(("word", "reason"), LASTING)
def test_what_no_other_host_mends_ends_the_run_at_once(word: str, reason: str) -> None:
    fake, ending, seconds = played(*[word] * 1000)
    assert (ending.outcome, ending.reason, ending.exit_code) == ("refused", reason, 6)
    assert len(fake.cloud.pods) == 1 and fake.cloud.only().status == "TERMINATED"
    assert LASTING_SECONDS <= seconds < LASTING_SECONDS + 60.0
    assert fake.facts.ending.text == f"it says {word}"
    fake.assert_settled()


@pytest.mark.parametrize("word", [word for word, _ in LASTING])
def test_settings_that_a_start_script_is_still_writing_are_waited_for(word: str) -> None:
    fake, ending, _ = played(*[word] * 10)
    assert ending.outcome == "succeeded" and len(fake.cloud.pods) == 1


def test_one_refusal_of_each_kind_between_others_ends_nothing() -> None:
    fake, ending, _ = played(*["barred", "auth_refused"] * 40, "ssh_unreachable", "barred")
    assert ending.outcome == "succeeded" and len(fake.cloud.pods) == 1


def test_a_key_that_is_written_late_is_waited_for() -> None:
    fake, ending, seconds = played(*["auth_refused"] * 100)
    assert ending.outcome == "succeeded" and len(fake.cloud.pods) == 1
    assert seconds > 100.0


@pytest.mark.parametrize(("word", "reason"), [("auth_refused", "ssh_refused"), ("path_refused", "volume_refused")])
def test_what_never_passes_costs_the_time_to_boot_and_no_second_host(word: str, reason: str) -> None:
    fake, ending, seconds = played(*[word] * 1000)
    assert (ending.outcome, ending.reason) == ("refused", reason)
    assert len(fake.cloud.pods) == 1
    assert BOOT_SECONDS <= seconds < BOOT_SECONDS + 60.0
    assert fake.facts.ending.text == f"it says {word}"


@pytest.mark.parametrize("word", ["ssh_unreachable", "wrong_pod", "unreadable"])
def test_what_may_be_the_hosts_fault_goes_on_with_another_one(word: str) -> None:
    fake, ending, _ = played(*[word] * 1000)
    assert ending.reason == "hosts_never_booted" and len(fake.cloud.pods) == 2


def test_a_pod_that_was_taken_up_says_nothing_of_a_fresh_one() -> None:
    fake = FakeWorld(lifecycle=RECYCLE)
    leave_paused(fake, 1)
    old = fake.cloud.only()
    fake.remote.plans["greet"] = [says("barred")] * 1000
    fake.hear_decision = lambda decision: (
        fake.remote.plans.clear() if isinstance(decision, Do) and decision.op == Op.CREATE_POD else None
    )
    assert fake.process().outcome == "succeeded"
    assert not old.is_billing and len(fake.cloud.pods) == 2


def test_a_pod_whose_job_was_launched_is_never_given_up_for_its_sshd() -> None:
    """A container that was started anew bars us for some minutes; its results are fetched all the same."""
    fake = FakeWorld(FakeJob(seconds=1000.0))
    fake.clock.after(300.0, lambda: fake.cloud.renew_container(fake.cloud.only()))
    fake.remote.plans["greet"] = ["work", *[says("barred")] * 60]
    ending = fake.finish(fake.process())
    assert (ending.outcome, ending.reason) == ("lost", "job_lost") and len(fake.cloud.pods) == 1
    assert fake.facts.results.pulled and not fake.remote.plans["greet"]
    fake.assert_settled()


CLOSED = Unavailable("Connection refused", reason="ssh_unreachable", detail={"closed": True})
OWN_IMAGE = {"image": "me/train:1", "gpu_order": ["RTX A5000", "RTX 4090"]}
SILENT = Unavailable("no answer in time", reason="ssh_unreachable")


@pytest.mark.parametrize(
    ("answers", "reason", "pods"),
    [
        ([CLOSED], "image_failed", 1),
        ([SILENT], "hosts_never_booted", 2),
        ([CLOSED, CLOSED, SILENT], "hosts_never_booted", 2),  # a host whose network fails looks like that
    ],
)
def test_an_image_without_an_sshd_costs_no_second_host(answers: list[RpdError], reason: str, pods: int) -> None:
    """Whoever answers for the pod says each time that nobody listens; silence is no such word."""
    fake = FakeWorld(pod=OWN_IMAGE)
    fake.remote.plans["greet"] = answers * (1000 // len(answers))
    ending = fake.process()
    assert (ending.outcome, ending.reason, ending.exit_code) == ("refused", reason, 6)
    assert len(fake.cloud.pods) == pods
    words = "\n".join(last_words(fake.facts, fake.clock.now()))
    assert "no sshd has answered" in words and "pod.args" in words and "provider's words" not in words
    fake.assert_settled()


@pytest.mark.parametrize(
    ("pod", "pods"),
    [
        ({"image": "runpod/pytorch:2.4.0"}, 2),
        ({"image": "runpod/pytorch:2.4.0", "args": "sleep infinity"}, 1),
        ({"image": "me/runpod:1"}, 1),
    ],
)
def test_a_closed_port_of_an_image_that_starts_an_sshd_is_the_hosts_doing(pod: dict[str, str], pods: int) -> None:
    fake = FakeWorld(pod={"gpu_order": ["RTX A5000"], **pod})
    fake.remote.plans["greet"] = [CLOSED] * 1000
    assert fake.process().reason == ("hosts_never_booted" if pods == 2 else "image_failed")
    assert len(fake.cloud.pods) == pods


def test_an_sshd_that_has_answered_before_is_not_missing() -> None:
    fake = FakeWorld(pod=OWN_IMAGE)

    def hear(decision: object) -> None:
        if isinstance(decision, Do) and decision.op == Op.RUN_STEP and len(fake.cloud.pods) == 1:
            fake.cloud.renew_container(fake.cloud.only())
            fake.remote.plans["greet"] = [CLOSED] * 1000
        elif isinstance(decision, Do) and decision.op == Op.CREATE_POD:
            fake.remote.plans.clear()

    fake.hear_decision = hear
    assert (fake.process().outcome, len(fake.cloud.pods)) == ("succeeded", 2)


def test_an_sshd_that_is_still_being_installed_is_waited_for() -> None:
    fake = FakeWorld(budget={"ssh_ready_timeout_sec": 600})
    fake.remote.plans["greet"] = [CLOSED] * 150
    assert fake.process().outcome == "succeeded"
    assert len(fake.cloud.pods) == 1
    (begin, end), *_ = fake.cloud.only().billed
    assert (end or 0.0) - begin > NO_SSHD_SECONDS + 60.0


def test_a_closed_port_of_a_pod_that_was_taken_up_says_nothing_of_a_fresh_one() -> None:
    fake = FakeWorld(lifecycle=RECYCLE)
    leave_paused(fake, 1)
    fake.remote.plans["greet"] = [CLOSED] * 1000
    fake.hear_decision = lambda decision: (
        fake.remote.plans.clear() if isinstance(decision, Do) and decision.op == Op.CREATE_POD else None
    )
    assert fake.process().outcome == "succeeded" and len(fake.cloud.pods) == 2
