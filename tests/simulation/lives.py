"""The scripted lives: every way a run can end today, one entry each. The crash matrix walks over all of them, and what
happens in them says which faults can occur where. A new life is one more entry."""

from __future__ import annotations

from typing import Any

from rpd.states.ports.log_reading import LogReading, SeenSign
from rpd.states.ports.world import Holder, PodLog, name_mark
from tests.simulation.life import Life
from tests.simulation.schedule import Strike
from tests.simulation.sessions import SESSIONS

_QUICK_BUDGET = {"cost_cap_usd": 10.0, "ssh_ready_timeout_sec": 60}
_LONG_JOB = {"seconds": 300.0}

_WITH_PLOTS = [
    {"label": "model", "remote_path": "/workspace/out", "local_path": "/tmp/out"},
    {"label": "plots", "remote_path": "/workspace/plots", "local_path": "s3://bucket/plots", "required": False},
]

_LIVES = (
    Life("success", "succeeded", "job_succeeded", 0),
    Life("success, kept stopped", "succeeded", "job_succeeded", 0, config={"lifecycle": {"on_success": "stop"}}),
    Life(
        "success in doubt, and somebody is told of it",
        "succeeded",
        "job_succeeded",
        0,
        config={"notify": {"command": "cat"}},
        world={"log": LogReading(SeenSign("Killed", "host_memory"), (SeenSign("Killed", "host_memory"),))},
    ),
    Life("job fails", "failed", "job_failed", 5, job={"exit_code": 3}),
    Life(
        "job fails, deleted",
        "failed",
        "job_failed",
        5,
        job={"exit_code": 3},
        config={"lifecycle": {"on_failure": "delete"}},
    ),
    Life(
        "marker missing",
        "failed",
        "marker_missing",
        5,
        job={"has_marker": False},
        config={"run": {"body": "python train.py", "success_marker": "DONE"}},
    ),
    Life(
        "a failure marker shows",
        "failed",
        "failure_marker",
        5,
        job={"seconds": 300.0, "says": {"NaN": 30.0}},
        config={"run": {"body": "python train.py", "failure_markers": ["NaN"]}},
    ),
    Life(
        "a failure marker in the log of a job that ended well",
        "failed",
        "failure_marker",
        5,
        job={"seconds": 40.0, "says": {"NaN": 40.0}},
        config={"run": {"body": "python train.py", "failure_markers": ["NaN"]}},
    ),
    Life(
        "done on a marker",
        "succeeded",
        "job_succeeded",
        0,
        job={"seconds": 900.0, "says": {"DONE": 30.0}},
        config={"run": {"body": "python serve.py", "success_marker": "DONE", "done_on": "marker"}},
    ),
    Life("artifact missing", "failed", "artifact_missing", 5, job={"artifacts": {"/workspace/out": "missing"}}),
    Life("artifact empty", "failed", "artifact_missing", 5, job={"artifacts": {"/workspace/out": "empty"}}),
    Life(
        "results unverified, though the file says delete",
        "cancelled",
        "cancelled",
        130,
        acts=("resume", "release"),
        job={"artifacts": {"/workspace/out": "corrupt"}},
        config={"lifecycle": {"on_failure": "delete"}},
    ),
    Life(
        "job fails, and what it left does not verify",
        "cancelled",
        "cancelled",
        130,
        acts=("resume", "release"),
        job={"exit_code": 3, "artifacts": {"/workspace/out": "corrupt"}},
    ),
    Life(
        "results that may not be created here",
        "failed",
        "results_unverified",
        5,
        job={"artifacts": {"/workspace/out": "refused"}},
        config={"lifecycle": {"on_failure": "delete"}},
    ),
    Life(
        "results that are not required cannot be pushed",
        "succeeded",
        "job_succeeded",
        0,
        job={"artifacts": {"/workspace/plots": "corrupt"}},
        config={"artifacts": _WITH_PLOTS},
    ),
    Life(
        "results that are not required cannot be fetched, and their pod was for the next run",
        "succeeded",
        "job_succeeded",
        0,
        job={"artifacts": {"/workspace/plots": "corrupt"}},
        config={"artifacts": _WITH_PLOTS, "lifecycle": {"on_success": "recycle"}},
    ),
    Life(
        "results unverified, then renounced",
        "cancelled",
        "cancelled",
        130,
        acts=("resume", "release"),
        job={"artifacts": {"/workspace/out": "corrupt"}},
    ),
    Life(
        "renounced, then started by others",
        "cancelled",
        "cancelled",
        130,
        (
            Strike("a stopped pod is started by others", "release", 11),
            Strike("kill at record:done", "release", 9),  # right after it was seen, before it is told to stop
        ),
        acts=("resume", "release", "release"),
        job={"artifacts": {"/workspace/out": "corrupt"}},
    ),
    Life("setup fails", "failed", "setup", 5, job={"commands": {"pip install .": 1}}),
    Life("preflight fails", "failed", "preflight", 5, job={"commands": {"nvidia-smi": 9}}),
    Life("stage fails", "failed", "stage", 5, (Strike("the pod's disk is full at push"),)),
    Life("launch fails", "failed", "launch", 5, (Strike("the launch lacks a tool"),)),
    Life("inputs missing", "refused", "spec_invalid", 2, world={"problems": ("/src is not there",)}),
    Life("no capacity", "refused", "no_capacity", 6, (Strike("all stock is sold", amount=9000.0),)),
    Life(
        "waits for stock",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("all stock is sold", amount=240.0),),
        config={"provision": {"wait_for_stock_minutes": 20}},
    ),
    Life(
        "waits for stock in vain",
        "refused",
        "no_capacity",
        6,
        (Strike("all stock is sold", amount=9000.0),),
        config={"provision": {"wait_for_stock_minutes": 10}},
    ),
    Life(
        "the wait for stock ends while nobody is here",
        "refused",
        "no_capacity",
        6,
        (Strike("all stock is sold", amount=9000.0), Strike("kill at record:done", "select", 3)),
        ("away", "resume"),
        config={"provision": {"wait_for_stock_minutes": 20}},
    ),
    Life(
        "nothing but in the other cloud",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("create finds no capacity"), Strike("create finds no capacity", nth=1)),
        config={"provision": {"fallback_cloud_type": "COMMUNITY"}},
    ),
    Life(
        "price over the cap",
        "refused",
        "price_over_cap",
        6,
        config={"budget": {"max_gpu_price_usd": 0.1}},
    ),
    Life(
        "billed over the cap",
        "refused",
        "price_over_cap",
        6,
        (Strike("the pod is repriced", "boot"),),
        config={"budget": {"max_gpu_price_usd": 0.3, "cost_cap_usd": 10.0}},
    ),
    Life("no credit", "refused", "no_credit", 4, (Strike("create finds no credit"),)),
    Life("key refused", "refused", "key_refused", 4, (Strike("create finds the key refused"),)),
    Life("create rejected", "refused", "create_rejected", 2, (Strike("create is called invalid"),)),
    Life(
        "cloud unreachable",
        "refused",
        "cloud_unreachable",
        6,
        (Strike("the API is down", "select", amount=900.0),),
    ),
    Life(
        "a name stands for nothing", "refused", "name_unknown", 2, config={"pod": {"image": "i", "gpu_order": ["A40"]}}
    ),
    Life(
        "names that people use",
        "succeeded",
        "job_succeeded",
        0,
        config={"pod": {"image": "i", "gpu_order": ["a5000"], "datacenters": ["US"]}},
    ),
    Life(
        "the image cannot start",
        "refused",
        "image_failed",
        6,
        world={"boot_seconds": [1e9], "pod_logs": [PodLog(("error pulling image: manifest unknown",))]},
    ),
    Life(
        "the first host cannot start the container",
        "succeeded",
        "job_succeeded",
        0,
        world={
            "boot_seconds": [1e9, 10.0],
            "pod_logs": [PodLog(("error creating container: layer does not exist",)), PodLog(("pulling image",))],
        },
    ),
    Life(
        "no host passes the command that judges it",
        "refused",
        "hosts_never_booted",
        6,
        job={"commands": {"nvidia-smi -q": 1}},
        config={
            "preflight": [{"command": "nvidia-smi -q", "on_failure": "next_host"}],
            "provision": {"health": "cuda"},
        },
    ),
    Life(
        "hosts never boot",
        "refused",
        "hosts_never_booted",
        6,
        config={"budget": _QUICK_BUDGET},
        world={"boot_seconds": [1e9]},
    ),
    Life(
        "first host never boots",
        "succeeded",
        "job_succeeded",
        0,
        config={"budget": _QUICK_BUDGET},
        world={"boot_seconds": [1e9, 20.0]},
    ),
    Life(
        "sshd keeps us out",
        "refused",
        "ssh_refused",
        6,
        (Strike("sshd keeps us out", "connect"),) * 60,
    ),
    Life(
        "the image has no sshd",
        "refused",
        "image_failed",
        6,
        (Strike("nobody listens in the pod", "connect"),) * 150,
        config={"budget": _QUICK_BUDGET, "pod": {"image": "i", "gpu_order": ["RTX A5000", "RTX 4090"]}},
    ),
    Life(
        "the key is written late",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the key is not written yet", "connect"),) * 40,
    ),
    Life("wrong hardware", "succeeded", "job_succeeded", 0, (Strike("the pod has too few GPUs"),)),
    Life(
        "create full, then not sent",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("create finds no capacity"), Strike("create does not leave this machine")),
    ),
    Life("create answered by nothing", "succeeded", "job_succeeded", 0, (Strike("create works, its answer is lost"),)),
    Life(
        "create adopted, lists lag",
        "succeeded",
        "job_succeeded",
        0,
        (
            Strike("create works, its answer is lost"),
            Strike("list lags behind", "boot", 0, 900.0),
        ),
    ),
    Life(
        "a parked pod is started by others",
        "cancelled",
        "terminated",
        143,
        (
            Strike("TERM", "monitor", 1),
            Strike("the link is down", "collect", 0, 240.0),
            Strike("a stopped pod is started by others", "boot"),
        ),
        ("resume",),
        job=_LONG_JOB,
    ),
    Life(
        "results go with the pod",
        "lost",
        "pod_vanished",
        10,
        (Strike("kill at turn", "monitor", 1), Strike("the pod is deleted by others", "release")),
        ("gc",),
    ),
    Life("create lost", "succeeded", "job_succeeded", 0, (Strike("create does nothing, its answer is lost"),)),
    Life(
        "create answered by a list without env",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("create works, its answer is lost"), Strike("list leaves env out", "create")),
    ),
    Life(
        "create lost, then a list without env",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("create does nothing, its answer is lost"), Strike("list leaves env out", "select")),
    ),
    Life(
        "create answered by nothing, its pod stopped by others",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("create works, its answer is lost"), Strike("the pod is stopped by others", "create")),
    ),
    Life(
        "create late",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("create works late, its answer is lost", amount=90.0),),
    ),
    Life(
        "out of time",
        "failed",
        "budget",
        7,
        job=_LONG_JOB,
        config={"budget": {"cost_cap_usd": 10.0, "max_runtime_minutes": 3}},
    ),
    Life(
        "out of time, across a reboot",
        "failed",
        "budget",
        7,
        (Strike("power cut at turn", "monitor", 1, 1.0),),
        ("resume",),
        job=_LONG_JOB,
        config={"budget": {"cost_cap_usd": 10.0, "max_runtime_minutes": 3}},
    ),
    Life(
        "out of time, the clock set back",
        "failed",
        "budget",
        7,
        (Strike("the wall clock is set", "monitor", 1, -3600.0),),
        job=_LONG_JOB,
        config={"budget": {"cost_cap_usd": 10.0, "max_runtime_minutes": 3}},
    ),
    Life(
        "out of money",
        "failed",
        "budget",
        7,
        job={"seconds": 30000.0},
        config={"budget": {"cost_cap_usd": 0.02}},
    ),
    Life(
        "somebody is told",
        "failed",
        "budget",
        7,
        job=_LONG_JOB,
        config={
            "budget": {"max_usd": 0.02, "max_runtime_minutes": 3},
            "notify": {"command": "mail me"},
        },
    ),
    Life("one 404 in boot", "succeeded", "job_succeeded", 0, (Strike("get answers 404", "boot", 1),)),
    Life("one 404 in the run", "succeeded", "job_succeeded", 0, (Strike("get answers 404", "monitor"),)),
    Life("pod vanishes", "lost", "pod_vanished", 10, (Strike("the pod is deleted by others", "monitor", 1),)),
    Life("container restarts", "lost", "job_lost", 10, (Strike("the container restarts", "monitor", 1),)),
    Life(
        "pod stopped, started again",
        "lost",
        "job_lost",
        10,
        (Strike("the pod is stopped by others", "monitor", 1),),
    ),
    Life(
        "pod stopped, host full",
        "lost",
        "job_lost",
        10,
        (
            Strike("the pod is stopped by others", "monitor", 1),
            Strike("the host has no free GPU", "monitor", 1, 1500.0),
        ),
        ("away", "resume"),
    ),
    Life(
        "results in a stopped pod",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the pod is stopped by others", "collect", 0),),
    ),
    Life("cancelled in boot", "cancelled", "cancelled", 130, (Strike("rpd cancel", "boot"),)),
    Life("cancelled in the run", "cancelled", "cancelled", 130, (Strike("rpd cancel", "monitor", 1),)),
    Life(
        "cancelled in the run, delete said twice",
        "cancelled",
        "cancelled",
        130,
        (Strike("rpd cancel", "monitor", 1),),
        config={"lifecycle": {"on_success": "delete", "on_failure": "delete"}},
    ),
    Life("Ctrl-C in boot", "cancelled", "interrupted", 130, (Strike("Ctrl-C on a terminal", "boot"),)),
    Life(
        "Ctrl-C in the run, deleted",
        "cancelled",
        "interrupted",
        130,
        (Strike("Ctrl-C off a terminal", "monitor", 1),),
        config={"lifecycle": {"on_interrupt": "delete"}},
    ),
    Life("detached", "succeeded", "job_succeeded", 0, (Strike("Ctrl-C on a terminal", "monitor", 1),), ("resume",)),
    Life(
        "detached for long",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("rpd run --detach", "monitor", 1),),
        ("away", "resume"),
    ),
    Life("TERM in the run", "cancelled", "terminated", 143, (Strike("TERM", "monitor", 1),)),
    Life(
        "TERM with a slow link",
        "cancelled",
        "terminated",
        143,
        (Strike("TERM", "monitor", 1), Strike("the link is down", "collect", 0, 240.0)),
        ("resume",),
        job=_LONG_JOB,
    ),
    Life("two Ctrl-C", "succeeded", "job_succeeded", 0, (Strike("a second Ctrl-C", "monitor", 1),), ("resume",)),
    Life("gc before launch", "cancelled", "collected_by_gc", 130, (Strike("kill at turn", "setup"),), ("gc",)),
    Life(
        "gc spares a job",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("kill at turn", "monitor", 1),),
        ("gc", "resume"),
        job=_LONG_JOB,
    ),
    Life(
        "gc finds results",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("kill at turn", "monitor", 1),),
        ("away", "gc", "resume"),
    ),
    Life(
        "gc finds a launch that was claimed only",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the launch is claimed only"), Strike("kill at record:done", "launch", 1)),
        ("gc", "resume"),
        job=_LONG_JOB,
    ),
    Life("unprotected", "succeeded", "job_succeeded", 0, (Strike("the switch cannot prove itself"),)),
    Life(
        "held by the cloud",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the switch cannot prove itself"), Strike("the cloud lets go of no pod", "release", 0, 960.0)),
        ("resume", "resume"),
    ),
    Life("disk full", "lost", "pod_vanished", 10, (Strike("the disk is full", "setup", 0, 900.0),), ("resume",)),
)

