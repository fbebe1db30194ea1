"""The simulated provider under the director: the fake cloud of the tests, with every call open to faults, foreign pods
in the account, and a ledger of who touched what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from rpd.engine.errors import Ambiguous, NotSent, Refused, Unavailable
from rpd.states.ports.world import DataCenter, Offer, Pod, PodLog, PodOrder
from tests.fakes.answers import no_answer, refusal
from tests.fakes.cloud import CALLS_MAX, DROPPED_SECONDS, LATENCY_SECONDS, FakeCloud, FakePod
from tests.simulation.verbose import at_length, length_of, lines_of

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

CANARY = "rpa_CANARY0123456789SECRET"
"""The API key of the simulated account; it must never be found in anything that is kept."""
PREFIX = "rpd-train-"
SHOWS_WITHIN_SECONDS = 150.0
"""What the protocol relies on: a create without an answer shows its pod within the quiet window, or never."""


class GoesInCircles(AssertionError):
    """The run makes calls without end."""


class SimCloud(FakeCloud):
    """The port `Cloud` of every laptop of one simulation. `touched` are ids of pods that an effect of ours reached."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim.clock)
        self.sim = sim
        self.prices = {"RTX A5000": 0.27, "RTX 4090": 0.69}
        self.boot_seconds = [10.0]  # every phase of it is seen, and few looks are wasted on waiting
        self.touched: list[tuple[str, str]] = []
        self.locked_until = self.sold_out_until = self.held_until = 0.0
        self.lag_until = self.lag_of_young = 0.0
        self.list_failed = False  # the last time that somebody asked for it
        self.shows_env = True
        self.mine: list[FakePod] = []
        self.sent_at: dict[str, float] = {}
        self.hidden_at: dict[str, float] = {}  # the last time that a list which lags behind left a pod out, by its id
        self.foreign = tuple(self._foreign(name, run) for name, run in self._neighbours(sim))

    def _neighbours(self, sim: Simulation) -> list[tuple[str, str]]:
        """Pods of others: the same workflow in another run, our very name for another run, and one that is no rpd's."""
        return [
            (f"{PREFIX}{'b' * 26}-a1", "train-20270115T080000Z-bbbbbb"),
            (f"{PREFIX}{'a' * 26}-a1", "train-20270115T080000Z-cccccc"),
            ("my-notebook", ""),
        ]

    def _foreign(self, name: str, run: str) -> str:
        env = {"RPD_RUN_ID": run} if run else {"JUPYTER": "1"}
        order = PodOrder(name, "image", "RTX A5000", 1, "SECURE", (), 20, env)
        pod = self._make(order)
        pod.visible_at = pod.listed_at = -1.0
        return pod.id

    def make_paused(self, order: PodOrder, status: str) -> FakePod:
        """A pod from before this run began: paused, gone, or started again by somebody."""
        pod = self._make(order)
        pod.visible_at = pod.listed_at = -1.0
        pod.ready_at = 0.0
        if status != "RUNNING":
            self._end_container(pod)
            pod.status = status
            pod.billed.clear()
        return pod

    def becomes_mine(self, pod_id: str) -> None:
        """The run has taken it over."""
        pod = self.pods[pod_id]
        if pod not in self.mine:
            self.mine.append(pod)

    # What the judge asks.

    def ours(self) -> list[FakePod]:
        """Pods that the run made, dead or alive."""
        return self.mine

    def bills(self) -> list[FakePod]:
        """Pods of the run that compute now."""
        return [pod for pod in self.mine if pod.is_billing]

    # The port.

    def create(self, order: PodOrder) -> Pod:
        sim = self.sim
        self._enter("create", effect=True)
        sim.oracle.before_effect("create_pod")
        step = sim.director.moment("call:create")
        if self.clock.real < self.sold_out_until:
            raise Refused("no instances currently available", reason="no_capacity", retryable=True)
        sim.oracle.before_create(order)
        self.creates.append(order.name)
        if (order.cpu_id or order.gpu_id) not in self.prices:
            raise refusal("create", "bad_request")
        if step == "undone":
            raise Ambiguous("no answer", reason="timeout")
        if step is not None and step.startswith("late:"):
            sent_at = self.clock.real
            self.clock.after(float(step[5:]), lambda: self._appear(order, sent_at))
            raise Ambiguous("no answer", reason="timeout")
        pod = self._appear(order, self.clock.real)
        word, _, reason = (step or "").partition(":")
        if word == "twin":
            self._appear_twin(pod, float(reason))
        sim.director.moment("effect:done")
        if word == "done":
            raise no_answer("create", reason or "connection_lost")
        return self._view(pod)

    def get(self, pod_id: str) -> Pod | None:
        self._enter("get")
        step = self.sim.director.moment("call:get")
        pod = self.pods.get(pod_id)
        if step == "missing" or pod is None or not self._is_visible(pod):
            return None
        view = self._view(pod)
        return msgspec.structs.replace(view, image=at_length(length_of(step))) if length_of(step) else view

    def list(self) -> tuple[Pod, ...]:
        self.list_failed = True
        self._enter("list")
        step = self.sim.director.moment("call:list")
        crowd = tuple(Pod(f"other{n}", f"other-{n}", "RUNNING") for n in range(int(length_of(step)) // 100))
        lagging = {pod.id for pod in self.pods.values() if self._lags(pod)}
        self.hidden_at.update(dict.fromkeys(lagging, self.clock.real))
        shown = [self._view(pod) for pod in self.pods.values() if self._is_visible(pod) and pod.id not in lagging]
        self.list_failed = False
        if step == "no_env":
            return tuple(Pod(pod.id, pod.name, pod.status, pod.image, pod.usd_per_hour) for pod in shown)
        return (*crowd, *shown)

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        self._enter("offers")
        times = 1 + int(length_of(self.sim.director.moment("call:offers"))) // 100
        return tuple(Offer(gpu, "SECURE", price) for gpu, price in self.prices.items()) * times

    def datacenters(self) -> tuple[DataCenter, ...]:
        self._enter("datacenters")
        return tuple(DataCenter(each, dict.fromkeys(self.prices, "LOW")) for each in self.places)

    def pod_log(self, pod_id: str, lines: int) -> PodLog:
        self._enter("pod_log", effect=None)
        step = self.sim.director.moment("call:pod_log")
        if length_of(step):
            return PodLog(lines_of(length_of(step), lines))
        return self.pod_logs[min(len(self.pods), len(self.pod_logs)) - 1]  # per pod, the last one repeated

    # Inside.

    def _enter(self, name: str, *, effect: bool | None = False) -> None:
        """Every call takes its time, and meets the troubles that last."""
        self.calls += 1
        if self.calls > CALLS_MAX:
            raise GoesInCircles("the run makes calls without end")
        self.sim.turn(LATENCY_SECONDS)
        self.sim.oracle.before_call()
        now = self.clock.real
        if effect is None:
            return
        if now < self.down_until:
            self.clock.advance(DROPPED_SECONDS if self.drops else 0.0)
            reason = "timeout" if self.drops and not effect else "not_sent"
            raise (NotSent if effect else Unavailable)(f"no route to the API with {CANARY}", reason=reason)
        if now < self.locked_until:
            raise Refused(f"401: {CANARY} is not a key", reason="key_refused")

    def _effect(self, call: str, pod_id: str, change: Callable[[FakePod], None]) -> None:
        sim = self.sim
        self._enter(call, effect=True)
        if call == "start":
            sim.oracle.before_effect("start_pod")
        step = sim.director.moment(f"call:{call}")
        pod = self.pods.get(pod_id)
        if call != "start" and pod is not None and pod.is_billing and self.clock.real < self.held_until:
            raise Refused(f"409: not now (key {CANARY})", reason="conflict", retryable=True)
        if pod is None or not self._is_visible(pod) or step == "unseen":
            if call == "delete":
                return  # 404: accepted, and nothing done
            raise Refused("no such pod", reason="not_found")
        if step == "undone":
            raise Ambiguous("no answer", reason="timeout")
        self.touched.append((call, pod_id))
        sim.oracle.before_touch(call, pod)
        if step == "lie":
            return
        if step is not None and step.startswith("slow:"):
            self.clock.after(float(step[5:]), lambda: change(pod))
            return
        change(pod)
        if step == "no_gpus":
            pod.volume["gpus"] = 0
        sim.director.moment("effect:done")
        if step == "done":
            raise Ambiguous("502 from the edge", reason="server_error")

    def _appear(self, order: PodOrder, sent_at: float) -> FakePod:
        pod = self._make(order)
        self.sent_at[pod.id] = sent_at
        self.mine.append(pod)
        self.sim.say(f"the cloud makes pod {pod.id} ({order.name[-3:]})")
        return pod

    def _appear_twin(self, pod: FakePod, late_seconds: float) -> None:
        """The account shows the second one that much later; whatever strikes "the pod" strikes the first one."""
        twin = self.make_twin(pod, late_seconds)
        self.sent_at[twin.id] = self.sent_at[pod.id]
        self.mine.insert(-1, twin)
        self.sim.say(f"the cloud makes pod {twin.id} as well, and shows it {late_seconds:g} s later")

    def _lags(self, pod: FakePod) -> bool:
        """A list that lags behind shows no young pods; every pod shows within the quiet window of its create."""
        if self.clock.real < pod.listed_at:
            return True
        age = self.clock.real - self.sent_at.get(pod.id, -1e9)
        return self.clock.real < self.lag_until and age < min(self.lag_of_young, SHOWS_WITHIN_SECONDS)

    def halt(self, pod: FakePod, status: str = "EXITED") -> None:
        if pod.status != "TERMINATED":  # a late stop does not raise the dead
            self.sim.say(f"pod {pod.id} is {status} now")
            super().halt(pod, status)

    def _start(self, pod: FakePod) -> None:
        if pod.status == "EXITED" and pod.volume.get("host_full_until", -1.0) > self.clock.real:  # type: ignore[operator]
            raise Refused("not enough free GPUs on the host", reason="start_refused", retryable=True)
        if pod.status == "EXITED":
            self.sim.say(f"pod {pod.id} starts")
            pod.volume.pop("gpus", None)
        super()._start(pod)
