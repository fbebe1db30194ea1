"""Job files that load, and a corpus of those that don't with the very words they are answered with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpd.adapters.spec.error import SpecError
from rpd.adapters.spec.jobfile import DEFAULT_VOLUME_GB, LoadedJob, load_job, load_text, restore_job
from rpd.engine.errors import UserError

RECYCLE_SHAPED = """\
# foo.yaml
name: my-benchmark
run_id_prefix: my-benchmark
state_file: ~/.runpod-my-benchmark-current   # IMPORTANT: per-config path

pod:
  image: runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04
  datacenters: [EUR-IS-1]
  gpu_order: [NVIDIA L4]

storage:
  mode: ephemeral
  volume_gb: 50

run:
  script_path: /workspace/run.sh
  log_path: /workspace/run.log
  success_marker: "[my-benchmark] DONE"
  body: |
    echo "[my-benchmark] DONE"

lifecycle:
  on_success: delete
  on_failure: stop
"""

SMALL = """\
name: demo
pod: {image: i, gpu_order: [G]}
run: {body: "true"}
"""


def load(folder: Path, text: str, **options: object) -> LoadedJob:
    path = folder / "j.yaml"
    path.write_text(text)
    return load_job(path, home=Path("/home/nobody"), **{"environ": {}, "run_id": "id-1", **options})  # type: ignore[arg-type]


def problems(folder: Path, text: str, **options: object) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(folder, text, **options)
    assert caught.value.exit_code == 2
    assert len(caught.value.problems) == len(str(caught.value).splitlines())
    return [line.removeprefix(f"{folder}/j.yaml:") for line in str(caught.value).splitlines()]


def test_an_existing_file_loads(tmp_path: Path) -> None:
    loaded = load(tmp_path, RECYCLE_SHAPED, run_id=None)
    job = loaded.job
    assert (job.name, job.storage.volume_gb, job.pod.ports) == ("my-benchmark", 50, ("22/tcp",))
    assert job.state_file == str(Path.home() / ".runpod-my-benchmark-current")
    assert job.run.body == 'echo "[my-benchmark] DONE"\n'
    assert loaded.lineage == f"my-benchmark@{tmp_path}/j.yaml"
    assert loaded.run_id.startswith("my-benchmark-20") and len(loaded.run_id) == len("my-benchmark--") + 16 + 6
    assert loaded.run_dir == f"{tmp_path}/artifacts/runpod/{loaded.run_id}"


def test_a_shell_is_a_command_that_takes_a_file(tmp_path: Path) -> None:
    def told(shell: str, more: str = "") -> list[str]:
        return problems(tmp_path, SMALL.replace('body: "true"', f"body: x, shell: {shell}") + more)

    assert told('"bash -c \'x"') == ["3: run.shell: must be a command, with quotes that close, as: bash -eu"]
    assert told("'   '") == ["3: run.shell: must be a command, with quotes that close, as: bash -eu"]
    assert told("'bash -e {0}'") == ["3: run.shell: the path of the script is added at its end; leave {0} out"]
    sourced = "remote_env: {source_files: [/root/.env]}\n"
    (line,) = told("python3 -u", sourced)
    assert "must be a shell" in line
    named = SMALL.replace('body: "true"', "body: x, shell: /bin/bash -eu") + sourced
    assert load(tmp_path, named).job.run.shell == "/bin/bash -eu"
    assert load(tmp_path, SMALL).job.run.shell is None


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    loaded = load(tmp_path, SMALL.replace("gpu_order: [G]", 'gpu_order: [G], ports: ["8888/http"]'))
    assert loaded.job.storage.volume_gb == DEFAULT_VOLUME_GB == 20
    assert loaded.job.pod.ports == ("22/tcp", "8888/http")
    assert loaded.job.run_id_prefix == "demo" and loaded.job.local.project_root == str(tmp_path)
    assert restore_job(loaded.config, {}) == loaded.job


def test_what_stands_empty_is_left_out(tmp_path: Path) -> None:
    empty = "variables:\nsetup:\nstaging:\nssh:\nlifecycle:\nremote_env:\n"
    assert load(tmp_path, SMALL + empty).job == load(tmp_path, SMALL).job


def test_local_paths_count_from_the_project_root(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        SMALL
        + """\
