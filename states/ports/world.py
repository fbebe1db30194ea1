"""The ports that the lifecycle needs, and the structs that cross them. Adapters implement them; tests bring fakes with
behaviour.

Every method states whether it has a side effect. Errors are those of `rpd.engine.errors` with a `reason` from
`rpd.states.ports.faults.Fault`. No foreign exception (requests, paramiko, OSError) crosses a port.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import msgspec

from rpd.engine.ports import Clock
from rpd.journal.records import Data
from rpd.states.ports.job import Job, SecretFile
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.session import Served, Service

LEVELS = ("NONE", "LOW", "MEDIUM", "HIGH")
"""Words for stock, the worst first."""


class SshAddress(msgspec.Struct, frozen=True):
    """The outside address of a pod's sshd. It is valid only for the moment: it changes with every start."""

    host: str
    port: int
    username: str = "root"


class Pod(msgspec.Struct, frozen=True):
    """A pod as the cloud reports it now.

    `status` is the API's word (PROVISIONING, STARTING, RUNNING, EXITED, ERROR, TERMINATED, or an unknown one).
    `usd_per_hour` is the current compute rate, 0.0 when stopped. `has_runtime`: the container reported itself.
    """

    id: str
    name: str
    status: str
    image: str = ""
    usd_per_hour: float = 0.0
    env: dict[str, str] = {}
    gpu_id: str | None = None
    gpu_count: int = 0
    datacenter_id: str | None = None
    has_runtime: bool = False
    ssh: SshAddress | None = None
    volume_gb: int = 0
    created_at: str | None = None
    started_at: str | None = None
    is_locked: bool = False  # it cannot be stopped or deleted


class PodOrder(msgspec.Struct, frozen=True):
    """What to rent. Disk sizes are in GB. `args` replaces the image's CMD; None leaves it unchanged. A CPU pod has
    `cpu_id` and `vcpu_count` instead of the GPUs. With `template_id` the image may be empty.
    """

    name: str
    image: str
    gpu_id: str
    gpu_count: int
    cloud: str
    datacenter_ids: tuple[str, ...]
    disk_gb: int
    env: dict[str, str]
    ports: tuple[str, ...] = ("22/tcp",)
    volume_gb: int | None = None
    volume_path: str = "/workspace"
    network_volume_id: str | None = None
    args: str | None = None
    cpu_id: str | None = None
    vcpu_count: int = 0
    template_id: str | None = None
    registry_id: str | None = None
    min_cuda_version: str | None = None
    allowed_cuda_versions: tuple[str, ...] = ()
    min_memory_gb_per_gpu: int | None = None
    min_vcpus_per_gpu: int | None = None


class Offer(msgspec.Struct, frozen=True):
    """A GPU type (or CPU flavor) in a cloud, with its list price for one GPU or vCPU ($/h) and its stock (a hint, never
    a reservation). `name` is the name for people. `memory_gb` is the memory of one GPU. A type that is not sold in this
    cloud is listed all the same, without `is_sold`.
    """

    gpu_id: str
    cloud: str
    usd_per_hour: float | None
    availability: str = "UNKNOWN"
    datacenter_ids: tuple[str, ...] = ()
    name: str = ""
    memory_gb: int | None = None
    is_sold: bool = True


class DataCenter(msgspec.Struct, frozen=True):
    """A data center. `stock` is NONE, LOW, MEDIUM or HIGH by GPU type or CPU flavor; it is a hint. `volume_types` are
    its kinds of network volumes; None if they are not known. `name` and `region` are for people.
    """

    id: str
    stock: dict[str, str] = {}
    volume_types: tuple[str, ...] | None = None
    name: str = ""
    region: str = ""


class PodLog(msgspec.Struct, frozen=True):
    """Last lines, oldest first. `system` is the provider's log about the pod, `container` is the output of the
    container.
    """

    system: tuple[str, ...] = ()
    container: tuple[str, ...] = ()


