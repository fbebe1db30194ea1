"""The command tree: options, help texts, and one call each. Imports typer and the standard library only; a command
imports its body when it is called, and gives back the exit code."""

from __future__ import annotations

import copy
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.exceptions import TyperException

from rpd.adapters.cli import market, sandbox, volumes
from rpd.adapters.cli.helping import Grouped

EPILOG = (
    "Exit codes: 0 done, 2 bad input, 4 key or credit, 5 job failed, 6 no capacity, 7 budget, 8 something still bills, "
    "9 journal, 10 lost, 75 resumable, 130/143 interrupted."
)

app = typer.Typer(
    name="rpd",
    cls=Grouped,
    help="Run jobs on rented GPU pods. Whatever dies, the journal says the one next step.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sandbox.app, name="sandbox", help="RunPod on this machine, for trying and testing.")
app.add_typer(volumes.app, name="volumes")


def _run_names(incomplete: str) -> list[str]:
    from rpd.adapters.cli.completion import run_names

    return run_names(incomplete)


Run = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation at run time
    typer.Argument(
        metavar="[RUN]", help="Run id, unique prefix, workflow name, or path (./train).", autocompletion=_run_names
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Delete also results that nobody has collected, unasked. Needed off a terminal.")
]
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Vars = Annotated[
    list[str] | None,
    typer.Option(
        "--var", metavar="KEY[=VALUE]", help="A template variable; alone: from the environment (secrets). Repeatable."
    ),
]


def call() -> int:
    """Run the command of `sys.argv` and give back its exit code. Raises UserError for words that mean nothing here, and
    what the command's body raises."""
    try:
        words, command = _cut(sys.argv[1:])
        if "_RPD_COMPLETE" in os.environ:
            from rpd.adapters.cli.completion import prepare

            prepare()
            tree = app
        else:
            tree = _asked(words)
        code = tree(words, prog_name="rpd", standalone_mode=False, obj=command)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except TyperException as error:
        return _misused(error)
    return code if isinstance(code, int) else 0


def _asked(words: list[str]) -> typer.Typer:
    """The tree with nothing but the command that is called, where one is named: reading the options of all the others
    takes longer than most commands do."""
    name = next((word for word in words if word != "--debug"), None)
    commands = [each for each in app.registered_commands if each.name == name]
    groups = [each for each in app.registered_groups if each.name == name]
    if not (commands or groups):
        return app
    tree = copy.copy(app)
    tree.registered_commands, tree.registered_groups = commands, groups
    return tree


def _cut(words: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands after `--` is a command for the pod, not for the option parser; None where there is no `--`."""
    at = words.index("--") if "--" in words else len(words)
    if at == len(words) or next((word for word in words[:at] if not word.startswith("-")), None) != "run":
        return words, None
    return words[:at], words[at + 1 :]


def _misused(error: Any) -> int:
    """A group without a command gets its help page; everything else is an error like any other."""
    from rpd.engine.errors import UserError

    text = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(text, err=True)
        return 2
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "rpd"
    if (unknown := re.match(r"No such command '(.*?)'", text)) is not None and context is not None:
        from rpd.adapters.cli.meant import meant

        hint = meant(unknown[1], list(context.command.commands), command)
        raise UserError(f"there is no command {command} {unknown[1]}", hint=hint) from error
    raise UserError(text[:1].lower() + text[1:].rstrip("."), hint=f"{command} --help") from error


@app.callback()
def _globals(debug: Debug = False) -> None:
    if debug:
        os.environ["RPD_DEBUG"] = "1"


File = Annotated[Optional[Path], typer.Argument(metavar="[FILE]", help="The job file.")]  # noqa: UP045
Config = Annotated[Optional[Path], typer.Option("--config", hidden=True)]  # noqa: UP045
VarsFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--vars-file", metavar="FILE", help="Variables as a JSON object; --var wins."),
]
Gpus = Annotated[
    list[str] | None,
    typer.Option("--gpu", "--gpu-id", metavar="GPU", help="In place of the file's gpu_order. Repeatable."),
]
Places = Annotated[
    list[str] | None,
    typer.Option("--datacenter", "--datacenter-id", metavar="ID", help="In place of the file's. Repeatable."),
]
Image = Annotated[Optional[str], typer.Option("--image", metavar="IMAGE", help="In place of the file's.")]  # noqa: UP045
GpuPrice = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--max-gpu-price", metavar="USD", help="The most that a GPU may cost per hour."),
]
CostCap = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--cost-cap-usd", metavar="USD", help="The most that the run may cost."),
]
Runtime = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--max-runtime-minutes", metavar="N", help="How long its pods may live."),
]
SshTimeout = Annotated[Optional[float], typer.Option("--ssh-ready-timeout-sec", metavar="N", hidden=True)]  # noqa: UP045
Fallback = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--fallback-cloud-type", metavar="SECURE|COMMUNITY", help="The cloud to try when the first has none."),
]


@app.command("run")
def run(
    context: typer.Context,
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="[FILE | -- COMMAND...]", help="The job file, or a command to run without one."),
    ] = None,
    config: Config = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use this machine's sandbox in place of RunPod.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave once the job runs; `rpd resume` comes back.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Start although an unfinished run of this file exists.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", "--force-fresh", help="Rent a fresh pod, and release a paused one.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", "--dry-run", help="Everything but the renting.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", "--offline-dry-run", help="A plan without a process or a socket.")
    ] = False,
    wait_for_stock: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--wait-for-stock", metavar="AGE", help="Try again for so long (30m) when all is sold out."),
    ] = None,
    max_usd_per_day: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--max-usd-per-day", metavar="USD", help="Refuse a run that could bring the day above it."),
    ] = None,
    print_run_dir: Annotated[
        bool, typer.Option("--print-run-dir", help="First of all print RUN_DIR=<folder> on stdout.")
    ] = False,
    gpu: Gpus = None,
    datacenter: Places = None,
    image: Image = None,
    gpu_count: Annotated[Optional[int], typer.Option("--gpu-count", metavar="N", help="GPUs per pod.")] = None,  # noqa: UP045
    volume_gb: Annotated[Optional[int], typer.Option("--volume-gb", metavar="N", help="Size of the volume.")] = None,  # noqa: UP045
    name: Annotated[Optional[str], typer.Option("--name", metavar="NAME", help="In place of the file's.")] = None,  # noqa: UP045
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="With a command: send the current folder, or do not.")
    ] = True,
    max_gpu_price: GpuPrice = None,
    cost_cap_usd: CostCap = None,
    max_runtime_minutes: Runtime = None,
    ssh_ready_timeout_sec: SshTimeout = None,
    fallback_cloud_type: Fallback = None,
    var: Vars = None,
    vars_file: VarsFile = None,
    json: Json = False,
) -> int:
    """Rent a pod, run the job, bring the results back verified, give the pod back.

    Without a file: rpd run --image IMAGE --gpu GPU -- python train.py --lr 0.1
    sends the current folder, runs the command there, and fetches what it leaves in /workspace/out.
    """
    from rpd.adapters.cli.overrides import overrides, the_job
    from rpd.engine.errors import UserError

    said = overrides(
        variables=var,
        vars_file=vars_file,
        gpus=gpu,
        datacenters=datacenter,
        image=image,
        max_gpu_price=max_gpu_price,
        cost_cap_usd=cost_cap_usd,
        max_runtime_minutes=max_runtime_minutes,
        ssh_ready_timeout_sec=ssh_ready_timeout_sec,
        fallback_cloud_type=fallback_cloud_type,
        gpu_count=gpu_count,
        volume_gb=volume_gb,
        name=name,
    )
    job = the_job(file, config, context.obj, sends_files=files)
    if plan or offline:
        from rpd.adapters.cli.estimate import plan_file

        return plan_file(job, said, use_sandbox=sandbox, offline=offline, as_json=json)
    if print_run_dir and json:
        raise UserError("--print-run-dir and --json cannot both have stdout; the JSON names run_dir")
    from rpd.adapters.cli.run import run_file

    return run_file(
        job,
        said,
        use_sandbox=sandbox,
        detach=detach,
        new=new,
        fresh=fresh,
        wait_for_stock=wait_for_stock,
        max_usd_per_day=max_usd_per_day,
        print_run_dir=print_run_dir,
        as_json=json,
    )


@app.command("resume")
def resume(run: Run = None, json: Json = False) -> int:
    """Go on from any interruption."""
    from rpd.adapters.cli.resume import resume_run

    return resume_run(run, as_json=json)


@app.command("inspect")
def inspect(
    run: Run = None,
    json: Json = False,
    graph: Annotated[bool, typer.Option("--graph", help="The state diagram with the path walked (Mermaid).")] = False,
    at: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--at", metavar="SEQ", help="As it stood after this record."),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Only whether the journal is whole (9: it is not).")] = False,
) -> int:
    """Explain what happened, what it costs, and what comes next. Reads only the journal."""
    from rpd.adapters.cli.inspect import inspect_run

    return inspect_run(run, as_json=json, as_graph=graph, at=at, verify=verify)


@app.command("gc")
def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Act; without it, only the plan is shown.")] = False,
    stopped: Annotated[bool, typer.Option("--stopped", help="Delete stopped pods of finished runs, too.")] = False,
    older_than: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--older-than", metavar="AGE", help="Those that were stopped so long ago (30d)."),
    ] = None,
    adopt: Annotated[
        list[str] | None, typer.Option("--adopt", metavar="POD", help="Stop this pod of somebody else's. Repeatable.")
    ] = None,
    workflow: Annotated[Optional[str], typer.Option("--workflow", metavar="NAME", help="Only its runs.")] = None,  # noqa: UP045
    patience: Annotated[
        str, typer.Option("--patience", metavar="TIME", help="How long a cloud that does not answer is asked (60s).")
    ] = "60s",
    json: Json = False,
) -> int:
    """Release every pod that is provably ours and that nobody drives any more."""
    from rpd.adapters.cli.cleanup import Wanted
    from rpd.adapters.cli.gc import collect_garbage
    from rpd.adapters.forensics.timeline import age_seconds

    age = age_seconds(older_than) if older_than is not None else None
    wanted = Wanted(stopped, age, tuple(adopt or ()), workflow)
    return collect_garbage(wanted, act=yes, as_json=json, seconds=age_seconds(patience))


@app.command("cancel")
def cancel(
    run: Run = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the disk, too, once all results are here.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """End a run: stop its job, collect what there is, release the pod."""
    from rpd.adapters.cli.release import cancel_run

    return cancel_run(run, delete=delete, yes=yes, as_json=json)


@app.command("release")
def release(
    run: Run = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the pod; its volume stays and costs storage.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the pod and its volume.")] = False,
    keep_until: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--keep-until", metavar="T", help="End it, and keep its pod up for 45m, 2h, or to a UTC time."),
    ] = None,
    mode: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--mode", metavar="MODE", help="stop, delete, or preserve, which leaves all as it is."),
    ] = None,
    state_file: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--state-file", metavar="FILE", help="The run that the config's state_file names."),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Give the pod of a run back, also one that a finished run left stopped."""
    from rpd.adapters.cli.release import How, release_run

    how = How.told(stop=stop, delete=delete, keep_until=keep_until, mode=mode)
    return release_run(run, how, state_file=state_file, yes=yes, as_json=json)


@app.command("salvage")
def salvage(
    run: Run = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete its pods, results or not; else they stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    json: Json = False,
) -> int:
    """End a run whose journal is damaged: give back what it owes, and set the file aside."""
    from rpd.adapters.cli.salvage import salvage_run

    return salvage_run(run, delete=delete, yes=yes, as_json=json)


@app.command("estimate")
def estimate(
    file: File = None,
    config: Config = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="At the sandbox's prices.")] = False,
    gpu: Gpus = None,
    datacenter: Places = None,
    max_gpu_price: GpuPrice = None,
    cost_cap_usd: CostCap = None,
    max_runtime_minutes: Runtime = None,
    var: Vars = None,
    vars_file: VarsFile = None,
    json: Json = False,
) -> int:
    """What a job will cost: candidates, prices, caps, the worst case."""
    from rpd.adapters.cli.estimate import estimate_file
    from rpd.adapters.cli.overrides import overrides, the_job

    said = overrides(
        variables=var,
        vars_file=vars_file,
        gpus=gpu,
        datacenters=datacenter,
        max_gpu_price=max_gpu_price,
        cost_cap_usd=cost_cap_usd,
        max_runtime_minutes=max_runtime_minutes,
    )
    return estimate_file(the_job(file, config), said, use_sandbox=sandbox, as_json=json)