state_file: here/{job_name}.json
local: {project_root: "{config_dir}/sub/..", required_paths: [a]}
ssh: {key_path: ~/k}
staging: [{source: src/, destination: "{volume_mount}/src"}]
artifacts: [{label: r, remote_path: /workspace/out, local_path: "{run_dir}/results"}]
""",
    )
    job = loaded.job
    assert job.staging[0].source == f"{tmp_path}/src" and job.staging[0].destination == "/workspace/src"
    assert job.artifacts[0].local_path == f"{tmp_path}/artifacts/runpod/id-1/results"
    assert job.local.required_paths == (f"{tmp_path}/a",) and job.state_file == f"{tmp_path}/here/demo.json"
    assert job.ssh.key_path == str(Path.home() / "k")


def test_variables_use_built_ins_and_earlier_ones_and_the_command_line_wins(tmp_path: Path) -> None:
    text = """\
name: demo-{seed}
run_id_prefix: "{job_name}-p"
variables:
  seed: 3
  out: "{run_dir}/{seed}"
  tag: "{run_id}|{job_name}|{volume_mount}|{config_dir}"
pod: {image: i, gpu_order: [G], env: {SEED: "{seed}", LR: 1e-4, DEBUG: true}}
run: {body: "{out} {tag} ${seed} {{seed}}"}
"""
    loaded = load(tmp_path, text, run_id=None)
    run_id = loaded.run_id
    assert run_id.startswith("demo-3-p-20") and loaded.job.name == "demo-3" and loaded.workflow == "demo-3"
    tag = f"{run_id}|demo-3|/workspace|{tmp_path}"
    assert loaded.job.run.body == f"{tmp_path}/artifacts/runpod/{run_id}/3 {tag} ${{seed}} {{seed}}"
    assert loaded.job.pod.env == {"SEED": "3", "LR": "1e-4", "DEBUG": "true"}

    other = load(tmp_path, text, variables={"seed": "{x}$"})
    assert other.job.name == "demo-{x}$" and other.variables["seed"] == "{x}$" and other.workflow == "demo-x"
    assert other.job.variables["out"].endswith("/id-1/{x}$")
    assert load(tmp_path, text).config_sha256 != other.config_sha256
    assert load(tmp_path, text).config_sha256 == load(tmp_path, f"# a comment\n{text}").config_sha256
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    staged = "staging: [{source: ., destination: /s}]"
    here = f"artifacts: [{{label: a, remote_path: /w, local_path: '{{run_dir}}/a'}}]\n{staged}"
    ran = [load(folder, f"{SMALL}{here}", run_id=None) for folder in (tmp_path, tmp_path, elsewhere)]
    assert len({each.run_id for each in ran}) == 3
    assert len({each.config_sha256 for each in ran}) == 1, "the same job, whenever and wherever it ran"
    assert load(tmp_path, text).source_sha256 != load(tmp_path, f"# a comment\n{text}").source_sha256


def test_all_problems_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
nam: x
variables:
  a: "{job_name}-{b}"
  b: 3
  run_id: x
pod:
  image: 5
  gpu_order: NVIDIA L4
  gpu_count: 0
  cloudtype: SECURE
  ports: [22, 8888/http]
  env: {RPD_X: a, "a b": c, T: "{{RUNPOD_SECRET_x}}"}
storage: {mode: network_volume, volume_mount: /, volume_gb: 0}
run:
  body: |
    awk '{print}' ${HOME} {1..5} {{x}}
  log_path: x.log
  failure_markers: []
lifecycle: {on_success: stopp}
budget: {cost_cap_usd: -1, max_runtime_minutes: true}
staging:
  - {source: 2026-05-17}
"""
    allowed = "allowed: delete, preserve, recycle, stop"
    known = "known: a, b, config_dir, job_name, project_root, run_dir, run_id, volume_mount"
    assert problems(tmp_path, text) == [
        (
            "1: nam: unknown field (did you mean 'name'?); allowed: artifacts, budget, checkpoints, env, lifecycle, "
            "local, name, notify, pod, preflight, provision, remote_env, retries, run, run_id_prefix, schema_version, "
            "secrets, setup, ssh, staging, state_file, storage, telemetry, variables"
        ),
        "1: name: is missing",
        "3: variables.a: {b} is defined further down; move it above",
        (
            "5: variables.run_id: is a built-in name; choose another than config_dir, project_root, run_dir, run_id, "
            "job_name, volume_mount"
        ),
        "7: pod.image: expected text, found 5; put it in quotes",
        "8: pod.gpu_order: expected a list, found 'NVIDIA L4'; write ['NVIDIA L4']",
        "9: pod.gpu_count: 0 is too small; must be more than 0",
        (
            "10: pod.cloudtype: unknown field (did you mean 'cloud_type'?); allowed: allowed_cuda_versions, args, "
            "cloud_type, container_disk_gb, cpu_order, datacenters, env, gpu_count, gpu_order, image, "
            "min_cuda_version, min_memory_gb, min_vcpu_count, ports, python_version, registry_id, spot, template_id, "
            "vcpu_count"
        ),
        "11: pod.ports[0]: expected text, found 22; put it in quotes",
        "12: pod.env.RPD_X: is set by rpd or by RunPod; choose another name",
        "12: pod.env.a b: is not a name for an environment variable",
        "13: storage.volume_name: is missing: storage.mode network_volume needs the volume's name or id",
        "13: storage.volume_mount: '/' cannot be a mount point; an absolute folder such as /workspace can",
        "13: storage.volume_gb: 0 is too small; must be more than 0",
        f"15: run.body: unknown name {{print}}; {known}; for the braces themselves write {{{{print}}}} or {{ print }}",
        "17: run.log_path: 'x.log' is not absolute; write {volume_mount}/x.log",
        f"19: lifecycle.on_success: 'stopp' is not allowed (did you mean 'stop'?); {allowed}",
        "20: budget.cost_cap_usd: -1 is too small; must be more than 0",
        "20: budget.max_runtime_minutes: expected a number, found true",
        "22: staging[0].destination: is missing",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("schema_version: 1", "4: schema_version: 1 is not allowed; rpd migrate FILE brings it up to date; allowed: 2"),
        ("state_file: no", None),
        ("name: other", "4: name: is written twice; first on line 1"),
        (
            "run_id_prefix: '---'",
            "4: run_id_prefix: '---' has no letter a-z or digit; pods and folders are named after it",
        ),
        (
            "local: {project_root: /}",
            "4: local.project_root: is the root of the file system; name the project's own folder",
        ),
        (
            "local: {project_root: /home}",
            (
                "4: local.project_root: /home is or holds your home folder; move the job file to a folder of its own "
                "or set local.project_root"
            ),
        ),
        ("local: {project_root: '{run_id}/{run_dir}'}", None),
        ("remote_env: {exports: {1A: x}}", "4: remote_env.exports.1A: is not a name for an environment variable"),
        ("remote_env: {exports: {A: [x]}}", "4: remote_env.exports.A: expected text, found a list"),
        ("setup: [{command: ' '}]", "4: setup[0].command: must not be blank"),
        ("setup: [{command: x, timeout_sec: 0}]", "4: setup[0].timeout_sec: 0 is too small; must be more than 0"),
        (
            "setup: [{command: x, timeout_sec: 1e308}]",
            "4: setup[0].timeout_sec: 1e+308 is too large; must be at most 31536000",
        ),
        (
            "budget: {max_runtime_minutes: 1e308}",
            "4: budget.max_runtime_minutes: 1e+308 is too large; must be at most 525600",
        ),
        ("budget: {cost_cap_usd: 1e308}", "4: budget.cost_cap_usd: 1e+308 is too large; must be at most 1000000"),
        ("budget: {max_runtime_minutes: 525600, cost_cap_usd: 1e6, ssh_ready_timeout_sec: 31536000}", None),
        ("setup: [x]", "4: setup[0]: expected a mapping, found 'x'"),
        (
            "staging: [{source: x, destination: /}]",
            "4: staging[0].destination: '/' would lose all but the source's files; name a folder below",
        ),
        (
            "staging: [{source: x, destination: //root}]",
            "4: staging[0].destination: '//root' would lose all but the source's files; name a folder below",
        ),
        (
            "staging: [{source: x, destination: rel}]",
            "4: staging[0].destination: 'rel' is not absolute; write {volume_mount}/rel",
        ),
        ("storage: {volume_mount: relative}", "4: storage.volume_mount: 'relative' must match ^/"),
        (
            "storage: {volume_name: v}",
            (
                "4: storage.volume_name: is for storage.mode network_volume; "
                "with ephemeral the volume is new for each pod"
            ),
        ),
        (
            "lifecycle: {on_interrupt: keep}",
            "4: lifecycle.on_interrupt: 'keep' is not allowed; allowed: delete, detach, stop",
        ),
        ("variables: {a-b: x}", "4: variables.a-b: is not a name: letters, digits and _, not beginning with a digit"),
        (
            "stop: {on_success: true}",
            "4: stop: unknown field; use lifecycle.on_success and lifecycle.on_failure; rpd migrate FILE writes them",
        ),
        (
            "secrets: [{name: t, destination: '/w/k[1]', env: [T]}]",
            "4: secrets[0].destination: '/w/k[1]' holds '*', '?', '[' or '//', which patterns use",
        ),
        ("ssh: {key_path: ''}", "4: ssh.key_path: must not be empty"),
        (
            "artifacts: [{label: a, remote_path: /o, local_path: x}, {label: a, remote_path: /p, local_path: y}]",
            "4: artifacts[0].label: 'a' is used twice",
        ),
        ("artifacts: [{label: a, remote_path: '/o/*/x-[0-9]?', local_path: x}]", None),
        (
            "artifacts: [{label: a, remote_path: '/o/**/x', local_path: x}]",
            (
                "4: artifacts[0].remote_path: '/o/**/x': '**' does not cross folders: name each level as '*/*', "
                "or the folder that holds them all"
            ),
        ),
        (
            "artifacts: [{label: a, remote_path: '/o/{a,b}', local_path: x}]",
            (
                "4: artifacts[0].remote_path: '/o/{a,b}': '{a,b}' stands for itself, since no shell reads this: name "
                "an artifact for each, or write '[{]a,b}'"
            ),
        ),
        (
            "artifacts: [{label: a, remote_path: '/o/x[1', local_path: x}]",
            (
                "4: artifacts[0].remote_path: '/o/x[1': a '[' without its ']'; a bracket that is meant as one is "
                "written '[[]'"
            ),
        ),
        (
            "artifacts: [{label: a, remote_path: '/*.p', local_path: x}, {label: b, remote_path: /p.p, local_path: x}]",
            "4: artifacts[0].local_path: 'x' is used twice; a folder needs one of its own",
        ),
        (
            "checkpoints: {paths: ['/w/step-*']}",
            "4: checkpoints.paths[0]: '/w/step-*' is a pattern, and those are for artifacts; name the folder",
        ),
        (
            "remote_env: {exports: {K: sk-aaaaaaaaaaaaaaaaaaaaaaaa}}",
            (
                "4: remote_env.exports.K: holds what looks like a key; a job file is copied into the journal: "
                "pass it as a variable, --var NAME"
            ),
        ),
    ],
)
def test_one_wrong_line(tmp_path: Path, line: str, message: str | None) -> None:
    text = f"{SMALL}{line}\n"
    if message is None and "run_dir" not in line:
        load(tmp_path, text)
    elif message is None:
        assert "needs itself" in problems(tmp_path, text)[0]
    else:
        assert problems(tmp_path, text)[0] == message