class Cloud(Protocol):
    """The provider. Mutations raise Refused, NotSent or Ambiguous; reads raise Refused (key) or Unavailable."""

    def create(self, order: PodOrder) -> Pod:
        """Effect, not idempotent: rent a pod. It is sent once. Only after a 429 it is sent again, because a 429 proves
        that nothing was created.
        """
        ...

    def get(self, pod_id: str) -> Pod | None:
        """Read one pod. None if the API says that there is none (this proves nothing for a young pod)."""
        ...

    def list(self) -> tuple[Pod, ...]:
        """Read all pods of the account, all pages."""
        ...

    def start(self, pod_id: str) -> None:
        """Effect: start a stopped pod. Refused with `start_refused` if its host has no free GPU."""
        ...

    def stop(self, pod_id: str) -> None:
        """Effect, idempotent: stop a pod. A pod that is already stopped counts as done."""
        ...

    def delete(self, pod_id: str) -> None:
        """Effect, idempotent: delete a pod. 404 counts as accepted, never as proof."""
        ...

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        """Read list prices and stock of all GPU types, one entry for each GPU type and cloud, sold there or not."""
        ...

    def datacenters(self) -> tuple[DataCenter, ...]:
        """Read all data centers with their stock."""
        ...

    def cpu_offers(self) -> tuple[Offer, ...]:
        """Read list prices per vCPU and stock of all CPU flavors; `gpu_id` holds the flavor's id."""
        ...

    def network_volume_id(self, name: str) -> str | None:
        """Read: the id of the network volume with this name or id; None if there is none."""
        ...

    def pod_log(self, pod_id: str, lines: int) -> PodLog:
        """Read the last lines of both logs of this pod; empty if the cloud cannot answer in a few seconds."""
        ...


class Target(msgspec.Struct, frozen=True):
    """The pod that a remote call means. The adapter finds the address itself, again for every connect.

    `host_key` is the pinned SHA256 fingerprint ("SHA256:...") of this pod's current start, None until the first
    greeting. `folder` is the run's own folder in the pod: `<volume path>/.rpd/<run_id>`. `owner` is the checksum of the
    record that began the epoch. So it stands for one process: a journal that is copied and resumed twice has two owners
    in one epoch.
    """

    pod_id: str
    pod_name: str
    run_id: str
    epoch: int
    folder: str
    host_key: str | None = None
    owner: str = ""


class Greeting(msgspec.Struct, frozen=True):
    """What a pod says about itself over SSH.

    `pod_id` is RUNPOD_POD_ID of its first process. `gpus` is the number of GPUs that nvidia-smi lists (None: no
    nvidia-smi). `container` names this start of the container (it changes with each restart). `tools` are the helpers
    that exist there. `epoch` is the highest owner epoch seen in the run's folder. `anchor_seq`/`anchor_z` are the
    journal head recorded there at launch, if any. `lacks` is what the volume refuses: "chmod", "rename" (over a file)
    or "flock".
    """

    host_key: str
    pod_id: str
    container: str
    clock: float
    gpus: int | None = None
    tools: tuple[str, ...] = ()
    epoch: int = 0
    anchor_seq: int | None = None
    anchor_z: str | None = None
    lacks: tuple[str, ...] = ()


class SwitchOrder(msgspec.Struct, frozen=True):
    """The orders of the dead-man's switch: release the pod at `limit_at` (UTC seconds), or when the job has ended and
    its owner has been silent for `owner_silence_seconds`. `action` is what it then does: "stop" or "terminate".
    Launch 0 stands for no job: the owner alone counts.
    """

    generation: int
    limit_at: float
    action: str
    owner_silence_seconds: float
    launch: int


class Armed(msgspec.Struct, frozen=True):
    """The switch as read back from the pod. `probe` is "ok" if its own key was accepted for its own pod, else the
    reason why not. `is_restart_proof`: it runs from the start command.
    """

    generation: int
    limit_at: float
    probe: str
    is_restart_proof: bool
    pid: int | None = None