@app.command("init")
def init(file: Annotated[Path, typer.Argument(metavar="[FILE]")] = Path("job.yaml")) -> int:
    """Write a commented job file to start from."""
    from rpd.adapters.cli.drafting import init_file

    return init_file(file)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A SkyPilot task, dstack file, or runpodctl line.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="FILE|FOLDER", help="Where to write; - prints. Default: this folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    json: Json = False,
) -> int:
    """Make job files of a SkyPilot task, a dstack configuration or a `runpodctl create pod` line."""
    from rpd.adapters.cli.importing import import_file

    return import_file(file, out, force=force, as_json=json)


@app.command("migrate")
def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A job file of an older schema.")],
    write: Annotated[bool, typer.Option("--write", help="Change the file, not only show how.")] = False,
) -> int:
    """Bring a job file of schema version 1, or with renamed fields, up to date."""
    from rpd.adapters.cli.drafting import migrate_file

    return migrate_file(file, write=write)


@app.command("schema")
def schema(what: Annotated[str, typer.Argument(metavar="[job|journal]")] = "job") -> int:
    """The JSON schema of job files (or of journal records), for editors and checkers."""
    from rpd.adapters.cli.drafting import show_schema

    return show_schema(what)


@app.command("completion")
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish")]) -> int:
    """The completion script of a shell: eval "$(rpd completion bash)" in its start file."""
    from rpd.adapters.cli.completion import show_script

    return show_script(shell)