_SECRETS: dict[str, Any] = {
    "secrets": [{"name": "token", "destination": "/workspace/.token", "env": ["TOKEN"]}],
    "lifecycle": {"on_success": "stop"},
}
_REPEATABLE: dict[str, Any] = {
    "setup": [{"command": "mount /data", "repeatable": True}, {"command": "pip install ."}],
    "preflight": [{"command": "nvidia-smi"}, {"command": "login", "repeatable": True}],
}
_REPEATED = (
    Life("repeatable commands", "succeeded", "job_succeeded", 0, config=_REPEATABLE),
    *(
        Life(
            f"repeatable commands, killed in {state}",
            "succeeded",
            "job_succeeded",
            0,
            (Strike(fault, state, nth),),
            ("resume",),
            config=_REPEATABLE,
        )
        for fault, state, nth in (
            ("kill at turn", "setup", 1),
            ("kill at turn", "stage", 0),
            ("kill at turn", "preflight", 1),
            ("kill at turn", "launch", 0),
        )
    ),
)
_SECRET = (
    Life("secrets in memory", "succeeded", "job_succeeded", 0, config=_SECRETS),
    Life("secrets on the disk", "succeeded", "job_succeeded", 0, config=_SECRETS, world={"is_volatile": False}),
    Life(
        "secrets that cannot be removed",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the link is down", "release", amount=900.0),),
        config=_SECRETS,
        world={"is_volatile": False},
    ),
    Life(
        "a secret is missing after a restart",
        "failed",
        "stage",
        5,
        (
            Strike("the pod is stopped by others", "preflight"),
            Strike("a secret is not set here", "stage", 1),
        ),
        config=_SECRETS,
    ),
)

