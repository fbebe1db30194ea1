"""What a contract test may do to a world besides calling its ports: wait, spoil things, and look at the truth.

Two worlds have one: the simulated cloud and pods (`simulated.py`) and the sandbox behind the shipped adapters
(`sandboxed.py`). Nothing here names how a world does it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rpd.adapters.local.dirs import new_token
from rpd.engine.errors import Unavailable
from rpd.states.ports.world import Cloud, JobRef, LaunchOrder, Pod, PodOrder, Remote, SshAddress, Target

T = TypeVar("T")

COMPUTING = ("PROVISIONING", "STARTING", "RUNNING", "ERROR")
KNOWN_START_IMAGE = "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04"
"""An image whose own start command is known, so that the switch can stand in front of it."""
OTHER_IMAGE = "acme/train:1"


class ContractWorld(Protocol):
    """One world, for one test.

    `cloud` and `remote` are the ports, as a run's lifecycle gets them; `run_id` and `token` those of that run. `gpu` is
    a GPU type on offer. `moment` is a short time in the world's own pace, in seconds: long enough to look twice within
    it. `folder` is the test's own on this machine.
    """

    cloud: Cloud
    remote: Remote
    run_id: str
    token: str
    gpu: str
    moment: float
    folder: Path

    # Time.

    def now(self) -> float:
        """UTC seconds of the world."""
        ...

    def until(self, look: Callable[[], T]) -> T:
        """The first truthy answer of `look`; time passes between looks, and a deadline ends it."""
        ...

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen while the test is inside a call."""
        ...

    def ask(self) -> None:
        """Somebody asks something of the run; it stays pending."""
        ...

    def ask_no_more(self) -> None:
        """It has been taken."""
        ...

    # The truth.

    def status(self, pod_id: str) -> str:
        """What the pod really is, whatever the API shows."""
        ...

    def billed(self, pod_id: str) -> float:
        """Seconds of compute on the bill so far."""
        ...

    def pods(self, name: str) -> list[str]:
        """Ids of all pods with this name that were ever made."""
        ...

    def starts(self, launch: int = 1) -> int:
        """How often this launch of the run's script was executed."""
        ...

    def runs(self, pod_id: str, command: str) -> int:
        """How often a command of `command` was run in the pod."""
        ...

    # Things with content.

    def command(self, exit_code: int = 0, *, seconds: float = 0.0) -> str:
        """A step's command that takes so long, prints "last line" and ends so."""
        ...

    def job(self, exit_code: int = 0, *, says: str = "hello", lasts: bool = False) -> str:
        """A job's script likewise: it prints `says` and ends; with `lasts` it runs on."""
        ...

    def local_file(self) -> str:
        """A local folder with one file of ten bytes in it."""
        ...

    def missing_path(self) -> str:
        """A path in pods where nothing is."""
        ...

    # Faults of the cloud. They last until `heal`.

    def refuse(self, call: str, reason: str) -> None:
        """`call` (a method of the cloud) is answered with a refusal for this reason."""
        ...

    def fail(self, call: str, reason: str) -> None:
        """`call` is not done and its answer is no answer, for this reason."""
        ...

    def unplug(self) -> None:
        """The cloud cannot be reached at all."""
        ...

    def heal(self) -> None:
        """No fault of the cloud any more."""
        ...

    # Faults of one call, the next of its kind.

    def lose_answer(self, call: str, reason: str) -> None:
        """It is done and its answer is lost."""
        ...

    def do_late(self, seconds: float) -> None:
        """The answer of a create is lost, and the pod is made so much later."""
        ...

    def ignore(self, call: str) -> None:
        """It is accepted and nothing is done."""
        ...

    def deny(self, call: str) -> None:
        """It is answered with "no such pod", and nothing is done."""
        ...

    def hide_young(self, seconds: float, *, from_list_only: bool = False) -> None:
        """Pods made from now on are not shown for so long after they were made."""
        ...

    # What befalls pods.

    def set_boot(self, seconds: float) -> None:
        """From now on sshd answers so long after a create or start."""
        ...

    def take_gpus(self) -> None:
        """The next start finds no free GPU on the host."""
        ...

    def somebody(self, what: str, pod_id: str) -> None:
        """Somebody else's hand: "stop" or "delete"."""
        ...

    def restart_container(self, pod_id: str) -> None:
        """The container ends by itself, and the provider starts it again in its place."""
        ...

    def cut(self, pod_id: str) -> None:
        """The SSH link to the pod is down: open connections break and new ones are refused. The pod lives."""
        ...

    def mend(self, pod_id: str) -> None:
        """The link is up again."""
        ...

    def break_pod_key(self, pod_id: str) -> None:
        """The pod's own key is refused when the pod next tries it."""
        ...