@app.command("validate")
def validate(
    file: File = None,
    config: Config = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the provider (key, stock, prices, volume) and the image's registry.")
    ] = False,
    scan: Annotated[
        bool, typer.Option("--scan", "--scan-consumer", help="Read the commands and files for what breaks in a pod.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Both.")] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Ask the sandbox in place of RunPod.")] = False,
    check_local: Annotated[bool, typer.Option("--check-local", hidden=True)] = False,
    check_availability: Annotated[bool, typer.Option("--check-availability", hidden=True)] = False,
    check_image_registry: Annotated[bool, typer.Option("--check-image-registry", hidden=True)] = False,
    skip_registry_check: Annotated[bool, typer.Option("--skip-registry-check", help="Leave the registry out.")] = False,
    gpu: Gpus = None,
    datacenter: Places = None,
    image: Image = None,
    max_gpu_price: GpuPrice = None,
    cost_cap_usd: CostCap = None,
    max_runtime_minutes: Runtime = None,
    var: Vars = None,
    vars_file: VarsFile = None,
    json: Json = False,
) -> int:
    """Check and render a job file; by default it starts nothing and asks nobody."""
    from rpd.adapters.cli.overrides import overrides, the_job
    from rpd.adapters.cli.validate import Wanted, validate_file

    said = overrides(
        variables=var,
        vars_file=vars_file,
        gpus=gpu,
        datacenters=datacenter,
        image=image,
        max_gpu_price=max_gpu_price,
        cost_cap_usd=cost_cap_usd,
        max_runtime_minutes=max_runtime_minutes,
    )
    wanted = Wanted(
        account=online or everything or check_availability,
        image=(online or everything or check_image_registry) and not skip_registry_check,
        payload=scan or everything,
        use_sandbox=sandbox,
    )
    return validate_file(the_job(file, config), said, wanted, as_json=json)