_RETRY: dict[str, Any] = {
    "retries": 1,
    "checkpoints": {"paths": ["/workspace/ckpt", "/root/state"], "every_minutes": 1},
}
_RETRIED = (
    Life("checkpoints", "succeeded", "job_succeeded", 0, job=_LONG_JOB, config=_RETRY),
    Life(
        "launched again in a fresh pod",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the pod is deleted by others", "monitor", 14),),
        job=_LONG_JOB,
        config=_RETRY,
    ),
    Life(
        "launched again in its pod",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the container restarts", "monitor", 14),),
        job=_LONG_JOB,
        config=_RETRY,
    ),
    Life(
        "lost twice",
        "lost",
        "job_lost",
        10,
        (Strike("the pod is deleted by others", "monitor", 14), Strike("the container restarts", "monitor", 30)),
        job=_LONG_JOB,
        config=_RETRY,
    ),
    Life(
        "vanished before the launch, launched again",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the pod is deleted by others", "setup", 1),),
        config=_RETRY,
    ),
)

_IDLE = (
    Life(
        "idle GPUs end the job",
        "failed",
        "idle",
        7,
        job={**_LONG_JOB, "idle_from": 30.0},
        config={"budget": {**_QUICK_BUDGET, "idle_minutes": 2}},
    ),
    Life(
        "GPUs that are not idle for long",
        "succeeded",
        "job_succeeded",
        0,
        job={"idle_from": 10.0},
        config={"budget": {**_QUICK_BUDGET, "idle_minutes": 2}},
    ),
)

