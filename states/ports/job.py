"""The job file as structs: field names and meanings of the schema its users already have (version 2), strict.

Values here are rendered (no placeholder is left) and checked. Loading, templates and error texts with line numbers live
in `rpd.adapters.spec.jobfile`. Sizes in GB, times as the suffix says, money in USD.
"""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0, le=365 * 24 * 3600)]
"""At most a year: deadlines are moments that a calendar has, and intervals that a system call takes."""
Minutes = Annotated[float, Meta(gt=0, le=365 * 24 * 60)]
Usd = Annotated[float, Meta(gt=0, le=1_000_000)]
Text = Annotated[str, Meta(min_length=1)]
Floor = Annotated[int, Meta(gt=0, le=1_000_000)]
Cuda = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+$")]
Python = Annotated[str, Meta(pattern=r"^3\.[0-9]{1,2}(\.[0-9]{1,2})?$")]
EnvName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

ENV_SECRET = "env (by name)"
"""What the file of secrets is called that `env` asks for."""

_AWAY = re.compile(r":?[A-Za-z0-9_][^/\s:]*:")


def is_away(place: str) -> bool:
    """Whether it is no path of this machine but a bucket: a URL, or `remote:path` as rclone has it."""
    return _AWAY.match(place) is not None


CHECKPOINT = "checkpoint "
"""What the label of a checkpoint begins with; artifacts may not have one like it."""


def checkpoint_label(path: str) -> str:
    """The label under which the checkpoint at this path of the pod is fetched."""
    return f"{CHECKPOINT}{path}"


RUNS_BELOW = "artifacts/runpod"
"""Where below a project's root its runs have their folders."""


_START_SH = re.compile(
    r"(?:docker\.io/)?runpod/(?:base|pytorch|tensorflow|nvidia-pytorch|stable-diffusion)(?:[:@].*)?\Z"
)
"""Official images whose CMD is `/start.sh`. Not among them: those that have it as ENTRYPOINT (comfyui, autoresearch),
which hand `args` to it, and workers, which have none."""


def is_with_start_sh(image: str) -> bool:
    """Whether an image is known to start with RunPod's `/start.sh`, which starts an sshd."""
    return _START_SH.match(image) is not None


def plain_path(path: str) -> str:
    """A path in the pod as the kernel takes it: `//a/b/` and `/a/./b` are `/a/b`."""
    found = posixpath.normpath(path)
    return found[1:] if found.startswith("//") else found


def is_on_volume(storage: Storage, path: str) -> bool:
    """Whether a path in the pod is on its volume: any stop, by the switch in the pod too, wipes everything else."""
    mount = plain_path(storage.volume_mount)
    return plain_path(path) == mount or plain_path(path).startswith(f"{mount.rstrip('/')}/")


def is_pattern(path: str) -> bool:
    """Whether a remote path names whatever matches it (`*`, `?`, `[..]`, none of which crosses a `/`)."""
    return any(char in path for char in "*?[")


def fixed_folder(path: str) -> str:
    """The folder in the pod that a remote path's own names count from: of a pattern, what stands before its first
    part with a pattern character; else the path itself."""
    if not is_pattern(path):
        return path
    parts = path.split("/")
    first = next(at for at, part in enumerate(parts) if is_pattern(part))
    return "/".join(parts[:first]) or "/"