@app.command("runs")
def runs(
    what: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[prune]", help="Forget those that are over and owe nothing; results stay."),
    ] = None,
    workflow: Annotated[Optional[str], typer.Option("--workflow", metavar="NAME", help="Only its runs.")] = None,  # noqa: UP045
    outcome: Annotated[
        list[str] | None,
        typer.Option("--outcome", metavar="END", help="Only those that ended so, or `unfinished`. Repeatable."),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="AGE", help="Begun at most so long ago (7d).")] = None,
    older_than: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--older-than", metavar="AGE", help="Begun longer ago; prune takes 30d by default."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="The newest N (0: all).")] = 20,
    root: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--root", "--project-root", metavar="DIR", help="Run folders below DIR, also those of runpod-deploy."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With prune: act; without it, only the plan is shown.")] = False,
    json: Json = False,
) -> int:
    """All runs at a glance, newest first; `rpd runs prune` forgets old ones."""
    from rpd.adapters.cli.listing import Chosen, list_runs
    from rpd.engine.errors import UserError

    chosen = Chosen.told(workflow=workflow, outcomes=outcome, since=since, older_than=older_than)
    if what is None:
        if yes:
            raise UserError("--yes belongs to rpd runs prune")
        return list_runs(chosen, limit=limit, root=root, as_json=json)
    if what != "prune" or root is not None:
        told = (
            "prune forgets journals of this state home; --root names none" if what == "prune" else f"no {what!r} here"
        )
        raise UserError(told, hint="rpd runs, or rpd runs prune")
    from rpd.adapters.cli.pruning import prune

    return prune(chosen, act=yes, as_json=json)