_BACKGROUND = (
    Life("work in the background is waited for", "succeeded", "job_succeeded", 0, job={"background": 120.0}),
    Life(
        "the budget ends a wait for the background",
        "failed",
        "budget",
        7,
        job={"background": 100_000.0},
        config={"budget": {**_QUICK_BUDGET, "max_runtime_minutes": 10}},
    ),
    Life(
        "a job that failed is not waited for",
        "failed",
        "job_failed",
        5,
        job={"exit_code": 3, "background": 100_000.0},
    ),
)

_RECYCLE = {"lifecycle": {"on_success": "recycle"}}
_RECYCLED = (
    Life("recycled", "succeeded", "job_succeeded", 0, config=_RECYCLE),
    Life("a paused pod is taken up", "succeeded", "job_succeeded", 0, config=_RECYCLE, world={"paused": {}}),
    Life(
        "a paused pod, the job fails",
        "failed",
        "job_failed",
        5,
        job={"exit_code": 3},
        config=_RECYCLE,
        world={"paused": {}},
    ),
    Life(
        "a paused pod has drifted",
        "succeeded",
        "job_succeeded",
        0,
        config=_RECYCLE,
        world={"paused": {"pod.image": "old"}},
    ),
    Life(
        "a paused pod has drifted, and is kept in use",
        "succeeded",
        "job_succeeded",
        0,
        config={"lifecycle": {"on_success": "recycle", "on_drift": "keep"}},
        world={"paused": {"pod.image": "old"}},
    ),
    Life(
        "a paused pod has drifted, and no other is had",
        "refused",
        "no_capacity",
        6,
        (Strike("all stock is sold", amount=9000.0),),
        config=_RECYCLE,
        world={"paused": {"pod.image": "old"}},
    ),
    Life(
        "a fresh pod is asked for",
        "succeeded",
        "job_succeeded",
        0,
        config=_RECYCLE,
        world={"paused": {}},
        options={"fresh": True},
    ),
    Life(
        "a paused pod is refused its start",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("start is refused by a full host", "boot"),),
        config=_RECYCLE,
        world={"paused": {}},
    ),
    Life(
        "a paused pod is refused its start, the job fails",
        "failed",
        "job_failed",
        5,
        (Strike("start is refused by a full host", "boot"),),
        job={"exit_code": 3},
        config=_RECYCLE,
        world={"paused": {}},
    ),
    Life(
        "a paused pod is refused its start, and started by others",
        "succeeded",
        "job_succeeded",
        0,
        (
            Strike("start is refused by a full host", "boot"),
            Strike("a stopped pod is started by others", "select"),
            Strike("offers is answered 503", "select"),
        ),
        config=_RECYCLE,
        world={"paused": {}},
    ),
    Life(
        "a paused pod starts without GPUs",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("start gives no GPUs", "boot"),),
        config=_RECYCLE,
        world={"paused": {}},
    ),
    Life(
        "a paused pod is gone",
        "succeeded",
        "job_succeeded",
        0,
        config=_RECYCLE,
        world={"paused": {"status": "TERMINATED"}},
    ),
    Life(
        "a paused pod was started by others",
        "succeeded",
        "job_succeeded",
        0,
        config=_RECYCLE,
        world={"paused": {"status": "RUNNING"}},
    ),
    Life(
        "a paused pod is another run's",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("another run takes the paused pod", "reclaim"),),
        config=_RECYCLE,
        world={"paused": {}},
    ),
    *(
        Life(
            f"a hand-over is found out afterwards, the pod {status.lower()}",
            "succeeded",
            "job_succeeded",
            0,
            (Strike("kill at effect:done", "reclaim"),),
            ("resume",),
            config=_RECYCLE,
            world={"paused": {"status": status}},
        )
        for status in ("EXITED", "RUNNING")
    ),
    Life(
        "Ctrl-C before a paused pod is used",
        "cancelled",
        "interrupted",
        130,
        (Strike("Ctrl-C on a terminal", "boot", 1),),
        config=_RECYCLE,
        world={"paused": {}},
    ),
)

