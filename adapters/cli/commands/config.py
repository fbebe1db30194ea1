"""`rpd config`: the user's settings. Options and help texts; the bodies are imported when they are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer

from rpd.adapters.cli.arguments.helping import WholeSentences
from rpd.adapters.cli.arguments.options import Json
from rpd.adapters.cli.arguments.unfolding import unfolded

app = typer.Typer(
    name="config", cls=WholeSentences, help="Your settings: API key, SSH key, region, cloud, image, GPUs, log level."
)


def _names(incomplete: str) -> list[str]:
    from rpd.adapters.settings.keys import BY_NAME

    return [word for word in ("api-key", *(key.word for key in BY_NAME.values())) if word.startswith(incomplete)]


Key = Annotated[
    str,
    typer.Argument(metavar="KEY", help="Such as region; `rpd config show` lists them.", autocompletion=_names),
]
Keyring = Annotated[bool, typer.Option("--keyring", help="Keep the API key in the system's keyring.")]
Unchecked = Annotated[bool, typer.Option("--unchecked", help="Save the API key without asking the cloud.")]


@dataclass(frozen=True)
class SetUpOptions:
    """The answers to all questions. None is asked for, or keeps its default."""

    api_key_file: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--api-key-file", metavar="FILE", help="Read the API key from this file."),
    ] = None
    api_key_stdin: Annotated[bool, typer.Option("--api-key-stdin", help="Read the API key from stdin.")] = False
    keyring: Keyring = False
    ssh_key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--ssh-key", metavar="FILE", help="The private SSH key, or `own` for a pair of rpd's own."),
    ] = None
    region: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--region", metavar="PLACE", help="Region, country or data center of the pods."),
    ] = None
    cloud: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--cloud", metavar="secure|community", help="The cloud to rent in."),
    ] = None
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--preset", metavar="NAME", help="What rpd connect starts: comfyui, jupyter, vscode, shell."),
    ] = None
    image: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--image", metavar="IMAGE", help="Image for rpd connect, in place of the preset's."),
    ] = None
    gpu: Annotated[list[str] | None, typer.Option("--gpu", metavar="GPU", help="A favourite GPU type. Repeatable.")] = (
        None
    )
    hours: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--hours", metavar="N", help="Stop the pod of rpd connect after so many hours."),
    ] = None
    log_level: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning, error or off."),
    ] = None
    take_over: Annotated[
        list[str] | None,
        typer.Option(
            "--import", metavar="runpod|autopod", help="Take over ~/.runpod/config.toml or ~/.autopod/config.json."
        ),
    ] = None
    unchecked: Unchecked = False
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; name the missing option.")] = False


@app.command("init")
@unfolded
def init(options: SetUpOptions) -> int:
    """Set rpd up: a few questions, each of which has an option. The API key is tried before it is saved.

    Nothing is asked off a terminal. The API key itself is never an option, because other users see the words of a
    command.
    """
    from rpd.adapters.set_up.answers import Answers
    from rpd.adapters.set_up.api_key import KeySource
    from rpd.adapters.set_up.wizard import set_up

    said = {
        "ssh_key_path": options.ssh_key,
        "region": options.region,
        "cloud": options.cloud,
        "preset": options.preset,
        "image": options.image,
        "gpus": options.gpu or None,
        "hours": options.hours,
        "log_level": options.log_level,
    }
    values = {name: value for name, value in said.items() if value is not None}
    source = KeySource(options.api_key_file, options.api_key_stdin, options.keyring, options.unchecked)
    return set_up(Answers(source, values, tuple(options.take_over or ()), options.no_input))


@app.command("show")
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    json: Json = False,
) -> int:
    """Print the settings in force. The API key is shown as ***."""
    from rpd.adapters.set_up.showing import show as print_settings

    return print_settings(with_origin=origin, as_json=json)


@app.command("set")
def change(
    key: Key,
    value: Annotated[Optional[list[str]], typer.Argument(metavar="VALUE", help="Not for api-key.")] = None,  # noqa: UP045
    stdin: Annotated[bool, typer.Option("--stdin", help="api-key: read it from stdin.")] = False,
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--file", metavar="FILE", help="api-key: read it from this file."),
    ] = None,
    keyring: Keyring = False,
    unchecked: Unchecked = False,
) -> int:
    """Save one setting. `rpd config set api-key` asks for the key, and does not show it."""
    from rpd.adapters.set_up.api_key import KeySource
    from rpd.adapters.set_up.changing import set_value

    return set_value(key, value or [], KeySource(file, stdin, keyring, unchecked))


@app.command("unset")
def unset(key: Key) -> int:
    """Remove one setting from the file."""
    from rpd.adapters.set_up.changing import unset as remove

    return remove(key)
