"""`rpd validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from rpd.adapters.cli.arguments.options import Config, File, JobOptions, Json
from rpd.adapters.cli.arguments.unfolding import unfolded


@unfolded
def validate(
    options: JobOptions,
    file: File = None,
    config: Config = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the provider (key, stock, prices, volume) and the image's registry.")
    ] = False,
    scan: Annotated[
        bool, typer.Option("--scan", "--scan-consumer", help="Read the commands and files for what breaks in a pod.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Both `--online` and `--scan`.")] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Ask the sandbox instead of RunPod.")] = False,
    check_local: Annotated[bool, typer.Option("--check-local", hidden=True)] = False,
    check_availability: Annotated[bool, typer.Option("--check-availability", hidden=True)] = False,
    check_image_registry: Annotated[bool, typer.Option("--check-image-registry", hidden=True)] = False,
    skip_registry_check: Annotated[
        bool, typer.Option("--skip-registry-check", help="Do not ask the registry.")
    ] = False,
    json: Json = False,
) -> int:
    """Check and render a job file; by default it starts nothing and asks nobody."""
    from rpd.adapters.checking.job import Checks
    from rpd.adapters.cli.arguments.overrides import overrides, the_job
    from rpd.adapters.cli.reading.validate import validate_file

    wanted = Checks(
        account=online or everything or check_availability,
        image=(online or everything or check_image_registry) and not skip_registry_check,
        payload=scan or everything,
        use_sandbox=sandbox,
    )
    return validate_file(the_job(file, config), overrides(options), wanted, as_json=json)