_CPU: dict[str, Any] = {"pod": {"image": "img", "cpu_order": ["RTX A5000"], "vcpu_count": 4}}
_WITHOUT_GPU = (
    Life("a CPU job", "succeeded", "job_succeeded", 0, config=_CPU),
    Life("a CPU job fails", "failed", "job_failed", 5, job={"exit_code": 3}, config=_CPU),
    Life(
        "a CPU job, recycled", "succeeded", "job_succeeded", 0, config={**_CPU, "lifecycle": {"on_success": "recycle"}}
    ),
)

_PRESERVE = {"lifecycle": {"on_success": "preserve", "on_failure": "preserve", "preserve_minutes": 15}}
_PRESERVED = (
    Life("preserved", "succeeded", "job_succeeded", 0, config=_PRESERVE),
    Life("job fails, preserved", "failed", "job_failed", 5, job={"exit_code": 3}, config=_PRESERVE),
    Life(
        "setup fails, preserved, resumed at once",
        "failed",
        "setup",
        5,
        acts=("resume", "resume"),
        job={"commands": {"pip install .": 1}},
        config=_PRESERVE,
    ),
    *(
        Life(
            f"job fails, preserved, then {act}",
            "failed",
            "job_failed",
            5,
            acts=(act, "resume"),
            job={"exit_code": 3},
            config=_PRESERVE,
        )
        for act in ("away", "gc", "release", "cancel")
    ),
    Life(
        "job fails, the switch cannot preserve",
        "failed",
        "job_failed",
        5,
        (Strike("the switch cannot prove itself", "arm"),),
        job={"exit_code": 3},
        config=_PRESERVE,
    ),
    Life(
        "job fails, its switch cannot prove its new orders",
        "failed",
        "job_failed",
        5,
        (Strike("the switch cannot prove itself", "release"),),
        job={"exit_code": 3},
        config=_PRESERVE,
    ),
    Life(
        "job fails, preserved, and its switch is lost with the container",
        "failed",
        "job_failed",
        5,
        (Strike("the container restarts", "release", 2),),
        job={"exit_code": 3},
        config=_PRESERVE,
    ),
    Life(
        "job fails, preserved, its switch is lost with the container, and nobody gets through to give new orders",
        "failed",
        "job_failed",
        5,
        (Strike("the container restarts", "release", 2), Strike("kill at turn", "release", 4)),
        acts=("keep", "resume"),
        job={"exit_code": 3},
        config=_PRESERVE,
    ),
    Life(
        "preserved with secrets",
        "succeeded",
        "job_succeeded",
        0,
        config={**_PRESERVE, "secrets": [{"name": "t", "destination": "/workspace/.t", "env": ["T"]}]},
    ),
    Life(
        "preserved with secrets on the disk",
        "succeeded",
        "job_succeeded",
        0,
        config={**_PRESERVE, "secrets": [{"name": "t", "destination": "/workspace/.t", "env": ["T"]}]},
        world={"is_volatile": False},
    ),
)

