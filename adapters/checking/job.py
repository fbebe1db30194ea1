"""What is wrong with a job whose file is right. By default this opens no socket, and starts no process but git where a
tree asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rpd.adapters.checking.disclosure import disclosed
from rpd.adapters.checking.finding import Finding, error, warning
from rpd.adapters.checking.payload import Payload, judged, payloads
from rpd.adapters.checking.results import lost_results
from rpd.adapters.checking.room import too_large
from rpd.adapters.local.dirs import state_home
from rpd.adapters.local.secret_content import problem_with
from rpd.adapters.run_folder.workspace import LocalWorkspace
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.engine.errors import UserError
from rpd.states.ports.job import Budget, Job
from rpd.states.shared.lease import shared_destinations


class Checks(msgspec.Struct, frozen=True):
    """What to check beside the file itself."""

    account: bool = False
    image: bool = False
    payload: bool = False
    use_sandbox: bool = False


def checked(loaded: LoadedJob, wanted: Checks) -> tuple[list[Finding], list[Payload]]:
    """All findings for a job whose file is right, and the trees that it would send."""
    local = list(_local(loaded))
    sent = payloads(loaded.job) if not errors_in(local) else []
    return [*local, *judged(loaded.job, sent), *_asked(loaded.job, wanted)], sent


def errors_in(found: list[Finding]) -> list[Finding]:
    """The findings that prevent the job from running."""
    return [each for each in found if each.level == "error"]


def _local(loaded: LoadedJob) -> Iterator[Finding]:
    job = loaded.job
    unset = {problem: file.env for file in job.secrets if file.env and (problem := problem_with(file)) is not None}
    for problem in LocalWorkspace(state_home()).check_inputs(job, loaded.run_dir):
        if problem in unset:  # the file may be good, and checked on a machine without its secrets
            yield warning("secret", f"{problem}; without it nothing is rented: export {unset[problem][0]}=...")
        else:
            yield error("local", problem)
    yield from (error("secret", problem) for problem in disclosed(loaded, state_home()))
    if (size := too_large(loaded.config)) is not None:
        yield error("size", size)
    yield from lost_results(job)
    if job.budget.poll_interval_sec != Budget().poll_interval_sec:
        yield warning("budget", "budget.poll_interval_sec has no effect: rpd follows the log as it grows; leave it out")
    if job.pod.args is not None and "start.sh" not in job.pod.args:
        yield warning(
            "args", "pod.args takes the place of the image's start command: without sshd in it no pod is reached"
        )
    if job.storage.mode == "network_volume" and len(job.pod.datacenters) > 1:
        yield warning("volume", "a network volume is in one data center; the others of pod.datacenters cannot mount it")
    mount = job.storage.volume_mount.rstrip("/")
    if fixed := [f"{mount}{place}" for place in shared_destinations(job) if loaded.run_id not in place]:
        advice = f"put {{run_id}} into it, as in {mount}/{{run_id}}/src, if several runs are to work at the same time"
        yield warning("volume", f"{', '.join(fixed)} on the network volume is held by one run at a time: {advice}")


def _asked(job: Job, wanted: Checks) -> Iterator[Finding]:
    if wanted.payload:
        from rpd.adapters.checking.scan import scan

        yield from scan(job)
    if wanted.account:
        from rpd.adapters.access.clouds import chosen_access
        from rpd.adapters.checking.account import check_account
        from rpd.adapters.local.control import ProcessControl
        from rpd.adapters.wiring import cloud_for

        home = state_home()
        try:
            access = chosen_access(home, use_sandbox=wanted.use_sandbox)
        except UserError as trouble:  # reported beside the other findings
            yield error("key", f"{trouble.message} ({trouble.hint})", trouble.exit_code)
        else:
            yield from check_account(job, cloud_for(access, ProcessControl()))
    if wanted.image:
        from rpd.adapters.checking.registry import check_image

        if job.pod.image:
            yield from check_image(job)