@app.command("events")
def events(
    run: Run = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="KEY=VALUE", help="Only these. Repeatable.")
    ] = None,
    since: Annotated[Optional[str], typer.Option("--since", metavar="AGE", help="30s, 5m, 1h, 7d.")] = None,  # noqa: UP045
    root: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--root", metavar="DIR", help="Of every run folder below DIR."),
    ] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="Of every run of this state home.")] = False,
    json: Json = False,
) -> int:
    """What happened, line by line, in one run or in many."""
    from rpd.adapters.cli.events import show_events

    return show_events(run, where=where or [], since=since, root=root, all_runs=all_runs, as_json=json)


@app.command("summary")
def summary(
    run: Run = None,
    root: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--root", metavar="DIR", help="Every run folder below DIR, with totals."),
    ] = None,
    json: Json = False,
) -> int:
    """What ran where, what came back, what it cost: one run, or a folder of runs with totals. Exit code 1 when the one
    run has failed."""
    from rpd.adapters.cli.summary import summarize

    return summarize(run, root=root, as_json=json)


@app.command("compare")
def compare(
    one: Annotated[str, typer.Argument(metavar="RUN")],
    other: Annotated[str, typer.Argument(metavar="RUN")],
    changed: Annotated[bool, typer.Option("--changed", help="Leave out what is equal.")] = False,
    json: Json = False,
) -> int:
    """Two runs field by field. Exit code 1 when one of them has failed."""
    from rpd.adapters.cli.compare import compare_runs

    return compare_runs(one, other, only_changed=changed, as_json=json)


@app.command("cost")
def cost(run: Run = None, json: Json = False) -> int:
    """What a run was estimated to cost, and what the provider has booked."""
    from rpd.adapters.cli.cost import show_cost

    return show_cost(run, as_json=json)


@app.command("metrics")
def metrics(run: Run = None, json: Json = False) -> int:
    """What was sampled while the job ran: each GPU's use, memory, heat and power, and the pod's own."""
    from rpd.adapters.cli.metrics import show_metrics

    return show_metrics(run, as_json=json)


@app.command("logs")
def logs(
    run: Run = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the job ends.")] = False,
    tail: Annotated[int, typer.Option("--tail", metavar="N", help="Only the last N lines (0: all).")] = 0,
    launch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--launch", metavar="N", help="Of a launch that was lost, in place of the newest."),
    ] = None,
) -> int:
    """The job's output."""
    from rpd.adapters.cli.logs import show_logs

    return show_logs(run, follow=follow, tail=tail, launch=launch)


app.command("gpus")(market.gpus)
app.command("stock")(market.stock)