_TWIN = "create makes two pods"
_TWINS = (
    Life("two pods of one create", "succeeded", "job_succeeded", 0, (Strike(_TWIN, amount=1.0),)),
    Life(
        "two pods of one create, the second shown late",
        "succeeded",
        "job_succeeded",
        0,
        (Strike(_TWIN, amount=90.0),),
        job={"seconds": 900.0},
    ),
    Life(
        "two pods of one create, the second kept for a while",
        "succeeded",
        "job_succeeded",
        0,
        (Strike(_TWIN, amount=1.0), Strike("delete is accepted and not done", "boot")),
        job=_LONG_JOB,
    ),
    Life(
        "two pods of one create, and a long setup",
        "succeeded",
        "job_succeeded",
        0,
        (Strike(_TWIN, amount=150.0),),
        job={"command_seconds": {"pip install .": 200.0}},
    ),
    Life(
        "two pods of one create, detached",
        "succeeded",
        "job_succeeded",
        0,
        (Strike(_TWIN, amount=20.0), Strike("rpd run --detach", "monitor", 2)),
        acts=("resume",),
        job=_LONG_JOB,
    ),
    Life(
        "two pods of one create, and others delete the first one before the run is detached",
        "lost",
        "pod_vanished",
        10,
        (
            Strike(_TWIN, amount=20.0),
            Strike("the pod is deleted by others", "monitor", 0),
            Strike("rpd run --detach", "monitor", 2),
        ),
        job=_LONG_JOB,
    ),
    *(
        Life(
            f"two pods of one create, preserved, the second shown after {late:g} s",
            "succeeded",
            "job_succeeded",
            0,
            (Strike(_TWIN, amount=late),),
            config=_PRESERVE,
        )
        for late in (1.0, 150.0)
    ),
    Life(
        "the answer of a create that made two pods is not kept",
        "succeeded",
        "job_succeeded",
        0,
        (Strike(_TWIN, amount=1.0), Strike("kill at effect:done", "create")),
        acts=("resume",),
    ),
    Life("two pods of one create, both shown at once", "succeeded", "job_succeeded", 0, (Strike(_TWIN, amount=0.0),)),
    Life(
        "two pods of one create, and others delete the first one of a run that was killed",
        "lost",
        "pod_vanished",
        10,
        (
            Strike(_TWIN, amount=20.0),
            Strike("kill at record:done", "preflight"),
            Strike("the pod is deleted by others", "monitor"),
        ),
    ),
    *(
        Life(
            f"two pods of one create, and a sleep in {state}",
            "succeeded",
            "job_succeeded",
            0,
            (Strike(_TWIN, amount=20.0), Strike("the laptop sleeps", state, amount=200.0)),
        )
        for state in ("boot", "arm", "stage", "preflight", "launch", "collect")
    ),
)