class Local(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """This machine."""

    project_root: Annotated[str, Meta(description="Folder of the project, relative to the config's own folder.")] = "."
    required_paths: Annotated[
        tuple[str, ...], Meta(description="Paths that must exist before rpd rents anything.")
    ] = ()

    @property
    def runs_folder(self) -> str:
        """Where the runs of this project have their folders."""
        return f"{self.project_root.rstrip('/')}/{RUNS_BELOW}"


class GpuChoice(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """GPU types by their properties in place of a name: all that fit, at the prices of the moment."""

    min_vram_gb: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="GB of memory that one GPU must have at least.")
    ] = None
    max_price_usd: Annotated[
        Usd | None, Meta(description="USD that one GPU may cost per hour; an unknown price is too dear.")
    ] = None
    order: Annotated[
        Literal["cheapest", "most_vram"], Meta(description="The order in which rpd tries the types that fit.")
    ] = "cheapest"

    def __str__(self) -> str:
        memory = f" with {self.min_vram_gb:g} GB or more" if self.min_vram_gb is not None else ""
        price = f" up to ${self.max_price_usd:g}/h" if self.max_price_usd is not None else ""
        return f"any GPU{memory}{price}, {self.order.replace('_', ' ')} first"


class PodSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What to rent: every GPU type (or CPU flavor) is tried in every data center, in order, until one is placed.

    An image is needed unless a template brings one, and either `gpu_order` or `cpu_order`.
    """

    image: Annotated[str, Meta(description="Container image. It may come from a template instead.")] = ""
    gpu_order: Annotated[
        tuple[Text | GpuChoice, ...],
        Meta(description="GPU types by id, name or unique short form, or by their properties; best first."),
    ] = ()
    datacenters: Annotated[
        tuple[Text, ...],
        Meta(description="Data centers, or countries and regions for all of theirs, best first; empty: any."),
    ] = ()
    cloud_type: Annotated[Literal["SECURE", "COMMUNITY"], Meta(description="The RunPod cloud to rent in.")] = "SECURE"
    ports: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9]+/(tcp|http)$")], ...],
        Meta(description="Ports of the pod, as `8888/http`; 22/tcp is always among them."),
    ] = ("22/tcp",)
    container_disk_gb: Annotated[Positive, Meta(description="GB of the container's own disk. A stop wipes it.")] = 20
    gpu_count: Annotated[Positive, Meta(description="GPUs per pod.")] = 1
    cpu_order: Annotated[
        tuple[Text, ...] | None, Meta(description="CPU flavor ids, best first, for a pod without GPUs.")
    ] = None
    vcpu_count: Annotated[
        Annotated[int, Meta(ge=2)] | None, Meta(description="vCPUs of a CPU pod: a power of two.")
    ] = None
    args: Annotated[
        Text | None,
        Meta(description="Start command, in place of the image's. rpd wraps the time-limit switch around it."),
    ] = None
    template_id: Annotated[Text | None, Meta(description="Id of a RunPod pod template; fields named here win.")] = None
    registry_id: Annotated[
        Text | None, Meta(description="Id of the account's credentials for the registry of a private image.")
    ] = None
    min_cuda_version: Annotated[
        Cuda | None, Meta(description="Lowest CUDA version that the host's driver may have, as '12.4'.")
    ] = None
    allowed_cuda_versions: Annotated[
        tuple[Cuda, ...] | None, Meta(description="The CUDA versions that the host's driver may have, exactly.")
    ] = None
    env: Annotated[dict[str, str], Meta(description="Readable through the API: no secrets here.")] = {}
    python_version: Annotated[
        Python | None, Meta(description="Python that uv installs and pins before preflight, as '3.12' or '3.12.4'.")
    ] = None
    spot: Annotated[Literal[False], Meta(description="Always false: RunPod's API no longer has spot pods.")] = False
    min_vcpu_count: Annotated[
        Floor | None, Meta(description="vCPUs that the pod must have at least, all its GPUs together.")
    ] = None
    min_memory_gb: Annotated[
        Floor | None, Meta(description="GB of memory that the pod must have at least, all its GPUs together.")
    ] = None

    @property
    def hardware(self) -> tuple[str | GpuChoice, ...]:
        """GPU types or CPU flavors in the job's own words, best first."""
        return self.gpu_order or self.cpu_order or ()

    @property
    def units(self) -> int:
        """How many GPUs, or vCPUs of a CPU pod; list prices are for one."""
        return self.vcpu_count or 1 if self.cpu_order else self.gpu_count


