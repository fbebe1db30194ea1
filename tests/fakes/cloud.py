"""A provider with behaviour: boot times, list lag, late creates, refusals, and a ledger that is the judge of every
test."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rpd.engine.errors import RpdError
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import DataCenter, Offer, Pod, PodLog, PodOrder, SshAddress
from tests.fakes.answers import READS, no_answer, refusal
from tests.fakes.clock import START_WALL, FakeClock
from tests.fakes.fuse import Fuse

CALLS_MAX = 40_000
LATENCY_SECONDS = 0.1
DROPPED_SECONDS = 25.0
"""How long a call takes of which every packet is lost: some attempts, each with its time."""

PLACES = ("EU-RO-1", "EU-SE-1", "US-TX-3")
"""Data centers that have stock of everything."""

# Shares of the boot time at which a new pod is pulling, runs, and shows its address; sshd answers at its end.
PULLING, CONTAINER, ADDRESS = 0.143, 0.571, 0.714


@dataclass
class FakePod:
    """One rented machine. `volume` survives a stop where one was ordered, `disk` lasts only as long as the container.
    `starts` counts its starts, which move it to another port, and `container` those of its container, which also ends
    by itself. Times are the world's."""

    id: str
    number: int
    order: PodOrder
    rate: float
    asked_at: float
    visible_at: float
    listed_at: float
    ready_at: float
    boot_seconds: float
    status: str = "RUNNING"
    starts: int = 1
    container: int = 1
    is_locked: bool = False  # as the API shows it; whether it is released all the same is a plan's matter
    key: int = 0  # another one is another host key of the same container
    twin_of: str | None = None  # the same create has made that one, whose id its answer named
    started_at: float = 0.0  # when the container of the last start comes up
    created_text: str = ""
    started_text: str | None = None  # `started_at` as the API shows it
    before_text: str | None = None  # until that one is up, the one before
    billed: list[list[float | None]] = field(default_factory=list)
    container_ends: dict[int, float] = field(default_factory=dict)
    volume: dict[str, object] = field(default_factory=dict)
    disk: dict[str, object] = field(default_factory=dict)

    @property
    def address(self) -> SshAddress:
        """Where sshd answers, or will answer, since the last start."""
        return SshAddress("192.0.2.1", 40000 + 100 * self.number + self.starts)

    @property
    def is_billing(self) -> bool:
        return bool(self.billed) and self.billed[-1][1] is None