def test_names_that_need_themselves(tmp_path: Path) -> None:
    text = SMALL.replace("demo", '"x-{a}"') + "variables: {a: '{job_name}'}\n"
    assert problems(tmp_path, text)[0] == "1: name: {a} needs itself: a -> job_name -> a"


def test_a_chain_that_is_too_long_is_told_wherever_it_is_met(tmp_path: Path) -> None:
    chain = "variables: {v0: x, " + ", ".join(f'v{n}: "{{v{n - 1}}}"' for n in range(1, 100)) + "}\n"
    lines = problems(tmp_path, SMALL.replace('"true"', '"{v99}"') + chain)
    assert lines[0] == "3: run.body: {v59} stands at the end of more than 40 names that use one another"
    assert load(tmp_path, chain + SMALL.replace('"true"', '"{v99}"')).job.run.body == "x"


def test_a_variable_nobody_uses_is_a_slip(tmp_path: Path) -> None:
    text = SMALL + "variables: {seed: '1'}\n"
    expected = "4: variables.sead: nothing in the file uses this variable (did you mean 'seed'?); variables here: seed"
    assert problems(tmp_path, text, variables={"sead": "2"}) == [expected]
    assert load(tmp_path, text.replace('"true"', '"{sead}"'), variables={"sead": "2"}).job.run.body == "2"