class Storage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where data lives: `ephemeral` is a volume disk of the pod's host, `network_volume` outlives the pod."""

    mode: Annotated[
        Literal["ephemeral", "network_volume"],
        Meta(description="`ephemeral`: a volume disk of the pod's host; `network_volume`: one that outlives the pod."),
    ] = "ephemeral"
    volume_mount: Annotated[
        Annotated[str, Meta(pattern=r"^/")], Meta(description="Where the volume is mounted in the pod.")
    ] = "/workspace"
    volume_name: Annotated[Text | None, Meta(description="Name or id of the network volume.")] = None
    volume_gb: Annotated[
        Positive | None, Meta(description="GB of the ephemeral volume: at least 10, by default 20.")
    ] = None


class Ssh(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The private key that opens the pod; without one, a pair of rpd's own is used."""

    key_path: Annotated[Text | None, Meta(description="Private key. By default rpd uses a key pair of its own.")] = None


class Budget(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Ceilings over the whole life of the pod."""

    cost_cap_usd: Annotated[
        Usd, Meta(description="The most that all pods of a run may cost, at their real rates with disks.")
    ] = 10.0
    max_usd: Annotated[
        Usd | None, Meta(description="The same as cost_cap_usd. If both are given, this one counts.")
    ] = None
    assumed_hourly_rate_usd: Annotated[
        Usd, Meta(description="USD per hour to assume if the catalog names no price.")
    ] = 1.65
    max_runtime_minutes: Annotated[Minutes | None, Meta(description="Minutes that all pods of a run may live.")] = None
    poll_interval_sec: Annotated[
        Seconds,
        Meta(
            description="Has no effect. Older files name it; rpd follows the log as it grows.",
            extra_json_schema={"deprecated": True},
        ),
    ] = 60
    ssh_ready_timeout_sec: Annotated[
        Seconds, Meta(description="Seconds that a host has to come up. After that, rpd tries the next candidate.")
    ] = 900
    max_usd_per_day: Annotated[
        Usd | None,
        Meta(description="rpd refuses a run that could bring the cost of the day (UTC, this state home) above it."),
    ] = None
    idle_minutes: Annotated[
        Minutes | None,
        Meta(description="rpd ends the job after so many minutes of idle GPUs, processor, disk, network and log."),
    ] = None
    idle_threshold_pct: Annotated[
        Annotated[float, Meta(ge=0, lt=100)],
        Meta(description="A GPU, or one core, that is busy for at most this percentage of the time counts as idle."),
    ] = 5.0
    idle_grace_minutes: Annotated[
        Annotated[float, Meta(ge=0, le=365 * 24 * 60)],
        Meta(description="Minutes at the start of the job that do not count as idle until the job uses a GPU."),
    ] = 10.0
    max_gpu_price_usd: Annotated[
        Usd | None,
        Meta(description="USD per GPU and hour (for a CPU pod: the whole pod); an unknown price is too dear."),
    ] = None

    @property
    def most_usd(self) -> float:
        """The most that the run may cost."""
        return self.cost_cap_usd if self.max_usd is None else self.max_usd


class Command(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One command over SSH."""

    command: Annotated[Text, Meta(description="Shell text, run in the pod.")]
    timeout_sec: Annotated[Seconds, Meta(description="rpd kills the command in the pod after so many seconds.")] = 600
    with_env: Annotated[bool, Meta(description="Whether the command gets remote_env.")] = False
    repeatable: Annotated[
        bool, Meta(description="Run the command again if a resumed run still has to launch its job.")
    ] = False
    on_failure: Annotated[
        Literal["end", "next_host"],
        Meta(description="`next_host`: a failure is the host's fault. rpd gives the host back and tries another one."),
    ] = "end"


class RemoteEnv(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Environment for commands with `with_env` and for the job itself."""

    source_files: Annotated[tuple[Text, ...], Meta(description="Files in the pod to source first.")] = ()
    exports: Annotated[
        dict[str, str],
        Meta(description="Variables for the job and for commands with `with_env`. Values are literal."),
    ] = {}


class Staging(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A local folder or file pushed before the job starts."""

    source: Annotated[Text, Meta(description="Local folder or file, relative to the project root.")]
    destination: Annotated[Text, Meta(description="Where it goes in the pod.")]
    label: Annotated[str, Meta(description="Its name in messages.")] = ""
    includes: Annotated[
        tuple[Text, ...],
        Meta(description="Patterns of what to send. Without any, everything is sent. Excludes still apply."),
    ] = ()
    excludes: Annotated[tuple[str, ...], Meta(description="Patterns of what to leave out.")] = ()
    excludes_extra: Annotated[tuple[str, ...], Meta(description="More patterns of what to leave out.")] = ()
    excludes_default: Annotated[bool, Meta(description="Leave out .git/, .venv/, caches and byte code.")] = False
    delete: Annotated[bool, Meta(description="Remove what is at the destination and not in the source.")] = True
    gitignore: Annotated[bool, Meta(description="Send only what git lists: tracked or not, and not ignored.")] = False
    warn_above_mb: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="rpd warns if the tree is larger than so many MB. It is never an error."),
    ] = 500.0


class SecretFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A file of secrets in the pod, of this machine's environment or of a file on it: exactly one of `env` and `file`.
    It lives in the pod's memory where there is some, and is removed before the pod is kept."""

    name: Annotated[Text, Meta(description="Its name in messages.")]
    destination: Annotated[Text, Meta(description="Its place in the pod while the job runs.")]
    env: Annotated[
        tuple[EnvName, ...],
        Meta(description="Variables of this machine; they become lines `export NAME='value'`, to be sourced."),
    ] = ()
    file: Annotated[Text | None, Meta(description="A file on this machine, relative to the project root.")] = None
    mode: Annotated[
        Annotated[str, Meta(pattern=r"^0?[0-7]{3}$")], Meta(description="Its permissions, in octal digits.")
    ] = "0600"


class Run(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The job. Exit code 0 is success; a success marker, if named, must also stand in the log, and none of the failure
    markers that are named here. A marker is a fixed text anywhere in a line."""

    body: Annotated[Text, Meta(description="The script.")]
    shell: Annotated[
        Text | None,
        Meta(
            description="Command that runs the script, whose path is added to it, as `bash -eu`; left out, bash or sh "
            "with pipefail where the shell has it."
        ),
    ] = None
    script_path: Annotated[Text | None, Meta(description="Path of the script in the pod.")] = None
    log_path: Annotated[Text | None, Meta(description="Path of the log in the pod.")] = None
    success_marker: Annotated[Text | None, Meta(description="A text that the log must contain.")] = None
    failure_markers: Annotated[
        tuple[Text, ...] | None,
        Meta(description="Texts in the log that fail the job. By default, known texts only explain a failure."),
    ] = None
    done_on: Annotated[
        Literal["exit", "marker"],
        Meta(
            description="`marker`: the job is done when its log shows the success marker, even if the process goes on."
        ),
    ] = "exit"
    wait_for_background: Annotated[
        Literal["auto", "never", "always"],
        Meta(
            description="Processes that the script leaves behind: `auto` waits for those that use a GPU, write below "
            "an artifact's path, keep a tmux or screen session or were told to outlive it, and are no server."
        ),
    ] = "auto"


class Artifact(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A remote folder or file fetched and verified after the job, or pushed to a bucket by the pod."""

    label: Annotated[Text, Meta(description="Its name.")]
    remote_path: Annotated[
        Text,
        Meta(
            description="Folder or file in the pod, or a pattern (`*`, `?`, `[..]`, not across `/`): all that matches "
            "goes into local_path, under the names below the folder before the pattern."
        ),
    ]
    local_path: Annotated[
        Text,
        Meta(
            description="Where it goes, relative to the project root; {run_dir} is the run's own folder. With a slash "
            "at its end, or named by several, it is a folder that a file goes into. `s3://...`, `gs://...` or an "
            "rclone remote as `name:path`: the pod itself pushes it there."
        ),
    ]
    required: Annotated[bool, Meta(description="If it is missing, the run fails and its pod is kept.")] = True
    excludes: Annotated[tuple[str, ...], Meta(description="Patterns of what to leave out.")] = ()
    links: Annotated[
        Literal["follow", "keep", "skip"],
        Meta(
            description="`follow`: a link that leads out of the artifact to a file is fetched as that file; `keep`: it "
            "is left out and told of; `skip`: no link is fetched. Links within the artifact stay links."
        ),
    ] = "follow"
    links_max_gb: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)],
        Meta(description="The most that followed links may add, in GB. rpd leaves out the rest and says so."),
    ] = 10
    delete: Annotated[
        bool,
        Meta(description="Once all has arrived, remove from the local folder what the pod's folder does not have."),
    ] = False
    allow_empty: Annotated[
        bool, Meta(description="Whether a folder without any file counts as arrived. By default it counts as missing.")
    ] = False


