"""The port `Cloud` with every answer it can give, over the truth."""

from __future__ import annotations

from rpd.engine.errors import Ambiguous, NotSent, Refused, Unavailable
from rpd.states.ports.names import Op
from rpd.states.ports.world import DataCenter, Offer, Pod, PodLog, PodOrder
from tests.simulation.model.reality import Died, Reality, Violation
from tests.simulation.model.truth import (
    FOREIGN_ID,
    LATE_SECONDS,
    PodStatus,
    PodTruth,
    changed,
    foreign,
    halted,
    shown,
    started,
)

LIVE_PODS_MAX = 2
"""More pods of one run at once than this teach nothing new; the third create's answer is then always known."""
GPUS = ("RTX A5000", "RTX 4090")


class ModelCloud:
    """Reads may fail, refuse the key, or not show a young pod; effects may be refused, done or not done unheard of."""

    def __init__(self, reality: Reality) -> None:
        self.reality = reality

    def create(self, order: PodOrder) -> Pod:
        self.reality.effect(Op.CREATE_POD)
        many = sum(pod.may_compute for pod in self.reality.truth.pods) >= LIVE_PODS_MAX
        unheard = () if many else ("unknown, made", "unknown, lands later", "dies after it")
        answer = self.reality.ask(
            "ok", "no capacity", "key refused", "not sent", "unknown, not made", "dies before it", *unheard
        )
        self._refuse(answer, no_capacity="no capacity")
        if answer == "dies before it":
            raise Died
        if answer == "unknown, not made":
            raise Ambiguous("no answer", reason="timeout")
        life = PodStatus.LATE if answer == "unknown, lands later" else PodStatus.RUNNING
        number = order.name.rpartition("-a")[2]
        pod = PodTruth(f"pod{number}", order.name, tuple(order.env.items()), self.reality.at, life)
        self.reality.put(pod)
        if answer == "dies after it":
            raise Died
        if answer != "ok":
            raise Ambiguous("no answer", reason="timeout")
        return shown(pod)

    def get(self, pod_id: str) -> Pod | None:
        pod = self.reality.truth.find(pod_id)
        answer = self._read(pod)
        if pod is None or answer == "not shown yet":
            return None
        return self._show(pod)

    def list(self) -> tuple[Pod, ...]:
        pods = [pod for pod in self.reality.truth.pods if pod.life in (PodStatus.RUNNING, PodStatus.EXITED)]
        young = [pod for pod in pods if self._is_young(pod)]
        answer = self._read(young[0] if young else None)
        if answer == "not shown yet":
            pods = [pod for pod in pods if pod not in young]
        prefix = self.reality.truth.pods[0].name.rpartition("-a")[0] if self.reality.truth.pods else "rpd"
        return (*(self._show(pod, may_boot=False) for pod in pods), foreign(f"{prefix}-a1"))

    def start(self, pod_id: str) -> None:
        self._change(Op.START_POD, pod_id, "no free GPU")

    def stop(self, pod_id: str) -> None:
        self._change(Op.STOP_POD, pod_id, "key refused")

    def delete(self, pod_id: str) -> None:
        self._change(Op.DELETE_POD, pod_id, "key refused")

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        self._read(None)
        return tuple(Offer(gpu, "SECURE", 0.27) for gpu in GPUS)

    def cpu_offers(self) -> tuple[Offer, ...]:
        return self.offers(0)

    def datacenters(self) -> tuple[DataCenter, ...]:
        raise AssertionError("no job of the model names a data center")

    def network_volume_id(self, name: str) -> str | None:
        raise AssertionError("no job of the model has a network volume")

    def pod_log(self, pod_id: str, lines: int) -> PodLog:
        self._read(None)
        return PodLog(("pulling image",))

    # Inside.

    def _read(self, pod: PodTruth | None) -> str:
        hidden = ("not shown yet",) if pod is not None and self._is_young(pod) else ()
        answer = self.reality.ask("ok", "unreachable", "key refused", *hidden)
        self._refuse(answer)
        if answer == "unreachable":
            raise Unavailable("no answer", reason="timeout")
        return answer

    def _is_young(self, pod: PodTruth) -> bool:
        return not pod.was_shown and pod.container == 1 and self.reality.at - pod.sent_at < LATE_SECONDS

    def _show(self, pod: PodTruth, *, may_boot: bool = True) -> Pod:
        is_up = pod.is_up
        if may_boot and pod.life is PodStatus.RUNNING and not pod.is_up:
            is_up = self.reality.choices.pick("up", "still boots") == "up"
        pod = changed(pod, is_up=is_up, was_shown=True)
        self.reality.put(pod)
        return shown(pod)

    def _refuse(self, answer: str, *, no_capacity: str = "") -> None:
        if answer == "not sent":
            raise NotSent("no network", reason="not_sent")
        if answer == "key refused":
            raise Refused("the key is refused", reason="key_refused")
        if answer == "no free GPU":
            raise Refused("no free GPU", reason="start_refused", retryable=True)
        if no_capacity and answer == no_capacity:
            raise Refused("no capacity", reason="no_capacity")

    def _change(self, op: Op, pod_id: str, refusal: str) -> None:
        self.reality.effect(op)
        if pod_id == FOREIGN_ID:
            raise Violation(f"{op} of a pod of somebody else")
        if op is Op.DELETE_POD and pod_id in self.reality.spared:
            raise Violation(f"{op}: {self.reality.spared[pod_id]}")
        pod = self.reality.truth.find(pod_id)
        lies = [] if op is Op.START_POD else ["accepted, not done"]
        lies += [] if op is Op.DELETE_POD else ["not found, though it is there"]
        answer = self.reality.ask(
            "ok", refusal, *lies, "not sent", "unknown, done", "unknown, not done", "dies before it", "dies after it"
        )
        self._refuse(answer)
        if answer == "dies before it":
            raise Died
        if answer == "unknown, not done":
            raise Ambiguous("no answer", reason="timeout")
        if pod is None or answer == "not found, though it is there":
            if op is not Op.DELETE_POD:
                raise Refused("no such pod", reason="not_found")
        elif answer != "accepted, not done":
            self.reality.put(_AFTER[op](pod))
        elif op is Op.DELETE_POD:
            self.reality.put(changed(pod, is_doomed=True))
        if answer == "dies after it":
            raise Died
        if answer.startswith("unknown"):
            raise Ambiguous("no answer", reason="timeout")


_AFTER = {
    Op.START_POD: started,
    Op.STOP_POD: halted,
    Op.DELETE_POD: lambda pod: halted(pod, PodStatus.GONE),
}
