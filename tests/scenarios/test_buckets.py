"""Results that the pod itself pushes to a bucket. A folder of its volume, which a stop keeps, stands for all buckets,
and for `rclone` a script that copies there and behaves like the real one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.harness import CommandLine, artifact, config

RCLONE = r"""#!/bin/sh
# copy --files-from-raw LIST SRC DST | copyto SRC DST | lsjson ... DST
[ -n "$KEY$API_TOKEN" ] || { echo 'NoCredentialProviders: no valid providers in chain' >&2; exit 1; }
for last; do :; done
case $last in :s3:*) place=$BUCKETS/${last#:s3:} ;; *:*) place=$BUCKETS/${last%%:*}/${last#*:} ;; *) exit 1 ;; esac
case $1 in
    copy)
        cd "$4" || exit 3
        while IFS= read -r name; do
            [ -e "$BUCKETS/drop/$name" ] && continue
            mkdir -p "$(dirname "$place/$name")" && cp "$name" "$place/$name" || exit 1
        done <"$3" ;;
    copyto) mkdir -p "$(dirname "$place")" && cp "$2" "$place" ;;
    lsjson)
        [ -e "$place" ] || { echo 'directory not found' >&2; exit 3; }
        echo '['
        if [ -d "$place" ]; then form='%P'; else form='%f'; fi
        find "$place" -type f -printf "{\"Path\":\"$form\",\"Size\":%s}\n" | sed '$!s/$/,/'
        echo ']' ;;
    *) exit 2 ;;
esac
"""
AWS = r"""#!/bin/sh
# s3 cp --recursive --no-follow-symlinks --no-progress SRC DST | s3 ls --recursive DST
for last; do :; done
key=${last#s3://} bucket=$BUCKETS/${key%%/*}
case $2 in
    cp) mkdir -p "$BUCKETS/$key" && cp -R "$6/." "$BUCKETS/$key" ;;
    ls) cd "$bucket" && find . -type f -path "./${key#*/}*" -printf '2026-11-27 10:47:44 %10s %P\n' ;;
    *) exit 252 ;;
esac
"""
MAKE = "mkdir -p /workspace/out/deep; echo 42 > /workspace/out/result.txt; echo '{}' > '/workspace/out/deep/a b.json'\n"
BUCKETS = "/workspace/buckets"
NO_TOOLS = "/workspace/tools"
"""A path on which no tool of this machine is found."""
WITH_TOOLS = f"PATH=$PATH:/usr/bin:/bin\n{MAKE}"


def job(
    local_path: str = "s3://results/{run_id}",
    *,
    body: str = MAKE,
    setup: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    on_success: str = "stop",
    **changes: Any,
) -> dict[str, Any]:
    """A job whose pod has this `rclone`; what that needs to know is in remote_env."""
    put = f"mkdir -p /workspace/bin && cat > /workspace/bin/rclone <<'EOF'\n{RCLONE}EOF\nchmod +x /workspace/bin/rclone"
    exports = {"KEY": "k", "BUCKETS": BUCKETS, "PATH": "/workspace/bin:/usr/bin:/bin", **(env or {})}
    return config(
        body,
        setup=[{"command": command} for command in (put, *setup)],
        remote_env={"exports": exports},
        artifacts=artifact(local_path=local_path, **changes),
        lifecycle={"on_success": on_success},
    )


def manifest(cli: CommandLine) -> dict[str, Any]:
    text = (cli.run_folder() / "runpod_deploy_pull_manifest.json").read_text()
    return dict(json.loads(text)["artifacts"][0])


def buckets(cli: CommandLine) -> Path:
    (pod,) = cli.truth()["pods"]
    return cli.sandbox_home / "pods" / pod["id"] / "volume/buckets"


def lying(cli: CommandLine, below: str) -> dict[str, int]:
    root = buckets(cli) / below
    return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.row(94)
def test_the_pod_pushes_its_results_and_they_count(cli: CommandLine) -> None:
    done = cli.run(job(excludes=["*.tmp"], body=f"{MAKE}echo x > /workspace/out/x.tmp"))
    assert done.returncode == 0, done.stderr
    told = manifest(cli)
    assert (told["status"], told["files"], told["bytes_transferred"]) == ("success", 2, 6), told
    assert told["local_path"] == f"s3://results/{cli.run_id}"
    assert lying(cli, f"results/{cli.run_id}") == {"result.txt": 3, "deep/a b.json": 3}
    assert not list(cli.folder.rglob("s3:*"))
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.row(94)
def test_a_file_that_did_not_arrive_keeps_the_pod_until_it_has(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the keys in a file of secrets, which is removed before the pod is kept."""
    monkeypatch.setenv("API_TOKEN", "t0ken-of-the-bucket")
    drop = f"mkdir -p {BUCKETS}/drop/result.txt\n"
    document = job("store:results", body=MAKE + drop, env={"KEY": ""}, on_success="delete")
    document["secrets"] = [{"name": "tokens", "destination": "/workspace/keys", "env": ["API_TOKEN"]}]
    document["remote_env"]["source_files"] = ["/workspace/keys"]
    done = cli.run(document)
    assert done.returncode == 75, done.stderr
    assert "result did not arrive whole at store:results: result.txt" in done.stderr
    assert lying(cli, "store/results") == {"deep/a b.json": 3}
    cli.judge("EXITED", starts=1)
    assert not os.path.lexists(buckets(cli).parent / "keys")
    (buckets(cli) / "drop/result.txt").rmdir()
    done = cli.rpd("resume")
    assert done.returncode == 0, done.stderr
    assert manifest(cli)["files"] == 2 and cli.inspect()["outcome"] == "succeeded"
    cli.judge("TERMINATED", starts=1)