def test_a_variable_without_a_default_has_to_be_given(tmp_path: Path) -> None:
    text = SMALL.replace('"true"', '"{bucket} {place}"') + "variables: {bucket: null, place: 'x/{bucket}'}\n"
    told = "4: variables.bucket: has no value here: give it one, --var bucket=VALUE"
    assert problems(tmp_path, text) == [told], "said once, where it is missing"
    assert load(tmp_path, text, variables={"bucket": "b"}).job.run.body == "b x/b"


def test_environment_by_name_becomes_a_file_of_secrets_of_this_run(tmp_path: Path) -> None:
    text = SMALL + "env: [HF_TOKEN, BUCKET]\nremote_env: {source_files: [/workspace/more]}\n"
    job = load(tmp_path, text).job
    (secret,) = job.secrets
    assert (secret.env, secret.destination) == (("HF_TOKEN", "BUCKET"), "/workspace/.rpd-env-id-1")
    assert job.remote_env.source_files == ("/workspace/.rpd-env-id-1", "/workspace/more")
    again = restore_job(load(tmp_path, text).config, {})
    assert again == job, "and a journal's job is not given a second one"
    assert load(tmp_path, text).config_sha256 == load(tmp_path, text, run_id="id-2").config_sha256


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("env: [A, A]", "4: env[1]: 'A' is named twice"),
        ("env: [RPD_X]", "4: env[0]: 'RPD_X' is set by rpd or by RunPod; choose another name"),
        ("env: [A-B]", "4: env[0]: 'A-B' must match ^[A-Za-z_][A-Za-z0-9_]*$"),
        (
            "env: [A]\nremote_env: {exports: {A: b}}",
            "4: env[0]: 'A' has a value in remote_env.exports; keep one of the two",
        ),
    ],
)
def test_names_that_the_environment_cannot_give(tmp_path: Path, line: str, told: str) -> None:
    assert problems(tmp_path, SMALL + line + "\n") == [told]