class Step(msgspec.Struct, frozen=True):
    """One command of setup or preflight. `key` identifies it for resume. The env values are exported before it runs.

    If `python` names a version, the step installs this interpreter with uv, and uv itself if it is missing. It pins the
    interpreter in the folder `project` if there is one. The last line it prints is then the version that the
    interpreter reports.

    A step is done once for each `round`. rpd waits for a step that still runs from an earlier round, then runs it
    again. If `blames_host` is set, the host is the cause of a failure.
    """

    key: str
    label: str
    command: str
    timeout_seconds: float
    env: dict[str, str] = {}
    python: str = ""
    project: str = ""
    round: int = 0
    blames_host: bool = False

    @property
    def done_key(self) -> str:
        """The key under which a finished step is noted."""
        return f"{self.key}-{self.round}" if self.round else self.key


class StepResult(msgspec.Struct, frozen=True):
    """`exit_code` of the command (124 if its time was up and it was killed) and the last lines that it printed."""

    exit_code: int
    tail: tuple[str, ...] = ()
    seconds: float = 0.0


class Tree(msgspec.Struct, frozen=True):
    """A local folder or file to push. `delete` removes files at the destination that are not in the source, but spares
    the paths in `spared` within the destination.

    With `includes`, only matching files belong to the tree. With `gitignore`, git decides what belongs to it. Other
    files are neither sent nor removed. A missing optional tree is no error. `runs` is the local folder with the
    project's runs: its content is sent only if the source is that folder or lies in it, or if `includes` name it.
    """

    label: str
    source: str
    destination: str
    excludes: tuple[str, ...] = ()
    delete: bool = False
    gitignore: bool = False
    is_optional: bool = False
    includes: tuple[str, ...] = ()
    runs: str = ""
    spared: tuple[str, ...] = ()


class Holder(msgspec.Struct, frozen=True):
    """Another run that holds a destination on a network volume, as its lease there says. `destination` is relative to
    the mount. `lease` names this very lease. `pod_id` is the pod that took it. `mark` stands for the names of that
    run's pods (`name_mark`).
    """

    lease: str
    run_id: str
    pod_id: str
    mark: str = ""
    destination: str = msgspec.field(default="", name="place")


def name_mark(pod_name: str) -> str:
    """One mark for all pods of one run. It is not a name itself, because names in a damaged journal lead to the pods of
    its run.
    """
    attempts = pod_name.rpartition("-a")[0]
    return hashlib.sha256(attempts.encode()).hexdigest()[:32] if attempts else ""


