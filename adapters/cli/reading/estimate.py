"""`rpd estimate` and `rpd run --plan`: what rpd would try, and what it would cost. Nothing is rented."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rpd.adapters.access.clouds import Access, chosen_access
from rpd.adapters.checking.account import check_account, offers_of
from rpd.adapters.checking.balance import balance_of
from rpd.adapters.checking.credit import check_credit
from rpd.adapters.checking.finding import Finding
from rpd.adapters.checking.payload import Payload, judged, payloads
from rpd.adapters.checking.results import lost_results
from rpd.adapters.checking.scan import scan
from rpd.adapters.cli.reading.runs import table
from rpd.adapters.forensics.estimate import BOOT_MINUTES, Estimate, document, estimate
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.words import money, one_line, plural, rate
from rpd.adapters.run_folder.workspace import LocalWorkspace
from rpd.adapters.runpod.balance import Balance
from rpd.adapters.runs.job import Overrides, shown_name
from rpd.adapters.spec.jobfile import LoadedJob
from rpd.adapters.spec.yaml_source import YamlSource
from rpd.adapters.terminal import output
from rpd.engine.errors import UserError
from rpd.states.policy.naming import described
from rpd.states.ports.exits import Exit
from rpd.states.ports.job import Job, is_away
from rpd.states.ports.world import DataCenter, Offer

if TYPE_CHECKING:
    from rpd.adapters.runpod.cloud import RunPodCloud


def estimate_file(job: Path | YamlSource, overrides: Overrides, *, use_sandbox: bool, as_json: bool) -> int:
    """Exit code 0, or 6 when no candidate is within the price cap."""
    loaded = overrides.load(job)
    access = chosen_access(state_home(), use_sandbox=use_sandbox)
    cloud = _cloud(access)
    found = estimate(loaded.job, offers_of(cloud, loaded.job), _centers(cloud, loaded.job))
    if found.misnamed:
        raise UserError("\n       ".join(found.misnamed), hint="rpd gpus   or   rpd stock", reason="name_unknown")
    balance = balance_of(access)
    if as_json:
        output.answer(
            {
                "schema": "rpd.estimate/1",
                "job": loaded.job.name,
                "balance": msgspec.to_builtins(balance),
                **document(found),
            }
        )
    else:
        output.text([*_page(found), *_balance_line(balance)])
        output.note([one_line(described(found.meant))] if found.meant else [])
        output.note(one_line(each.line) for each in _credit(balance, found))
    return _code(found)


def plan_file(job: Path | YamlSource, overrides: Overrides, *, use_sandbox: bool, offline: bool, as_json: bool) -> int:
    """Everything but the renting. `offline` starts no process and opens no socket, so prices are not known. Exit code 2
    for an error that the provider proves, 6 when no candidate is within the price cap, 4 without credit."""
    loaded = overrides.load(job)
    problems = LocalWorkspace(state_home()).check_inputs(loaded.job, loaded.run_dir)
    if problems:
        raise UserError("\n       ".join([f"{shown_name(job)} cannot run here:", *problems]))
    sent = payloads(loaded.job)
    looked = [*lost_results(loaded.job), *judged(loaded.job, sent), *scan(loaded.job)]
    offers: tuple[Offer, ...] = ()
    centers: tuple[DataCenter, ...] = ()
    balance = None
    if not offline:
        access = chosen_access(state_home(), use_sandbox=use_sandbox)
        cloud = _cloud(access)
        offers = offers_of(cloud, loaded.job)
        centers = _centers(cloud, loaded.job)
        looked += check_account(loaded.job, cloud)
        balance = balance_of(access)
    found = estimate(loaded.job, offers, centers)
    unpaid = _credit(balance, found)
    looked += unpaid
    steps = _steps(loaded, sent)
    if as_json:
        output.answer(
            {
                "schema": "rpd.plan/1",
                "job": loaded.job.name,
                "run_dir": loaded.run_dir,
                "offline": offline,
                "balance": msgspec.to_builtins(balance),
                "steps": steps,
                "staging": msgspec.to_builtins(sent),
                "findings": [msgspec.to_builtins(each) for each in looked],
                **document(found),
            }
        )
    else:
        output.text([f"{loaded.job.name}: nothing is rented; the run would", *(f"  {step}" for step in steps), ""])
        output.text([*_page(found), *_balance_line(balance)] if not offline else ["prices are not known offline"])
        output.note(one_line(each.line) for each in looked)
    is_wrong = any(each.level == "error" and each.exit_code == Exit.USAGE for each in looked)
    if is_wrong:
        return Exit.USAGE
    if offline:
        return 0
    return _code(found) or (Exit.KEY if any(each.level == "error" for each in unpaid) else 0)


def _code(found: Estimate) -> int:
    return 0 if any(choice.is_affordable for choice in found.choices) else Exit.NO_CAPACITY


def _credit(balance: Balance | None, found: Estimate) -> list[Finding]:
    return list(check_credit(balance, found)) if balance is not None else []


def _cloud(access: Access) -> RunPodCloud:
    from rpd.adapters.wiring import cloud_for

    return cloud_for(access, ProcessControl())


def _centers(cloud: RunPodCloud, job: Job) -> tuple[DataCenter, ...]:
    """Read the data centers if the job names some."""
    return cloud.datacenters() if job.pod.datacenters else ()


def _steps(loaded: LoadedJob, sent: list[Payload]) -> list[str]:
    job = loaded.job
    many = f"{job.pod.units} vCPUs of" if job.pod.cpu_order else f"{job.pod.gpu_count} x"
    image = job.pod.image or f"template {job.pod.template_id}"
    steps = [f"rent {many} one of {', '.join(map(str, job.pod.hardware))} with {image}"]
    steps += [
        f"run setup command {index + 1}: {step.command.strip().splitlines()[0][:60]}"
        for index, step in enumerate(job.setup)
    ]
    steps += [f"send {tree.source} to {tree.destination}: {tree.refusal or tree.size}" for tree in sent]
    steps += [f"install Python {job.pod.python_version} with uv"] if job.pod.python_version else []
    steps += [
        f"run preflight command {index + 1}: {step.command.strip().splitlines()[0][:60]}"
        for index, step in enumerate(job.preflight)
    ]
    lines = plural(len(job.run.body.splitlines()), "line")
    steps.append(f"run the job ({lines}, {f'by {job.run.shell}' if job.run.shell else 'with pipefail'})")
    steps += [
        f"{'push' if is_away(item.local_path) else 'fetch'} {item.remote_path} to {item.local_path}"
        for item in job.artifacts
    ]
    kept = f" (kept up for {job.lifecycle.preserve_minutes:g} minutes)" if job.lifecycle.kept_hours else ""
    steps.append(f"then {job.lifecycle.on_success} the pod on success, {job.lifecycle.on_failure} it on failure{kept}")
    return [one_line(step) for step in steps]


def _balance_line(balance: Balance | None) -> list[str]:
    """Empty if the balance cannot be known."""
    if balance is None:
        return []
    spent = f", and what there is already costs {rate(balance.usd_per_hour)}" if balance.usd_per_hour else ""
    return [f"balance  {money(balance.usd)}{spent}"]


def _page(found: Estimate) -> list[str]:
    rows = [
        (
            choice.gpu_id,
            choice.datacenter_id or "any",
            choice.cloud,
            rate(choice.usd_per_hour) if choice.usd_per_hour is not None else "?",
            rate(choice.with_disks_usd_per_hour) if choice.with_disks_usd_per_hour is not None else "?",
            choice.stock if choice.is_affordable else f"{choice.stock}, over the price cap",
        )
        for choice in found.choices
    ]
    lines = table(rows, ("GPU", "DATA CENTER", "CLOUD", "GPUS", "WITH DISKS", "STOCK"))
    lines.append("")
    if found.usd_per_hour is not None:
        lines.append(f"boot     about {money(found.boot_usd or 0.0)} ({BOOT_MINUTES:.0f} minutes on a cold host)")
        lines.append(
            f"budget   {money(found.cap_usd)} lasts {found.hours_at_cap or 0.0:.1f} h at {rate(found.usd_per_hour)}"
        )
    if found.max_runtime_hours is not None:
        lines.append(f"limit    {found.max_runtime_hours * 60.0:.0f} minutes: at most {money(found.most_usd)}")
    if found.worst_usd is not None:
        lines.append(
            f"worst    {money(found.worst_usd)}, if this machine never returns and the switch in the pod ends it"
        )
    lines.append(f"stopped  {money(found.stopped_usd_per_month)} a month, if the pod is kept")
    if found.is_on_network_volume:
        lines.append("volume   the network volume costs about $0.07 per GB and month, with and without pods")
    return [one_line(line) for line in lines]