def test_secrets_of_the_environment(tmp_path: Path) -> None:
    environ = {"HF_TOKEN": "correct-horse", "TOKENIZERS_PARALLELISM": "correct-horse", "SSH_AUTH_SOCK": "/run/agent.1"}
    text = SMALL.replace("gpu_order: [G]", "gpu_order: [G], env: {A: 'x correct-horse', B: '{{ RUNPOD_SECRET_hf }}'}")
    assert problems(tmp_path, text, environ=environ) == [
        (
            "2: pod.env.A: holds the value of $HF_TOKEN, and pod.env can be read through the API; "
            "write {{ RUNPOD_SECRET_name }} here"
        )
    ]
    text = SMALL + "remote_env: {exports: {HF_TOKEN: '{token}'}}\n"
    loaded = load(tmp_path, text, environ=environ, variables={"token": "correct-horse"})
    assert loaded.job.remote_env.exports == {"HF_TOKEN": "correct-horse"}
    assert "correct-horse" not in repr((loaded.config, loaded.variables))
    assert restore_job(loaded.config, environ) == loaded.job
    with pytest.raises(UserError, match=r"the secret \$HF_TOKEN"):
        restore_job(loaded.config, {})


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("image: i", "image: '{token}  x'", "2: pod.image: '***HF_TOKEN***  x' holds a space"),
        ("gpu_order: [G]", "gpu_order: [G], gpu_count: '{token}'", "2: pod.gpu_count: expected a whole number"),
        ("gpu_order: [G]", "gpu_order: [G], cloud_type: '{token}'", "2: pod.cloud_type: '***HF_TOKEN***' is not"),
        ("gpu_order: [G]", "gpu_order: [G], ports: ['{token}']", "2: pod.ports[0]: '***HF_TOKEN***' must match"),
        ("image: i", "image: '" + "x" * 45 + " {token}'", "2: pod.image: "),
    ],
)
def test_a_secret_in_a_field_that_it_does_not_fit_is_not_shown(tmp_path: Path, old: str, new: str, told: str) -> None:
    environ, variables = {"HF_TOKEN": "correct-horse-4f9a1c"}, {"token": "correct-horse-4f9a1c"}
    (line,) = problems(tmp_path, SMALL.replace(old, new), environ=environ, variables=variables)
    assert line.startswith(told)
    assert "correct" not in line and "4f9a1c" not in line