class Pushed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a push moved: all files of the tree, and the part that had to be sent. Sizes in bytes. `skipped` counts
    sockets, pipes and devices, which cannot be sent. The first of them are named.
    """

    files: int
    bytes: int
    sent_files: int
    sent_bytes: int
    manifest_sha256: str
    skipped: int = 0
    skipped_paths: tuple[str, ...] = ()


class LaunchOrder(msgspec.Struct, frozen=True):
    """The job: `script` is written to `script_path` and executed there exactly once for each (run, launch).

    `anchor_seq`/`anchor_z` are the journal's head. They are left in the claim folder, so that a shortened journal is
    detected.
    """

    launch: int
    script: str
    script_path: str
    log_path: str
    env: dict[str, str]
    anchor_seq: int
    anchor_z: str
    success_marker: str | None = None
    failure_markers: tuple[str, ...] = ()
    sample_seconds: int = 0  # between two samples of the pod; 0: no samples
    captures: tuple[str, ...] = ()  # what is described at the beginning and the end
    background: str = ""  # of what the script leaves, wait for: "auto", "never" or "always"; empty: not checked
    keeps_left: bool = False  # processes that are not waited for are not ended either
    results: tuple[str, ...] = ()  # folders and files in the pod where a left-behind process may write results
    shell: str = ""  # the command that runs the script; empty: bash or sh, with pipefail if available

    @property
    def ref(self) -> JobRef:
        """This launch, and what to look for in its log."""
        return JobRef(self.launch, self.log_path, self.success_marker, self.failure_markers)


class JobRef(msgspec.Struct, frozen=True):
    """The launch that is meant, and what to look for in its log: fixed words, anywhere in a line."""

    launch: int
    log_path: str
    success_marker: str | None = None
    failure_markers: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """The claim folder in the pod. It is the truth about a launch.

    `phase`: "none" (never claimed), "claimed" (claimed, but the script was not started), "running", "ended" (exit code
    known), "lost" (started, no process left, no exit code). `log_bytes` is the present size of the log. Times are UTC
    seconds of the pod's clock.
    `has_marker` is None while the job runs, or if no marker was asked for. `failure_marker` is the first of the
    requested failure markers in the log of an ended job. `heard` are markers that appeared while a running job's log
    was streamed.
    `body_code` is the exit code of a script that has ended and left processes in the background that rpd waits or
    waited for. `waits_for` says what and why. `is_vain`: none of these processes has shown that it works (they were
    only started to outlive the script). `left` ("<count> <names>") was not waited for. `unknown` has the same form;
    these processes may not belong to the job.
    `disk_was_full`: the disk of the log had no room when the job ended.
    """

    phase: str
    launch: int
    exit_code: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    log_bytes: int = 0
    has_marker: bool | None = None
    note: str = ""
    failure_marker: str | None = None
    heard: tuple[str, ...] = ()
    body_code: int | None = None
    waits_for: str = ""
    is_vain: bool = False
    left: str = ""
    unknown: str = ""
    disk_was_full: bool = False


class Pull(msgspec.Struct, frozen=True):
    """A remote folder or file to fetch into a local path (absolute). `delete`: in a folder, local files that are not in
    the pod are removed after all has arrived; excluded files stay.

    With `is_pattern` the remote path names all that matches it (`*`, `?`, `[..]`), and the local path is a folder.
    `links` says how to treat links that lead out of it (`follow`, `keep`, `skip`). Followed links bring up to
    `links_max_bytes`, and never one of the `private` files of the pod.

    If `local_path` is a bucket (`rpd.states.ports.job.is_away`), the pod itself pushes to it. There `env` is exported
    and `source_files` are sourced first.
    """

    label: str
    remote_path: str
    local_path: str
    required: bool
    excludes: tuple[str, ...] = ()
    delete: bool = False
    env: dict[str, str] = {}
    source_files: tuple[str, ...] = ()
    links: str = "follow"
    links_max_bytes: int = 10_000_000_000
    private: tuple[str, ...] = ()
    is_pattern: bool = False


class Pulled(msgspec.Struct, frozen=True):
    """What a pull brought. `is_missing`: nothing was at the remote path. `is_empty`: a folder without one file.

    Verified means: every file's size and sha256 equal what the pod said before sending. A bucket reports only sizes:
    there every file's size is equal, and `manifest_sha256` is empty. `refused` counts paths that may not be created
    there, now or later; `refused_paths` are the first of them; all others arrived. `left_out` counts links that could
    not be fetched; `left_out_links` are the first of them, with the reason.
    """

    label: str
    is_missing: bool
    files: int = 0
    bytes: int = 0
    manifest_sha256: str = ""
    refused: int = 0
    refused_paths: tuple[str, ...] = ()
    is_empty: bool = False
    left_out: int = 0
    left_out_links: tuple[str, ...] = ()


def refusal(pulled: Pulled) -> str:
    """Which paths were left out, for a person."""
    shown = _first(pulled.refused_paths, pulled.refused, ", ")
    noun = "path" if pulled.refused == 1 else "paths"
    return f"{pulled.label} arrived but for {pulled.refused} {noun} that may not be created at the destination: {shown}"


def left_out(pulled: Pulled) -> str:
    """Which links were left out, for a person."""
    shown = _first(pulled.left_out_links, pulled.left_out, "; ")
    noun = "link was" if pulled.left_out == 1 else "links were"
    return f"{pulled.label}: {pulled.left_out} {noun} left out: {shown}"


def not_sent(pushed: Pushed) -> str:
    """Which paths no push can send, for a person."""
    shown = _first(pushed.skipped_paths, pushed.skipped, ", ")
    noun = "socket, pipe or device was" if pushed.skipped == 1 else "sockets, pipes or devices were"
    return f"{pushed.skipped} {noun} left out: {shown}"


def _first(names: tuple[str, ...], count: int, between: str) -> str:
    """The first few of `count` things, of which some are named."""
    return between.join(names[:5]) + (f"{between}..." if count > 5 else "")


class Remote(Protocol):
    """The inside of a pod over SSH: one connection, opened on demand, reused, dropped after a clock jump.

    Reads raise Unavailable (`ssh_unreachable`, `link_lost`, `no_session`, `barred`) or Refused (`host_key_changed`,
    `wrong_pod`, `auth_refused`, `barred`). Effects raise NotSent, Refused or Ambiguous likewise. Long calls raise
    Interrupted if control asks for it.
    """

    def greet(self, target: Target, address: SshAddress) -> Greeting:
        """Connect (a fresh connection, pinning its host key) and read the greeting. Mark the epoch in
        the run's folder.
        """
        ...

    def arm(self, target: Target, order: SwitchOrder) -> Armed:
        """Effect, idempotent: write the switch's orders, start it if it does not run, probe its key, read all back."""
        ...

    def attend(self, target: Target, services: tuple[Service, ...]) -> tuple[Served, ...]:
        """Read: renew the owner heartbeat, see to it that a local port leads to each of these ports of the pod, and ask
        each service over it. One answer for each service, in their order. A service that does not answer yet is no
        error. The local ports end with this process.
        """
        ...

    def run_step(self, target: Target, step: Step) -> StepResult:
        """Effect: run one command. It is killed in the pod when its time is up. A step that was done under the same key
        in this round is not repeated.
        """
        ...

    def place_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> bool:
        """Effect, idempotent: write the files with values from this machine, into the pod's memory if possible (a link
        stands at the destination). Returns whether all of them are in memory, which ends with the container. Raises
        Refused `secret_missing` before anything is sent.
        """
        ...

    def remove_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> None:
        """Effect, idempotent: remove the files, and check that none is left. Returns soon if the pod
        does not answer.
        """
        ...

    def take_lease(self, target: Target, destinations: tuple[str, ...], gone: tuple[str, ...]) -> tuple[Holder, ...]:
        """Effect, idempotent: hold these destinations of the volume, relative to its mount, for this run and pod. If
        another run holds one of them, or something in it or around it, return these holders and hold none. Leases in
        `gone` do not count.
        """
        ...

    def drop_lease(self, target: Target) -> None:
        """Effect, idempotent: give up all destinations of this run on the volume. Returns soon if the pod does not
        answer.
        """
        ...

    def push(self, target: Target, tree: Tree) -> Pushed:
        """Effect, idempotent: make the destination equal to the source by sending the differences."""
        ...

    def launch(self, target: Target, order: LaunchOrder) -> Claim:
        """Effect, exactly once for each (run, launch): claim, write the script, start it detached. The loser of the
        claim reads it.
        """
        ...

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        """Read the claim folder."""
        ...

    def watch(self, target: Target, job: JobRef, log_file: str, seconds: float) -> Claim:
        """Read: append new log bytes to the local `log_file` (its size is the cursor) until the job ends, `seconds`
        pass, another marker shows or control wakes us. Keeps the owner heartbeat fresh. Returns the claim as last seen.
        """
        ...

    def idle_seconds(
        self, target: Target, launch: int, interval: float, threshold_pct: float, grace_seconds: float
    ) -> float | None:
        """Read: how long the pod has been idle, by the samples of this launch up to the newest one. They are taken
        every `interval` seconds. None if the newest one is old, or if the samples do not say so.

        A GPU, or one core, that is busy for `threshold_pct` percent of the time counts as idle. Before the first use of
        a GPU `grace_seconds` do not count.
        """
        ...

    def stop_job(self, target: Target, job: JobRef, grace_seconds: float) -> Claim:
        """Effect, idempotent: TERM to all that the job started, KILL after the grace, then read the claim."""
        ...

    def fetch_log(self, target: Target, job: JobRef, log_file: str) -> int:
        """Read: bring the local log up to the remote one's size. Returns its bytes."""
        ...

    def pull(self, target: Target, pull: Pull) -> Pulled:
        """Read of the pod, write to the local path: fetch, verify, then rename into place. Paths that may not be
        created here are left out and named.
        """
        ...

    def close(self) -> None:
        """Drop the connection, if any."""
        ...