class Telemetry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a sampler in the pod records while the job runs."""

    enabled: Annotated[bool, Meta(description="Whether a sampler runs in the pod.")] = True
    sample_interval_sec: Annotated[
        Annotated[int, Meta(ge=5, le=365 * 24 * 3600)], Meta(description="Seconds per sample.")
    ] = 30
    capture_nvidia_smi: Annotated[bool, Meta(description="nvidia-smi's table, before and after the job.")] = True
    capture_dmesg: Annotated[
        bool, Meta(description="The last lines of the kernel's log, before and after the job.")
    ] = True
    capture_remote_env: Annotated[
        bool, Meta(description="System, Python, its packages and the names of variables, before the job.")
    ] = True
    capture_pod_describe: Annotated[bool, Meta(description="Known from older files: the journal has it.")] = True
    capture_local_git: Annotated[bool, Meta(description="Known from older files: the manifest has it.")] = True
    capture_payload_lockfile: Annotated[bool, Meta(description="Known from older files: the manifest has it.")] = True


class Checkpoints(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the job writes to go on from: pulled while it runs, and there again when it is launched again."""

    paths: Annotated[tuple[Text, ...], Meta(description="Folders or files in the pod.")] = ()
    every_minutes: Annotated[Minutes, Meta(description="Minutes between two pulls of one of them.")] = 10