@pytest.mark.parametrize("field", ["name: 'x {token}'", "name: j\nrun_id_prefix: '{token}'"])
def test_no_run_is_called_by_a_secret(tmp_path: Path, field: str) -> None:
    """Its label is lower case, so that no mask finds the secret in a path or in the name of the pod."""
    environ, variables = {"HF_TOKEN": "Correct-Horse-4f9a1c"}, {"token": "Correct-Horse-4f9a1c"}
    (line,) = problems(tmp_path, SMALL.replace("name: demo", field), environ=environ, variables=variables)
    assert "holds a secret of the environment; the run, its pod" in line and "orrect" not in line


def test_what_is_named_after_a_refused_run_is_not_shown_in_another_message(tmp_path: Path) -> None:
    environ, variables = {"HF_TOKEN": "Correct-Horse-4f9a1c"}, {"token": "Correct-Horse-4f9a1c"}
    text = SMALL.replace("name: demo", "name: j\nrun_id_prefix: '{token}'") + "storage: {mode: '{run_id}'}\n"
    told = problems(tmp_path, text, environ=environ, variables=variables, run_id=None)
    assert len(told) == 2 and "orrect" not in " ".join(told)


def test_a_value_of_the_file_that_is_a_secret_elsewhere_is_judged_as_it_is(tmp_path: Path) -> None:
    text = SMALL + "storage: {mode: ephemeral}\nlifecycle: {on_failure: preserve}\n"
    loaded = load(tmp_path, text, environ={"A_KEY": "ephemeral", "B_TOKEN": "preserve"})
    assert (loaded.job.storage.mode, loaded.job.lifecycle.on_failure) == ("ephemeral", "preserve")


SECRET = "s3cr3t-4f9a1c77d2"
EXPORTED = "remote_env: {exports: {WANDB_API_KEY: '{WANDB_API_KEY}'}}\n"


@pytest.mark.parametrize(
    ("line", "variables", "told"),
    [
        (
            EXPORTED,
            {"WANDB_API_KEY": SECRET},
            [
                (
                    "1: variables.WANDB_API_KEY: has a secret's name, and its value would stand in the journal: "
                    "export WANDB_API_KEY, start with --var WANDB_API_KEY"
                )
            ],
        ),
        (
            f"remote_env: {{exports: {{WANDB_API_KEY: {SECRET}}}}}\n",
            {},
            [
                (
                    "4: remote_env.exports.WANDB_API_KEY: has a secret's name, and its value would stand in the "
                    "journal: export WANDB_API_KEY, start with --var WANDB_API_KEY and write '{WANDB_API_KEY}' here"
                )
            ],
        ),
        ("remote_env: {exports: {WANDB_API_KEY: '{hidden}'}}\nvariables: {hidden: " + SECRET + "}\n", {}, None),
        ("remote_env: {exports: {WANDB_API_KEY: '{hidden}'}}\n", {"hidden": SECRET}, None),
        ("remote_env: {exports: {WANDB_API_KEY: offline}}\n", {}, []),
        ("remote_env: {exports: {TOKENIZERS_PARALLELISM: absolutely}}\n", {}, []),
        ("variables: {pad_token: '<|endoftext|>'}\nremote_env: {exports: {PAD: '{pad_token}'}}\n", {}, []),
    ],
)
def test_a_secret_written_out_under_its_name(
    tmp_path: Path, line: str, variables: dict[str, str], told: list[str] | None
) -> None:
    """One whose value is in the environment is masked; another is refused, and never repeated."""
    if told == []:
        load(tmp_path, SMALL + line, variables=variables)
        return
    found = problems(tmp_path, SMALL + line, variables=variables)
    assert SECRET not in str(found)
    assert found == told if told is not None else len(found) == 1
    loaded = load(tmp_path, SMALL + line, variables=variables, environ={"WANDB_API_KEY": SECRET})
    assert SECRET not in str(loaded.config)


def test_a_secret_written_out_in_the_pods_environment(tmp_path: Path) -> None:
    text = SMALL.replace("gpu_order: [G]", f"gpu_order: [G], env: {{WANDB_API_KEY: {SECRET}}}")
    assert problems(tmp_path, text) == [
        "2: pod.env.WANDB_API_KEY: has a secret's name; write {{ RUNPOD_SECRET_name }} here"
    ]