class Tenant:
    """What a test does in a world, in each of them alike."""

    def __init__(self, site: ContractWorld) -> None:
        self.site = site
        self.remote = site.remote

    @property
    def cloud(self) -> Cloud:
        """The port; another one after `unplug` and `heal`."""
        return self.site.cloud

    def order(self, **changes: Any) -> PodOrder:
        """An order of this run; the switch in its pods looks often."""
        usual: dict[str, Any] = {
            "name": f"rpd-job-{self.site.token}-a1",
            "image": OTHER_IMAGE,
            "gpu_id": self.site.gpu,
            "gpu_count": 1,
            "cloud": "SECURE",
            "datacenter_ids": (),
            "disk_gb": 20,
            "env": {"RPD_RUN_ID": self.site.run_id, "RPD_SWITCH_INTERVAL": "0.1"},
            "volume_gb": 20,
        }
        return PodOrder(**usual | changes)

    def rent(self, **changes: Any) -> Pod:
        """A pod, just ordered."""
        return self.cloud.create(self.order(**changes))

    def running(self, pod_id: str) -> Pod:
        """The pod once it runs and has an address."""

        def look() -> Pod | None:
            pod = self.cloud.get(pod_id)
            return pod if pod is not None and pod.status == "RUNNING" and pod.ssh is not None else None

        found = self.site.until(look)
        assert found is not None
        return found

    def up(self, **changes: Any) -> tuple[Target, Pod]:
        """A pod that answers over SSH, its key pinned."""
        return self.answering(self.rent(**changes).id)

    def answering(self, pod_id: str, **changes: Any) -> tuple[Target, Pod]:
        """The same of a pod that is there already."""

        def greet() -> tuple[Target, Pod] | None:
            pod = self.running(pod_id)
            try:
                greeting = self.remote.greet(self.target(pod_id, **changes), address(pod))
            except Unavailable:
                return None
            return self.target(pod_id, host_key=greeting.host_key, **changes), pod

        found = self.site.until(greet)
        assert found is not None
        return found

    def is_deaf(self, pod: Pod) -> bool:
        """Whether nobody answers at the pod's address."""
        try:
            self.remote.greet(self.target(pod.id), address(pod))
        except Unavailable as error:
            assert error.reason == "ssh_unreachable"
            return True
        return False

    def again(self, pod_id: str) -> tuple[Target, Pod]:
        """The pod stopped, started and answering."""
        self.cloud.stop(pod_id)
        self.cloud.start(pod_id)
        return self.answering(pod_id)

    def target(self, pod_id: str, **changes: Any) -> Target:
        """The pod as the run's own."""
        usual: dict[str, Any] = {
            "pod_id": pod_id,
            "pod_name": f"rpd-job-{self.site.token}-a1",
            "run_id": self.site.run_id,
            "epoch": 1,
            "folder": f"/workspace/.rpd/{self.site.run_id}",
        }
        return Target(**usual | changes)

    def launch_order(self, script: str, **changes: Any) -> LaunchOrder:
        """The job."""
        usual: dict[str, Any] = {
            "launch": 1,
            "script": script,
            "script_path": "/workspace/run.sh",
            "log_path": "/workspace/run.log",
            "env": {},
            "anchor_seq": 7,
            "anchor_z": "abc",
        }
        return LaunchOrder(**usual | changes)

    def ref(self, **changes: Any) -> JobRef:
        """The job as it is asked for."""
        return JobRef(**{"launch": 1, "log_path": "/workspace/run.log", **changes})

    def listed(self, name: str) -> list[str]:
        """Ids of the pods of this name in the account's list."""
        return sorted(pod.id for pod in self.cloud.list() if pod.name == name)


def address(pod: Pod) -> SshAddress:
    """Where it is reached."""
    assert pod.ssh is not None, pod
    return pod.ssh


def fresh_token() -> str:
    """A run's token."""
    return new_token()
