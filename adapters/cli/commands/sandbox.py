"""`rpd sandbox`: RunPod on this machine, for first steps, for tests and for trying a new job before paying.

With `--json` exactly one document goes to stdout. Without it, what was asked for goes there (`status`, `faults`,
`truth`), and what was done goes to stderr.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rpd.adapters.cli.arguments.helping import WholeSentences
from rpd.adapters.terminal import output

app = typer.Typer(name="sandbox", cls=WholeSentences, help="RunPod on this machine, for trying and testing.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def sandbox_home() -> Path:
    """The home of this state home's sandbox."""
    from rpd.adapters.access import clouds
    from rpd.adapters.local.dirs import state_home

    return clouds.sandbox_home(state_home())


@app.command()
def up(
    boot_seconds: Annotated[
        float | None, typer.Option(min=0.0, help="sshd answers this long after the create.")
    ] = None,
    scenario: Annotated[Path | None, typer.Option(help="Settings and faults: a file, or a name.")] = None,
    as_json: Json = False,
) -> None:
    """Start the sandbox, or find the one that runs."""
    import msgspec

    from rpd.adapters.sandbox import daemon

    info = daemon.up(sandbox_home(), boot_seconds=boot_seconds, scenario=scenario)
    if as_json:
        _print(msgspec.to_builtins(info))
        return
    _say(f"sandbox at {info.url} (pid {info.pid}, isolation: {info.isolation})")
    _say("use it with: rpd run FILE --sandbox")


@app.command()
def down(as_json: Json = False) -> None:
    """End the sandbox and every process of its pods; its state stays."""
    from rpd.adapters.sandbox import daemon

    was_running = daemon.down(sandbox_home())
    if as_json:
        _print({"was_running": was_running})
    else:
        _say("sandbox ended; its state stays" if was_running else "no sandbox was running")


@app.command()
def status(as_json: Json = False) -> None:
    """What runs, which faults are armed, what was spent."""
    from rpd.adapters.sandbox import daemon

    found = daemon.status(sandbox_home())
    if as_json:
        _print(found)
    elif not found["running"]:
        _tell("no sandbox is running; start it with: rpd sandbox up")
    elif found.get("hangs"):
        _tell(f"the sandbox at {found['url']} (pid {found['pid']}) does not answer; end it with: rpd sandbox down")
    else:
        _tell(f"sandbox at {found['url']} (pid {found['pid']}, isolation: {found['isolation']})")
        _tell(f"pods: {found['live_pods']} live, {found['stopped_pods']} stopped; spent ${found['spent_usd']:.4f}")
        _tell(f"armed faults: {', '.join(found['armed_faults']) or 'none'}; boot {found['boot_seconds']} s")


@app.command()
def reset(as_json: Json = False) -> None:
    """Delete all pods and forget everything: money, faults, stock, volumes."""
    from rpd.adapters.sandbox import daemon

    daemon.reset(sandbox_home())
    if as_json:
        _print({"reset": True})
    else:
        _say("sandbox is as new")


@app.command()
def fault(
    fault_id: Annotated[str, typer.Argument(metavar="ID", help="Such as F12; `rpd sandbox faults` lists them.")],
    times: Annotated[int, typer.Option(min=0, help="How often the fault strikes. 0: until it is cleared.")] = 1,
    after: Annotated[int, typer.Option(min=0, help="How many occasions to let pass first.")] = 0,
    pod: Annotated[str | None, typer.Option(help="Only this pod, by id or name.")] = None,
    options: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of it.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Disarm it instead (ID may be `all`).")] = False,
    as_json: Json = False,
) -> None:
    """Arm a fault."""
    from rpd.adapters.sandbox import daemon

    home = sandbox_home()
    if clear:
        answer = daemon.clear_faults(home, None if fault_id.lower() == "all" else fault_id)
    else:
        answer = daemon.set_fault(home, fault_id, times=times, after=after, pod=pod, options=_pairs(options or []))
    if as_json:
        _print(answer)
        return
    armed = [f"{item['id']} x{item['times'] or 'ever'}" for item in answer["armed"]]
    _say(f"armed: {', '.join(armed) or 'none'}")


@app.command()
def faults(as_json: Json = False) -> None:
    """List the faults it knows."""
    from rpd.adapters.sandbox import daemon

    known = daemon.faults()
    if as_json:
        _print({"faults": known})
        return
    for item in known:
        _tell(f"{item['id']:<4} {item['description']}")
        for name, text in item["options"].items():
            _tell(f"       --set {name}=...  {text}")


@app.command()
def truth(as_json: Json = False) -> None:
    """The outside view: pods that really exist or existed, starts of jobs, money spent."""
    from rpd.adapters.sandbox import daemon

    found = daemon.truth(sandbox_home())
    if as_json:
        _print(found)
        return
    for pod in found["pods"]:
        _tell(f"{pod['id']}  {pod['status']:<12} billed {pod['billed_seconds']:9.1f} s  {pod['name']}")
    for run_id, launches in found["jobs"].items():
        _tell(f"{run_id}: " + ", ".join(f"launch {number} started {count}x" for number, count in launches.items()))
    for volume in found["volumes"]:
        state = f"{volume['size_gb']} GB in {volume['datacenter']}" if volume["exists"] else "deleted"
        _tell(f"{volume['id']}  {state}  {volume['name']}")
    _tell(f"spent ${found['spent_usd']:.4f}")


@app.command("set")
def change(
    balance: Annotated[float | None, typer.Option(help="Money left in the account, USD.")] = None,
    stock: Annotated[
        list[str] | None, typer.Option(metavar="GPU[@DC]=LEVEL", help="NONE, LOW, MEDIUM or HIGH; GPU may be `*`.")
    ] = None,
    price: Annotated[
        list[str] | None, typer.Option(metavar="GPU=USD", help="List price per hour, both clouds.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Move the market: balance, stock, prices."""
    from rpd.adapters.sandbox import daemon

    settings: dict[str, Any] = {"stock": {}, "prices": {}}
    if balance is not None:
        settings["balance_usd"] = balance
    for name, level in _pairs(stock or []).items():
        gpu, _, place = name.partition("@")
        settings["stock"].setdefault(gpu, {})[place or "*"] = level.upper()
    for gpu, usd in _pairs(price or []).items():
        settings["prices"][gpu] = {"secure": usd, "community": usd}
    answer = daemon.play(sandbox_home(), settings)
    if as_json:
        _print(answer)
    else:
        _say(f"balance ${answer['balance_usd']:.2f}")


def _pairs(words: list[str]) -> dict[str, str]:
    from rpd.engine.errors import UserError

    pairs = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise UserError(f"'{word}' is not KEY=VALUE")
        pairs[name] = value
    return pairs


def _print(document: Any) -> None:
    output.exact([json.dumps(document)])


def _tell(text: str) -> None:
    """What was asked for."""
    output.text([text])


def _say(text: str) -> None:
    """What was done."""
    output.note([text])