class Paused(msgspec.Struct, frozen=True):
    """A pod that an earlier run of the same lineage left stopped for the next run.

    `journal` is the path of the journal that owns it, and `run_id` is its run. `born_run` is the run that the pod's own
    env names. `shape` is its order (see `rpd.states.policy.reuse`). The rate is in USD per hour while it runs, without
    disks. `since` is when it was paused (UTC seconds). `asked` are the names in that run's job that led to its GPU type
    and its data center, if they were no ids.
    """

    journal: str
    run_id: str
    born_run: str
    pod_id: str
    pod_name: str
    gpu_id: str
    cloud: str
    usd_per_hour: float
    shape: Data
    datacenter_id: str | None = None
    since: float = 0.0
    asked: tuple[str, ...] = ()


class Lineage(Protocol):
    """The other runs of this state home that may hold a paused pod of the same lineage on the same cloud."""

    def paused(self, lineage: str) -> tuple[Paused, ...]:
        """Read: pods that were left for the next run, the newest first."""
        ...

    def hand_over(self, paused: Paused) -> None:
        """Effect, once: the pod belongs to this run from here on, and its old journal says so. Raises Refused
        (`handed_over`, `in_use`), or Ambiguous if it is not known whether that record was kept.
        """
        ...

    def has_pod(self, paused: Paused) -> bool:
        """Read: whether the old journal says that the pod belongs to this run. Raises Unavailable if it
        cannot be read.
        """
        ...


