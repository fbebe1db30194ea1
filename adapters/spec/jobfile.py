"""From a job file to a `Job`: read, render, check, and report all problems at once, before anything costs money."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rpd.adapters.local.dirs import label_of, new_run_id
from rpd.adapters.local.files import require_text
from rpd.adapters.local.leaks import environment_secrets, mask, unmask
from rpd.adapters.local.person import expanded, user_home
from rpd.adapters.spec.checks import (
    check_between,
    check_env_by_name,
    check_env_names,
    check_leaks,
    check_project_root,
    check_run_names,
    check_secret_names,
    checks_of,
    shared_destinations,
)
from rpd.adapters.spec.error import Path as SpecPath
from rpd.adapters.spec.error import Problem, SpecError
from rpd.adapters.spec.fingerprint import fingerprint
from rpd.adapters.spec.render import MakeRunId, Rendered, prefix_label, render_spec
from rpd.adapters.spec.types import mismatches, with_switches
from rpd.adapters.spec.yaml_source import YamlSource, parse_yaml, read_yaml
from rpd.engine.errors import UserError
from rpd.states.ports.job import ENV_SECRET, Artifact, Job, SecretFile, is_away

T = TypeVar("T")

DEFAULT_VOLUME_GB = 20
"""Size of the volume disk of an ephemeral pod whose file names none."""

LEAST_VOLUME_GB = 10
"""The smallest volume disk that RunPod's API makes. Older files name smaller ones, and a larger disk does them no
harm."""

SSH_PORT = "22/tcp"


class LoadedJob(msgspec.Struct, frozen=True):
    """A job file that can be run.

    `job` has every default filled in and every local path absolute. `workflow` is the label of the rendered name.
    `lineage` names the jobs that may share a pod one after the other. `config` is the job as plain data for record 0,
    with masked secrets of the environment; `restore_job` turns it back. `config_sha256` is the fingerprint of the
    rendered job, the same for every run of it. `source_sha256` is that of the file.
    """

    job: Job
    workflow: str
    run_id: str
    lineage: str
    config_path: str
    project_root: str
    run_dir: str
    variables: dict[str, str]
    config: dict[str, Any]
    config_sha256: str
    source_sha256: str


def load_job(
    path: Path | YamlSource,
    *,
    variables: Mapping[str, str] | None = None,
    fields: Mapping[SpecPath, Any] | None = None,
    fallbacks: Mapping[SpecPath, Any] | None = None,
    run_id: str | None = None,
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> LoadedJob:
    """Load one job file, or a source in its place and in the current folder.

    `variables` come from the command line and win over the file's. So do `fields`, which replace single values (a path
    such as `("pod", "image")` to its value); `fallbacks` serve where the file is silent. Without `run_id` a new one is
    made from the file's prefix and the time. `environ` is searched for secrets that must not be in the file. `home` is
    the user's home folder. Raises SpecError with all problems, UserError if the file cannot be read.
    """
    make: MakeRunId = (
        (lambda _prefix: run_id) if run_id else (lambda prefix: new_run_id(prefix_label(prefix), time.time()))
    )
    secrets = environment_secrets(environ)
    written = read_yaml(path) if isinstance(path, Path) else path
    missing = {place: value for place, value in (fallbacks or {}).items() if not _is_said(written.data, place)}
    source = _overlaid(written, {**missing, **(fields or {})})
    place = path if isinstance(path, Path) else Path.cwd() / source.file
    return _build(source, place, variables or {}, make, secrets, home or user_home())


def load_text(
    text: str, path: Path, *, variables: Mapping[str, str] | None = None, run_id: str = "job-20000101T000000Z-000000"
) -> LoadedJob:
    """Load a job file that is not on disk yet, as if it were at `path`. Checks no secrets."""
    source = parse_yaml(text.encode(errors="surrogatepass"), str(path))
    return _build(source, path, variables or {}, lambda _prefix: run_id, {}, user_home())


def restore_job(config: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Job:
    """The job of a journal, from the `config` of its record 0. Masked secrets come from the environment again.

    Raises UserError if a secret is missing or the record does not hold a job.
    """
    try:
        return msgspec.convert(unmask(dict(config), environ), Job)
    except msgspec.ValidationError as error:
        raise UserError(f"the journal's record 0 does not hold a job this rpd understands: {error}") from error


def _is_said(data: Any, place: SpecPath) -> bool:
    """Whether the file says anything there, or something above that cannot hold it."""
    for part in place:
        if not isinstance(data, dict) or data.get(part) is None:
            return data is not None and not isinstance(data, dict)
        data = data[part]
    return True


def _overlaid(source: YamlSource, fields: Mapping[SpecPath, Any]) -> YamlSource:
    """The file with values of the command line in place of its own. A place that is not a mapping is left alone; other
    checks report it."""
    data: dict[Any, Any] = dict(source.data)
    for path, value in fields.items():
        below = data
        for part in path[:-1]:
            inner = below.get(part) or {}
            if not isinstance(inner, dict):
                break
            below[part] = below = dict(inner)
        else:
            below[path[-1]] = value
    return msgspec.structs.replace(source, data=data)


def _build(
    source: YamlSource,
    path: Path,
    variables: Mapping[str, str],
    make_run_id: MakeRunId,
    secrets: Mapping[str, str],
    home: Path | None,
) -> LoadedJob:
    config_path = require_text(path.resolve())
    rendered = render_spec(source, variables, config_path, make_run_id)
    rendered = msgspec.structs.replace(rendered, data=with_switches(rendered.data, source.raw, Job))
    problems = [*rendered.problems, *_problems(source, rendered, variables, secrets, home)]
    if rendered.unclear and not problems:  # a half rendered file must never pass
        problems = [source.problem(path, "cannot be rendered") for path in rendered.unclear]
    if problems:
        raise SpecError(source.file, problems)
    try:
        job = msgspec.convert(rendered.data, Job)
    except msgspec.ValidationError as error:  # the walk over the types found nothing: msgspec decides
        raise SpecError(source.file, [Problem(1, 1, "(whole file)", str(error))]) from error
    root = rendered.names["project_root"]
    job = _with_env(_completed(job, root), rendered.names["run_id"])
    plain = msgspec.to_builtins(job)
    plain["artifacts"] = [_without_defaults(each) for each in job.artifacts]  # record 0 has to hold hundreds of them
    _check_text(plain, source.file)
    masked = mask(plain, secrets)
    return LoadedJob(
        job=job,
        workflow=label_of(job.name),
        run_id=rendered.names["run_id"],
        lineage=f"{job.name}@{config_path}",
        config_path=str(config_path),
        project_root=root,
        run_dir=rendered.names["run_dir"],
        variables=dict(masked["variables"]),
        config=masked,
        config_sha256=fingerprint(masked, rendered.names["run_id"], root),
        source_sha256=source.sha256,
    )


def _without_defaults(artifact: Artifact) -> dict[str, Any]:
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(Artifact)}
    return {name: value for name, value in msgspec.to_builtins(artifact).items() if value != defaults[name]}


def _check_text(plain: Any, file: str) -> None:
    try:
        msgspec.json.encode(plain)
    except UnicodeEncodeError:  # its cause would show the value, which may be a secret
        message = "a folder's name or a variable of the command line is no UTF-8 text"
        raise SpecError(file, [Problem(1, 1, "(whole file)", message)]) from None


def _problems(
    source: YamlSource,
    rendered: Rendered,
    variables: Mapping[str, str],
    secrets: Mapping[str, str],
    home: Path | None,
) -> Iterator[Problem]:
    """Type problems, then the problems of every section whose types are right. Each place is reported once."""
    reported, bad = set(rendered.unclear), set()
    data, run_id = rendered.data, rendered.names.get("run_id")
    misnamed = list(check_run_names(data, source.data, secrets))
    # A label made of a secret is in every path of the run, and no mask of the secret finds it.
    hidden = mask(data, {**secrets, "run_id": run_id} if misnamed and run_id else secrets)
    for path, message in [*_in_words_of(hidden, data, _mismatches), *check_env_names(data)]:
        if path not in reported:
            reported.add(path)
            bad.add(path)
            yield source.problem(path, message)
    above = {path[:length] for path in bad for length in range(1, len(path) + 1)}
    for field in msgspec.structs.fields(Job):
        check = checks_of(field.encode_name)
        if check is None or data.get(field.encode_name) is None:
            continue

        def wrong(data: Mapping[str, Any], field: Any = field, check: Any = check) -> Iterator[tuple[SpecPath, str]]:
            section = _sound(data[field.encode_name], (field.encode_name,), bad, above)
            with suppress(msgspec.ValidationError):
                yield from check(msgspec.convert(section, field.type))

        for below, message in _in_words_of(hidden, data, wrong):
            path = (field.encode_name, *below)
            if path not in reported and path not in above:  # a value with a wrong part was not checked
                yield source.problem(path, message)
    for path, message in [
        *_in_words_of(hidden, data, check_between),
        *check_env_by_name(data),
        *check_leaks(data, secrets),
        *misnamed,
        *check_secret_names(data, variables, secrets),
    ]:
        if path not in reported:
            reported.add(path)
            yield source.problem(path, message)
    root = rendered.names.get("project_root")
    if root is not None and (why := check_project_root(Path(root), home and home.resolve())):
        yield source.problem(("local", "project_root"), why)


def _mismatches(data: Mapping[str, Any]) -> Iterable[tuple[SpecPath, str]]:
    return mismatches(data, Job)


def _in_words_of(
    hidden: Mapping[str, Any],
    data: Mapping[str, Any],
    find: Callable[[Mapping[str, Any]], Iterable[tuple[SpecPath, str]]],
) -> Iterator[tuple[SpecPath, str]]:
    """What is wrong with the data, in messages about the same data without secrets, because a message shows the value
    or a part of it. The problems are searched in the data itself, because a mask may be wrong where the value is
    right."""
    if hidden == data:
        yield from find(data)
        return
    words = dict(find(hidden))
    for path, _ in find(data):
        yield path, words.get(path, "cannot be used with the secret that it holds")


def _sound(value: Any, path: SpecPath, bad: set[SpecPath], above: set[SpecPath]) -> Any:
    """A section without its fields of the wrong type, so that its other fields can still be checked.

    `bad` are the places of wrong type, `above` those places and all places that contain them.
    """
    if not isinstance(value, dict):
        return value
    return {
        key: _sound(item, (*path, key), bad, above)
        for key, item in value.items()
        if (*path, key) not in above or (isinstance(item, dict) and (*path, key) not in bad)
    }


def _completed(job: Job, root: str) -> Job:
    """Defaults that depend on other fields, and absolute local paths. Relative paths count from the project's root."""
    replace = msgspec.structs.replace

    def absolute(text: str) -> str:
        return os.path.normpath(Path(root, expanded(text)))

    storage = job.storage
    if storage.mode == "ephemeral":
        storage = replace(storage, volume_gb=max(storage.volume_gb or DEFAULT_VOLUME_GB, LEAST_VOLUME_GB))
    pod = replace(job.pod, gpu_order=_once(job.pod.gpu_order), datacenters=_once(job.pod.datacenters))
    if SSH_PORT not in pod.ports:
        pod = replace(pod, ports=(SSH_PORT, *pod.ports))
    shared = shared_destinations(job.artifacts)

    def landing(text: str) -> str:
        is_folder = text.endswith("/") or posixpath.normpath(text) in shared
        if is_away(text):
            return text + "/" * (is_folder and not text.endswith(("/", ":")))
        return absolute(text) + "/" * is_folder

    return replace(
        job,
        pod=pod,
        storage=storage,
        run_id_prefix=job.run_id_prefix or job.name,
        state_file=job.state_file and absolute(job.state_file),
        local=replace(job.local, project_root=root, required_paths=tuple(map(absolute, job.local.required_paths))),
        ssh=replace(job.ssh, key_path=job.ssh.key_path and absolute(job.ssh.key_path)),
        staging=tuple(replace(tree, source=absolute(tree.source)) for tree in job.staging),
        secrets=tuple(replace(each, file=each.file and absolute(each.file)) for each in job.secrets),
        artifacts=tuple(replace(item, local_path=landing(item.local_path)) for item in job.artifacts),
    )


def _with_env(job: Job, run_id: str) -> Job:
    """The file of secrets that `env` asks for. It belongs to this run alone, and is sourced before all others."""
    if not job.env:
        return job
    replace = msgspec.structs.replace
    place = f"{job.storage.volume_mount.rstrip('/')}/.rpd-env-{run_id}"
    sources = (place, *job.remote_env.source_files)
    return replace(
        job,
        secrets=(*job.secrets, SecretFile(ENV_SECRET, place, job.env)),
        remote_env=replace(job.remote_env, source_files=sources),
    )


def _once(values: tuple[T, ...]) -> tuple[T, ...]:
    """Each value at its first place only. A repeated candidate has already been tried."""
    return tuple(dict.fromkeys(values))