@pytest.mark.slow
def test_a_name_that_cannot_be_pushed_keeps_nothing_else_from_it(cli: CommandLine) -> None:
    done = cli.run(job("s3://results/x", body=MAKE + "touch '/workspace/out/two\nlines'\n", on_success="delete"))
    assert done.returncode == 5, done.stderr
    assert lying(cli, "results/x") == {"result.txt": 3, "deep/a b.json": 3}
    assert "result arrived but for 1 path that may not be created at the destination: two\\nlines" in done.stderr
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.row(94)
def test_nothing_to_push_is_a_missing_result(cli: CommandLine) -> None:
    done = cli.run(job(body="echo nothing", on_success="delete"))
    assert done.returncode == 5, done.stderr
    assert (cli.inspect()["reason"], manifest(cli)["status"]) == ("artifact_missing", "missing")
    assert not buckets(cli).exists()
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.row(94)
def test_a_pod_without_any_tool_says_what_to_install(cli: CommandLine) -> None:
    tools = "for each in mktemp rm cat tr sed head grep; do ln -s $(command -v $each) /workspace/tools/$each; done"
    setup = f"mkdir -p /workspace/tools; {tools}"
    done = cli.run(job(body=WITH_TOOLS, setup=(setup,), env={"PATH": NO_TOOLS}, on_success="delete"))
    assert done.returncode == 75, done.stderr
    assert "neither rclone nor the AWS CLI is in the pod" in done.stderr and "install" in done.stderr
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.row(94)
def test_the_aws_command_line_does_as_well(cli: CommandLine) -> None:
    """It lists whole keys, and what only begins like the destination with them."""
    tools = "mktemp rm cat tr sed head grep find mkdir cp dirname stat"
    links = f"mkdir -p /workspace/tools; for each in {tools}; do ln -s $(command -v $each) /workspace/tools/$each; done"
    put = f"cat > /workspace/tools/aws <<'EOF'\n{AWS}EOF\nchmod +x /workspace/tools/aws"
    near = f"mkdir -p {BUCKETS}/results/x2; echo 123 > {BUCKETS}/results/x2/result.txt\n"
    document = job("s3://results/x", body=WITH_TOOLS + near, setup=(links, put), env={"PATH": NO_TOOLS})
    done = cli.run(document)
    assert done.returncode == 0, done.stderr
    assert (manifest(cli)["files"], manifest(cli)["bytes_transferred"]) == (2, 6)
    assert lying(cli, "results/x") == {"result.txt": 3, "deep/a b.json": 3}
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.row(94)
def test_a_single_file_and_a_source_file_with_the_keys(cli: CommandLine) -> None:
    setup = ("echo 'export KEY=k' > /workspace/keys",)
    document = job("store:kept/", setup=setup, remote_path="/workspace/out/result.txt", env={"KEY": ""})
    document["remote_env"]["source_files"] = ["/workspace/keys"]
    done = cli.run(document)
    assert done.returncode == 0, done.stderr
    assert manifest(cli)["bytes_transferred"] == 3 and lying(cli, "store") == {"kept/result.txt": 3}
    cli.judge("EXITED", starts=1)


@pytest.mark.slow
@pytest.mark.row(94)
def test_files_that_share_a_place_go_into_it_as_a_folder(cli: CommandLine) -> None:
    document = job("s3://results/x", remote_path="/workspace/out/result.txt")
    other = {"label": "deep", "remote_path": "/workspace/out/deep/a b.json", "local_path": "s3://results/x"}
    document["artifacts"].append(other)
    done = cli.run(document)
    assert done.returncode == 0, done.stderr
    assert lying(cli, "results") == {"x/result.txt": 3, "x/a b.json": 3}


@pytest.mark.slow
@pytest.mark.row(94)
def test_a_source_file_that_prints_is_no_answer_of_the_tool(cli: CommandLine) -> None:
    """Nor is how it ends: the job goes on after such a file, too."""
    document = job(setup=("echo 'echo welcome; [ -e /workspace/none ] && echo more' > /workspace/greeting",))
    document["remote_env"]["source_files"] = ["/workspace/greeting"]
    done = cli.run(document)
    assert done.returncode == 0, done.stderr
    assert lying(cli, f"results/{cli.run_id}") == {"result.txt": 3, "deep/a b.json": 3}


@pytest.mark.slow
@pytest.mark.row(94)
def test_refused_keys_are_told_and_keep_the_pod(cli: CommandLine) -> None:
    """Whatever the file says of a failed job: this one ended well."""
    document = job(env={"KEY": ""}, on_success="delete")
    document["lifecycle"]["on_failure"] = "delete"
    done = cli.run(document)
    assert done.returncode == 75 and "NoCredentialProviders" in done.stderr, done.stderr
    cli.judge("EXITED", starts=1)


@pytest.mark.row(94)
@pytest.mark.parametrize(
    ("local_path", "more", "why"),
    [
        ("https://example.com/x", {}, "the pod pushes to s3://, gs:// or an rclone remote"),
        ("s3://", {}, "names no bucket"),
        ("s3://bucket/../x", {}, "holds '..'"),
        ("s3://bucket/x", {"delete": True}, "nothing is removed from a bucket"),
        (":s3,provider=AWS,secret_access_key=abc:b/x", {}, "secret_access_key is a secret's name"),
        (":sftp,host=h,pass='abc':x", {}, "pass is a secret's name"),
    ],
)
def test_what_is_no_place_is_refused_before_anything_is_rented(
    cli: CommandLine, local_path: str, more: dict[str, Any], why: str
) -> None:
    done = cli.run(job(local_path, **more))
    assert done.returncode == 2 and why in done.stderr, done.stderr
    assert cli.truth()["pods"] == []