_BEFORE_LAUNCH = ("connect", "arm", "setup", "stage", "preflight", "launch")
_STOPPED = tuple(
    Life(f"pod stopped in {state}", "succeeded", "job_succeeded", 0, (Strike("the pod is stopped by others", state),))
    for state in _BEFORE_LAUNCH
)

_RESTARTED = tuple(
    Life(
        f"container made anew in {state}",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the container is made anew by others", state),),
    )
    for state in ("arm", "setup", "stage", "preflight", "launch")
)
_OFFLINE = (
    *(
        Life(
            f"offline for minutes in {state}",
            "succeeded",
            "job_succeeded",
            0,
            (Strike("this machine is offline", state, amount=480.0),),
        )
        for state in ("select", "create", "boot", "connect", "arm", "setup", "stage", "preflight", "launch", "monitor")
    ),
    Life(
        "offline while collecting, though the file says delete",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("every packet is dropped", "collect", amount=480.0),),
        config={"lifecycle": {"on_failure": "delete"}},
    ),
    Life(
        "offline for too long before the launch",
        "refused",
        "cloud_unreachable",
        6,
        (Strike("this machine is offline", "setup", amount=900.0),),
    ),
    Life(
        "offline for long after the launch",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("this machine is offline", "monitor", amount=900.0),),
    ),
    Life(
        "no link to the pod for too long before the launch",
        "refused",
        "pod_unreachable",
        6,
        (Strike("the link is down", "setup", amount=900.0),),
    ),
)
_VERBOSE = (
    Life(
        "its commands print long lines",
        "succeeded",
        "job_succeeded",
        0,
        (Strike("the commands print long lines", "setup", amount=90_000.0),),
    ),
    Life(
        "every candidate is refused at length",
        "refused",
        "no_capacity",
        6,
        (Strike("create is refused at length", "create", amount=30_000.0),) * 2,
    ),
    Life(
        "runs before have left a great many pods paused",
        "succeeded",
        "job_succeeded",
        0,
        config={"lifecycle": {"on_success": "recycle", "on_drift": "ask"}},
        world={"crowd": 120},
    ),
)