def test_only_what_was_masked_is_unmasked(tmp_path: Path) -> None:
    loaded = load(tmp_path, SMALL + "remote_env: {exports: {BANNER: '***HOME*** ***A_TOKEN***'}}\n")
    environ = {"HOME": "/home/me", "A_TOKEN": "short"}
    assert restore_job(loaded.config, environ) == loaded.job


def test_a_key_comes_in_as_a_variable_of_the_environment(tmp_path: Path) -> None:
    key = "hf_abcdefghijklmnopqrstuvwxyz12345678"
    text = f"{SMALL}remote_env: {{exports: {{HF_TOKEN: '{{HF_TOKEN}}'}}}}\n"
    loaded = load(tmp_path, text, environ={"HF_TOKEN": key}, variables={"HF_TOKEN": key})
    assert loaded.job.remote_env.exports["HF_TOKEN"] == key
    assert key not in str(loaded.config)
    assert len(problems(tmp_path, text, variables={"HF_TOKEN": key})) == 2, (
        "known to no environment, it is written down"
    )


def test_secret_references_survive_without_spaces(tmp_path: Path) -> None:
    loaded = load(tmp_path, SMALL.replace("gpu_order: [G]", "gpu_order: [G], env: {T: '{{RUNPOD_SECRET_x}}'}"))
    assert loaded.job.pod.env == {"T": "{{ RUNPOD_SECRET_x }}"}


def test_an_endless_list_of_problems_is_short(tmp_path: Path) -> None:
    text = SMALL + "setup:\n" + "".join(f"  - {{command: '{{u{n}}}', x{n}: 1}}\n" for n in range(4000))
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert len(lines) == 51 and lines[-1].endswith(" more")


def test_a_symlinked_file_is_one_lineage(tmp_path: Path) -> None:
    direct = load(tmp_path, SMALL)
    (tmp_path / "link.yaml").symlink_to(tmp_path / "j.yaml")
    linked = load_job(tmp_path / "link.yaml", run_id="x", environ={}, home=Path("/home/nobody"))
    assert linked.lineage == direct.lineage


_leaves = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "{a}", "{run_id}", "/w", "22/tcp", "stop"])
)
_keys = st.sampled_from(
    [
        *(
            "name",
            "pod",
            "image",
            "gpu_order",
            "run",
            "body",
            "variables",
            "a",
            "storage",
            "mode",
            "volume_mount",
            "env",
            "zzz",
        ),
        *("staging", "source", "destination", "local", "project_root", "lifecycle", "on_success", "artifacts", "label"),
    ]
)
_values = st.recursive(_leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5))


