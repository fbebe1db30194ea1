"""The job file as structs: field names and meanings of the schema its users already have (version 2), strict.

Values here are rendered (no placeholder is left) and checked. Loading, templates and error texts with line numbers live
in `rpd.adapters.local.jobfile`. Sizes in GB, times as the suffix says, money in USD.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0, le=365 * 24 * 3600)]
"""At most a year: deadlines are moments that a calendar has, and intervals that a system call takes."""
Minutes = Annotated[float, Meta(gt=0, le=365 * 24 * 60)]
Usd = Annotated[float, Meta(gt=0, le=1_000_000)]
Text = Annotated[str, Meta(min_length=1)]

KNOWN_FAILURES = ("Traceback", "OutOfMemoryError", "CUDA out of memory", "No space left on device", "Killed")
"""What often stands in the log of a failed job. They explain a failure and never make one."""


class Local(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """This machine."""

    project_root: Annotated[str, Meta(description="Folder of the project, relative to the config's own folder.")] = "."
    required_paths: Annotated[tuple[str, ...], Meta(description="Must exist before anything is rented.")] = ()


class PodSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What to rent: every GPU type is tried in every data center, in order, until one is placed."""

    image: Annotated[str, Meta(min_length=1, description="Container image.")]
    gpu_order: Annotated[tuple[Text, ...], Meta(min_length=1, description="GPU type ids, best first.")]
    datacenters: Annotated[tuple[Text, ...], Meta(description="Data center ids, best first; empty: any.")] = ()
    cloud_type: Literal["SECURE", "COMMUNITY"] = "SECURE"
    ports: tuple[Annotated[str, Meta(pattern=r"^[0-9]+/(tcp|http)$")], ...] = ("22/tcp",)
    container_disk_gb: Positive = 20
    gpu_count: Positive = 1
    env: Annotated[dict[str, str], Meta(description="Readable through the API: no secrets here.")] = {}


class Storage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where data lives: `ephemeral` is a volume disk of the pod's host, `network_volume` outlives the pod."""

    mode: Literal["ephemeral", "network_volume"] = "ephemeral"
    volume_mount: Annotated[str, Meta(pattern=r"^/")] = "/workspace"
    volume_name: Text | None = None
    volume_gb: Annotated[int, Meta(ge=10)] | None = None


class Ssh(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The private key that opens the pod; without one, a pair of rpd's own is used."""

    key_path: Text | None = None


class Budget(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Ceilings over the whole life of the pod."""

    cost_cap_usd: Annotated[
        Usd, Meta(description="The most that all pods of a run may cost, by their real rates with disks.")
    ] = 10.0
    max_usd: Annotated[Usd | None, Meta(description="The same; where it is named, it counts.")] = None
    assumed_hourly_rate_usd: Usd = 1.65
    max_runtime_minutes: Minutes | None = None
    poll_interval_sec: Seconds = 60
    ssh_ready_timeout_sec: Seconds = 900
    max_gpu_price_usd: Usd | None = None


class Command(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One command over SSH."""

    command: Text
    timeout_sec: Seconds = 600
    with_env: bool = False


class RemoteEnv(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Environment for commands with `with_env` and for the job itself."""

    source_files: tuple[Text, ...] = ()
    exports: dict[str, str] = {}


class Staging(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A local folder or file pushed before the job starts."""

    source: Text
    destination: Text
    label: str = ""
    excludes: tuple[str, ...] = ()
    excludes_extra: tuple[str, ...] = ()
    excludes_default: bool = False
    delete: bool = True


class Run(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The job. Exit code 0 is success; a success marker, if named, must also stand in the log, and none of the failure
    markers that are named here. A marker is a fixed text anywhere in a line."""

    body: Text
    script_path: Text | None = None
    log_path: Text | None = None
    success_marker: Text | None = None
    failure_markers: Annotated[
        tuple[Text, ...] | None, Meta(description="Texts that fail the job; left out, known ones explain a failure.")
    ] = None
    done_on: Annotated[
        Literal["exit", "marker"],
        Meta(description="`marker`: the job is done when its log shows the success marker, though it stays."),
    ] = "exit"


class Artifact(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A remote folder or file fetched and verified after the job."""

    label: Text
    remote_path: Text
    local_path: Text
    required: bool = True
    excludes: tuple[str, ...] = ()


class Lifecycle(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What becomes of the pod at each kind of end."""

    on_success: Annotated[
        Literal["stop", "delete", "recycle"],
        Meta(description="`recycle`: stopped, for the next run of this file to take up."),
    ] = "delete"
    on_failure: Literal["stop", "delete"] = "stop"
    on_interrupt: Annotated[
        Literal["detach", "stop", "delete"] | None, Meta(description="Ctrl-C or TERM while the job runs.")
    ] = None
    on_drift: Annotated[
        Literal["replace", "keep", "ask"],
        Meta(description="A paused pod that is not what this file asks for: delete it, use it all the same, or ask."),
    ] = "replace"


class Notify(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who is told at the end of a run, at 80 % of its budget, and when a pod could not be given back."""

    command: Annotated[
        Text | None, Meta(description="A shell command on this machine; the notice is JSON on its stdin.")
    ] = None
    webhook: Annotated[
        Annotated[str, Meta(pattern=r"^https?://")] | None, Meta(description="A URL; the notice is posted as JSON.")
    ] = None


class Provision(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How hard to try: a host that never boots is given back and the next candidate is taken."""

    attempts: Positive = 2


class Job(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One job file, rendered."""

    name: Text
    pod: PodSpec
    run: Run
    schema_version: Literal[2] = 2
    run_id_prefix: Text | None = None
    state_file: Text | None = None
    variables: dict[str, str] = {}
    local: Local = Local()
    storage: Storage = Storage()
    ssh: Ssh = Ssh()
    budget: Budget = Budget()
    provision: Provision = Provision()
    remote_env: RemoteEnv = RemoteEnv()
    setup: tuple[Command, ...] = ()
    preflight: tuple[Command, ...] = ()
    staging: tuple[Staging, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    notify: Notify = Notify()