class FakeCloud:
    """The port `Cloud`. `plans` holds, per call, what the next calls do instead of working (first in, first out)."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.volume_ids: dict[str, str] = {}  # name of a network volume -> its id
        self.fuse = Fuse()
        self.pods: dict[str, FakePod] = {}
        self.boot_seconds = [20.0]  # per create, the last one repeated
        self.lag_seconds = 0.0  # how long a young pod is denied
        self.list_lag_seconds = 0.0  # how long only the list leaves it out
        self.prices = {"RTX A5000": 0.27, "RTX 4090": 0.69}
        self.places: tuple[str, ...] = PLACES
        self.pod_logs = [PodLog(("pulling image",))]  # per look, the last one repeated
        self.plans: dict[str, list[Callable[[], None] | str]] = {}
        self.broken: dict[str, RpdError] = {}
        self.down_until, self.drops = 0.0, False
        self.calls = 0
        self.creates: list[str] = []
        self.container_begins: Callable[[FakePod], None] = lambda pod: None

    # What tests do to it.

    def close(self) -> None:
        """There is no connection to close."""

    def plan(self, call: str, *steps: Callable[[], None] | str | RpdError) -> None:
        """What the next calls of this name do: "work", "ambiguous" (done, answer lost), "nothing" (answer lost, not
        done), both with ":REASON" if need be, "late:SECONDS" (answer lost, done later), "ignored" (accepted, not
        done), "absent" (404, not done), "twin:SECONDS" (done twice; the second is shown later), or an error to
        raise."""
        self.plans.setdefault(call, []).extend(_raising(s) if isinstance(s, RpdError) else s for s in steps)

    def lose_api(self, seconds: float, *, drops: bool = False) -> None:
        """From now on no call gets through: connections are refused at once, or every packet is dropped."""
        self.down_until, self.drops = self.clock.real + seconds, drops

    def halt(self, pod: FakePod, status: str = "EXITED") -> None:
        """The pod stops computing, whoever asked for it."""
        if pod.is_billing:
            pod.billed[-1][1] = self.clock.real
        self._end_container(pod)
        pod.status = status

    def restart_container(self, pod: FakePod) -> None:
        """The container ends by itself and is started again in its place: what the API shows stays as it is."""
        self._end_container(pod)
        pod.container += 1
        self.container_begins(pod)

    def renew_container(self, pod: FakePod) -> None:
        """Somebody has the container made anew: the API shows when it was started."""
        self.restart_container(pod)
        pod.started_at = self.clock.real
        pod.started_text = _text(pod.started_at)

    def _end_container(self, pod: FakePod) -> None:
        pod.container_ends.setdefault(pod.container, self.clock.real)
        pod.disk.clear()
        if pod.order.volume_gb is None and pod.order.network_volume_id is None:
            pod.volume.clear()

    def make_twin(self, pod: FakePod, late_seconds: float) -> FakePod:
        """The create that made `pod` has made another, which the account shows only later."""
        twin = self._make(pod.order)
        twin.twin_of = pod.id
        twin.visible_at = twin.listed_at = self.clock.real + late_seconds
        return twin

    def only(self) -> FakePod:
        """The one pod there is or was."""
        (pod,) = self.pods.values()
        return pod

    @property
    def billing(self) -> list[str]:
        """Ids of pods that cost money for computing now."""
        return [pod.id for pod in self.pods.values() if pod.is_billing]

    # The port.

    def create(self, order: PodOrder) -> Pod:
        self.fuse.reach(f"before create {order.name}")
        self._call(way="create")
        self.creates.append(order.name)
        step, _, detail = self._step("create").partition(":")
        if (order.cpu_id or order.gpu_id) not in self.prices:
            raise refusal("create", "bad_request")
        if step == "nothing":
            raise no_answer("create", detail or "timeout")
        if step == "late":
            self.clock.after(float(detail), lambda: self._make(order))
            raise no_answer("create", "timeout")
        pod = self._make(order)
        self.fuse.reach(f"after create {order.name}")
        if step == "ambiguous":
            raise no_answer("create", detail or "connection_lost")
        if step == "twin":
            self.make_twin(pod, float(detail or 0.0))
        return self._view(pod)

    def get(self, pod_id: str) -> Pod | None:
        self._call("get")
        pod = self.pods.get(pod_id)
        return self._view(pod) if pod is not None and self._is_visible(pod) else None

    def list(self) -> tuple[Pod, ...]:
        self._call("list")
        now = self.clock.real
        return tuple(self._view(pod) for pod in self.pods.values() if self._is_visible(pod) and now >= pod.listed_at)

    def list_with_use(self) -> tuple[tuple[Pod, float | None], ...]:
        return tuple((pod, 50.0) for pod in self.list())

    def start(self, pod_id: str) -> None:
        self._effect("start", pod_id, self._start)

    def stop(self, pod_id: str) -> None:
        self._effect("stop", pod_id, self.halt)

    def delete(self, pod_id: str) -> None:
        self._effect("delete", pod_id, lambda pod: self.halt(pod, "TERMINATED"))

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        self._call("offers")
        return tuple(Offer(gpu, "SECURE", price) for gpu, price in self.prices.items())

    def cpu_offers(self) -> tuple[Offer, ...]:
        return self.offers(0)

    def datacenters(self) -> tuple[DataCenter, ...]:
        self._call("datacenters")
        return tuple(DataCenter(each, dict.fromkeys(self.prices, "HIGH")) for each in self.places)

    def volumes(self) -> tuple[Volume, ...]:
        self._call()
        return tuple(Volume(volume_id, name) for name, volume_id in self.volume_ids.items())

    def network_volume_id(self, name: str) -> str | None:
        self._call()
        return self.volume_ids.get(name)

    def pod_log(self, pod_id: str, lines: int) -> PodLog:
        self._call()
        return self.pod_logs[-1] if len(self.pod_logs) == 1 else self.pod_logs.pop(0)

    # Inside.

    def _call(self, name: str = "", *, way: str = "get") -> None:
        self.calls += 1
        assert self.calls < CALLS_MAX, "the run goes in circles"
        self.clock.advance(LATENCY_SECONDS)
        if self.clock.real < self.down_until:
            self.clock.advance(DROPPED_SECONDS if self.drops else 0.0)
            raise no_answer(way, "timeout" if self.drops and way in READS else "not_sent")
        if name in self.broken:
            raise self.broken[name]
        if name:
            self._step(name)

    def _step(self, call: str) -> str:
        if call in self.broken:
            raise self.broken[call]
        steps = self.plans.get(call)
        step = steps.pop(0) if steps else "work"
        if callable(step):
            step()
            return "work"
        return step

    def _effect(self, call: str, pod_id: str, change: Callable[[FakePod], None]) -> None:
        self.fuse.reach(f"before {call} {pod_id}")
        self._call(way=call)
        step, _, reason = self._step(call).partition(":")
        pod = self.pods.get(pod_id)
        if pod is None or not self._is_visible(pod) or step == "absent":
            if call == "delete":
                return  # 404: accepted, and nothing done
            raise refusal(call, "not_found")
        if step not in ("nothing", "ignored"):
            change(pod)
        self.fuse.reach(f"after {call} {pod_id}")
        if step in ("ambiguous", "nothing"):
            raise no_answer(call, reason or "server_error")

    def _start(self, pod: FakePod) -> None:
        if pod.status != "EXITED":
            return
        pod.status, pod.container, pod.starts = "RUNNING", pod.container + 1, pod.starts + 1
        pod.ready_at = self.clock.real + pod.boot_seconds
        pod.before_text = pod.started_text
        pod.started_at = self.clock.real + CONTAINER * pod.boot_seconds
        pod.started_text = _text(pod.started_at)
        self.container_begins(pod)
        pod.billed.append([self.clock.real, None])

    def _make(self, order: PodOrder) -> FakePod:
        number = len(self.pods)
        boot = self.boot_seconds[min(number, len(self.boot_seconds) - 1)]
        now = self.clock.real
        rate = self.prices[order.cpu_id or order.gpu_id] * (order.vcpu_count or order.gpu_count)
        lags = (now + self.lag_seconds, now + self.list_lag_seconds)
        pod = FakePod(f"pod{number + 1}", number, order, rate, now, *lags, now + boot, boot)
        pod.started_at = now + CONTAINER * boot
        pod.created_text, pod.started_text = _text(now), _text(pod.started_at)
        pod.billed.append([now, None])
        self.pods[pod.id] = pod
        self.container_begins(pod)
        return pod

    def _is_visible(self, pod: FakePod) -> bool:
        return pod.status != "TERMINATED" and self.clock.real >= pod.visible_at

    def _view(self, pod: FakePod) -> Pod:
        is_live = pod.status == "RUNNING"
        left = pod.ready_at - self.clock.real
        booted = 1.0 - left / pod.boot_seconds if is_live and left > 0.0 else 1.0
        is_up = is_live and booted >= CONTAINER
        return Pod(
            pod.id,
            pod.order.name,
            pod.status if is_up or not is_live else self._young_status(pod, booted),
            pod.order.image,
            pod.rate if is_live else 0.0,
            pod.order.env,
            pod.order.gpu_id,
            pod.order.gpu_count,
            pod.order.datacenter_ids[0] if pod.order.datacenter_ids else self.places[0],
            has_runtime=is_up,
            ssh=pod.address if is_live and booted >= ADDRESS else None,
            volume_gb=pod.order.volume_gb or 0,
            created_at=pod.created_text,
            started_at=pod.started_text if booted >= CONTAINER else pod.before_text,
            is_locked=pod.is_locked,
        )

    def _young_status(self, pod: FakePod, booted: float) -> str:
        return "PROVISIONING" if pod.starts == 1 and booted < PULLING else "STARTING"


@functools.lru_cache(maxsize=4096)
def _text(seconds: float) -> str:
    return datetime.fromtimestamp(START_WALL + seconds, UTC).isoformat(timespec="milliseconds")


def _raising(error: RpdError) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step