@given(st.dictionaries(_keys, _values, max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_data_loads_or_is_a_spec_error(data: dict[str, object]) -> None:
    import msgspec

    try:
        load_text(msgspec.json.encode(data).decode(), Path("/srv/p/j.yaml"))
    except SpecError as error:
        assert error.problems


@given(st.text(alphabet="abn: -\n{}[]&*!|>'\"#%@`,?\t0\\", max_size=80))
@settings(max_examples=250, deadline=None)
def test_any_text_loads_or_is_a_spec_error(text: str) -> None:
    try:
        load_text(SMALL + text, Path("/srv/p/j.yaml"))
    except SpecError as error:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)


def test_the_example_loads_and_needs_nothing_else() -> None:
    example = Path(__file__).parents[3] / "examples" / "hello" / "hello.yaml"
    loaded = load_job(example, run_id="hello-1", environ={}, home=Path("/home/nobody"))
    assert loaded.run_dir == str(example.parent / "artifacts" / "runpod" / "hello-1")
    assert loaded.job.artifacts[0].local_path == f"{loaded.run_dir}/results" and loaded.job.artifacts[0].required
    assert (Path(loaded.job.staging[0].source) / "greet.sh").is_file()
    assert loaded.job.lifecycle.on_success == "delete"


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ("spot: true", "pod.spot: true cannot be had: RunPod's API (v2) rents no spot"),
        ("min_vcpu_count: 0", "pod.min_vcpu_count: 0 is too small; must be more than 0"),
        ("min_memory_gb: 1.5", "pod.min_memory_gb: expected a whole number, found 1.5"),
        ("datacenter_id: X", "pod.datacenter_id: unknown field; use pod.datacenters, a list; rpd migrate FILE writes"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(tmp_path: Path, wish: str, why: str) -> None:
    (line,) = problems(tmp_path, SMALL.replace("gpu_order: [G]", f"gpu_order: [G], {wish}"))
    assert why in line


def test_wishes_left_at_nothing_are_no_wishes(tmp_path: Path) -> None:
    text = "gpu_order: [G], spot: false, min_vcpu_count: null, min_memory_gb: null"
    assert load(tmp_path, SMALL.replace("gpu_order: [G]", text)).config == load(tmp_path, SMALL).config


NETWORK = "storage: {mode: network_volume, volume_name: v}\n"


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        ("{gpu_order: [G]}", ["2: pod.image: is missing"]),
        ("{image: i}", ["2: pod.gpu_order: is missing"]),
        ("{}", ["2: pod.gpu_order: is missing", "2: pod.image: is missing"]),
        ("{image: i, gpu_order: []}", ["2: pod.gpu_order: is missing"]),
        ("{template_id: t, gpu_order: [G], registry_id: r, args: sh -c 'x y'}", []),
        ("{image: i, cpu_order: [cpu3c, cpu5c], vcpu_count: 4}", []),
        ("{image: i, gpu_order: [L4, {min_vram: 24}]}", ["2: pod.gpu_order[1].min_vram: unknown field (did you mean"]),
        ("{image: i, gpu_order: [{max_price_usd: 0}]}", ["2: pod.gpu_order[0].max_price_usd: 0 is too small"]),
        ("{image: i, gpu_order: [{order: dearest}]}", ["2: pod.gpu_order[0].order: 'dearest' is not allowed"]),
        ("{image: i, gpu_order: [{min_vram_gb: 24, max_price_usd: 0.5, order: cheapest}, L4]}", []),
        (
            "{image: i, cpu_order: [cpu3c], vcpu_count: 4, min_memory_gb: 8, min_vcpu_count: 2}",
            ["2: pod.min_memory_gb: is for GPU pods", "2: pod.min_vcpu_count: is for GPU pods"],
        ),
        ("{image: i, cpu_order: [cpu3c]}", ["2: pod.vcpu_count: is missing: how many vCPUs?"]),
        ("{image: i, cpu_order: [c], vcpu_count: 6}", ["2: pod.vcpu_count: must be a power of two, such as 4"]),
        (
            "{image: i, cpu_order: [c], vcpu_count: 2, gpu_order: [G]}",
            ["2: pod.cpu_order: and gpu_order exclude each other: a pod has GPUs or none"],
        ),
        (
            "{image: i, cpu_order: [c], vcpu_count: 2, cloud_type: COMMUNITY}",
            ["2: pod.cloud_type: CPU pods are of the SECURE cloud only"],
        ),
        ("{image: i, gpu_order: [G], vcpu_count: 2}", ["2: pod.vcpu_count: is for CPU pods, which name cpu_order; a"]),
        ("{image: i, gpu_order: [G], min_cuda_version: '12.4', allowed_cuda_versions: ['12.6']}", ["2: pod.min_cuda"]),
        (
            "{image: i, gpu_order: [G], min_cuda_version: 12.10}",
            ["2: pod.min_cuda_version: expected text, found 12.1;"],
        ),
        ("{image: i, gpu_order: [G], min_cuda_version: '12'}", ["2: pod.min_cuda_version: '12' must match"]),
        ('{image: i, gpu_order: [G], args: "sh -c \'x"}', ["2: pod.args: has a quote that is not closed, or no word"]),
    ],
)
def test_what_a_pod_is_made_of(tmp_path: Path, pod: str, told: list[str]) -> None:
    text = f"name: x\npod: {pod}\nrun: {{body: 'true'}}\n{NETWORK}"
    if not told:
        load(tmp_path, text)
        return
    found = problems(tmp_path, text)
    assert len(found) == len(told), found
    assert all(line.startswith(begin) for line, begin in zip(found, told, strict=True)), found


def test_a_cpu_pod_needs_a_network_volume(tmp_path: Path) -> None:
    text = "name: x\npod: {image: i, cpu_order: [cpu3c], vcpu_count: 4}\nrun: {body: 'true'}\n"
    (line,) = problems(tmp_path, text)
    assert "storage.mode: must be network_volume: a CPU pod has no volume disk" in line