_ON_A_NETWORK_VOLUME = {"storage": {"mode": "network_volume", "volume_name": "data"}}
_MOUNTED = (
    Life(
        "on a network volume",
        "succeeded",
        "job_succeeded",
        0,
        config=_ON_A_NETWORK_VOLUME,
        world={"volume_ids": {"data": "v1"}},
    ),
    Life(
        "results on a network volume do not verify, then renounced",
        "cancelled",
        "cancelled",
        130,
        acts=("resume", "release"),
        job={"artifacts": {"/workspace/out": "corrupt"}},
        config=_ON_A_NETWORK_VOLUME,
        world={"volume_ids": {"data": "v1"}},
    ),
    Life(
        "a run that died holds a place on the network volume",
        "failed",
        "job_failed",
        5,
        job={"exit_code": 3},
        config=_ON_A_NETWORK_VOLUME,
        world={
            "volume_ids": {"data": "v1"},
            "held": (
                Holder("l.1", "train-20270109T000000Z-oooooo", "gone", name_mark(f"rpd-train-{'o' * 26}-a1"), "/src"),
            ),
        },
    ),
)

_ALL = (
    *_LIVES,
    *_RESTARTED,
    *_OFFLINE,
    *_VERBOSE,
    *_STOPPED,
    *_SECRET,
    *_REPEATED,
    *_RETRIED,
    *_IDLE,
    *_BACKGROUND,
    *_RECYCLED,
    *_PRESERVED,
    *_TWINS,
    *_WITHOUT_GPU,
    *_MOUNTED,
    *SESSIONS,
)
LIVES: dict[str, Life] = {life.name: life for life in _ALL}
"""By name."""