class Notice(msgspec.Struct, frozen=True):
    """A message about a run. `what` is "budget", "doubt", "end" or "debt". `command` and `webhook` say
    where it goes.
    """

    what: str
    run_id: str
    workflow: str
    text: str
    command: str | None = None
    webhook: str | None = None


class Workspace(Protocol):
    """The run folder and the user's own files on this machine. Failures are UserError, or are journalled
    as advisory.
    """

    def check_inputs(self, job: Job, run_dir: str) -> tuple[str, ...]:
        """Read: problems with local paths, free space and secrets, one sentence each; empty when all is well."""
        ...

    def notify(self, notice: Notice) -> bool:
        """Effect: run the command and post to the webhook, each within a few seconds. Returns whether there was one.
        Raises UserError if one of them failed.
        """
        ...

    def write_pointer(self, path: str, content: Data) -> None:
        """Write the small JSON pointer that existing scripts read (tmp, rename)."""
        ...

    def remove_pointer(self, path: str, pod_id: str) -> None:
        """Remove the pointer if it still names this pod."""
        ...

    def read_log(self, log_file: str) -> LogReading:
        """Read: what the local log says about a failure, with its secrets masked; nothing if it cannot be read. Only
        the beginning and the end of a large log are read.
        """
        ...

    def write_manifest(self, run_dir: str, manifest: Data) -> str:
        """Write the run's manifest (tmp, sync, rename); returns its sha256."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All ports of the lifecycle. They are built in one place and handed to each operation."""

    cloud: Cloud
    remote: Remote
    workspace: Workspace
    clock: Clock
    lineage: Lineage