class LifecyclePolicy(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What becomes of the pod at each kind of end."""

    on_success: Annotated[
        Literal["stop", "delete", "recycle", "preserve"],
        Meta(description="`recycle`: stop the pod; the next run of this file takes it up. `preserve`: see on_failure."),
    ] = "delete"
    on_failure: Annotated[
        Literal["stop", "delete", "preserve"],
        Meta(description="What to do if the run fails. `preserve`: the pod stays up for preserve_minutes, then stops."),
    ] = "stop"
    preserve_minutes: Annotated[Minutes, Meta(description="Minutes for which a preserved pod stays up.")] = 60
    on_interrupt: Annotated[
        Literal["detach", "stop", "delete"] | None, Meta(description="What Ctrl-C or TERM does while the job runs.")
    ] = None
    on_drift: Annotated[
        Literal["replace", "keep", "ask"],
        Meta(
            description="What to do with a paused pod that differs from this file: `replace` it, `keep` it, or `ask`."
        ),
    ] = "replace"

    @property
    def kept_hours(self) -> float:
        """For how long a pod may stay up after the end."""
        return self.preserve_minutes / 60.0 if "preserve" in (self.on_success, self.on_failure) else 0.0


class Notify(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who is told at the end of a run, at 80 % of its budget, and when a pod could not be given back."""

    command: Annotated[
        Text | None, Meta(description="A shell command on this machine. It gets the notice as JSON on stdin.")
    ] = None
    webhook: Annotated[
        Annotated[str, Meta(pattern=r"^https?://")] | None,
        Meta(description="A URL. rpd posts the notice there as JSON."),
    ] = None


class Provision(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How hard to try: a host that never boots is given back and the next candidate is taken; a cloud without stock is
    left for the other one, or waited for."""

    attempts: Annotated[
        Positive, Meta(description="So many hosts may fail to boot. After that, the run is refused.")
    ] = 2
    fallback_cloud_type: Annotated[
        Literal["SECURE", "COMMUNITY"] | None,
        Meta(description="The cloud to try if pod.cloud_type has nothing. Not with a network volume."),
    ] = None
    health: Annotated[
        Literal["cuda"] | None,
        Meta(
            description="`cuda`: before setup, every GPU must run a small task. If one cannot, rpd gives the host back."
        ),
    ] = None
    wait_for_stock_minutes: Annotated[
        Minutes | None, Meta(description="How long to try again if every candidate is sold out.")
    ] = None


class Job(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One job file, rendered."""

    name: Annotated[Text, Meta(description="Name of the workflow; pods and folders are named after it.")]
    pod: Annotated[PodSpec, Meta(description="What to rent.")]
    run: Annotated[Run, Meta(description="The job.")]
    schema_version: Annotated[Literal[2], Meta(description="Version of this schema.")] = 2
    run_id_prefix: Annotated[Text | None, Meta(description="Prefix of run ids. By default the name.")] = None
    state_file: Annotated[
        Text | None, Meta(description="A small JSON pointer to the run's journal and pod, for scripts.")
    ] = None
    variables: Annotated[
        dict[str, str], Meta(description="Values of placeholders. --var wins. null: --var must give the value.")
    ] = {}
    local: Annotated[Local, Meta(description="This machine.")] = Local()
    storage: Annotated[Storage, Meta(description="Where data lives.")] = Storage()
    ssh: Annotated[Ssh, Meta(description="How the pod is reached.")] = Ssh()
    budget: Annotated[Budget, Meta(description="Ceilings in time and money.")] = Budget()
    provision: Annotated[Provision, Meta(description="How hard to try to get a pod.")] = Provision()
    remote_env: Annotated[RemoteEnv, Meta(description="Environment of commands and job in the pod.")] = RemoteEnv()
    env: Annotated[
        tuple[EnvName, ...],
        Meta(
            description="Variables of this machine that the job gets under the same names, through a file of secrets."
        ),
    ] = ()
    setup: Annotated[tuple[Command, ...], Meta(description="Commands before the files are sent.")] = ()
    preflight: Annotated[
        tuple[Command, ...], Meta(description="Commands after the files are sent and before the job.")
    ] = ()
    staging: Annotated[tuple[Staging, ...], Meta(description="What is sent to the pod.")] = ()
    secrets: Annotated[tuple[SecretFile, ...], Meta(description="Files of secrets in the pod.")] = ()
    artifacts: Annotated[tuple[Artifact, ...], Meta(description="What is fetched and verified after the job.")] = ()
    telemetry: Annotated[Telemetry, Meta(description="What the sampler in the pod records.")] = Telemetry()
    checkpoints: Annotated[
        Checkpoints, Meta(description="What rpd pulls while the job runs, and pushes back before another launch.")
    ] = Checkpoints()
    retries: Annotated[
        Annotated[int, Meta(ge=0, le=100)], Meta(description="How often rpd launches a lost job again.")
    ] = 0
    lifecycle: Annotated[LifecyclePolicy, Meta(description="What becomes of the pod.")] = LifecyclePolicy()
    notify: Annotated[Notify, Meta(description="Whom to notify.")] = Notify()
