"""What a log says of a failure: the real exception, known signs, and neither time nor words beyond bounds."""

from __future__ import annotations

import time

import pytest

from rpd.states.ports.log_reading import DOUBTS_MAX, LINE_CHARACTERS, read_text
from rpd.states.ports.signs import SIGNS, advice_on, meaning_of, sign_of

TRACEBACK = """Traceback (most recent call last):
  File "/workspace/train.py", line 3, in <module>
    main()
    ^^^^^^
"""
HANDLED = "\nDuring handling of the above exception, another exception occurred:\n\n"

EXCEPTIONS = {
    "plain": (f"begun\n{TRACEBACK}ValueError: no\nbye\n", "ValueError: no"),
    "chained": (f"{TRACEBACK}KeyError: 'a'\n{HANDLED}{TRACEBACK}ValueError: no\n", "ValueError: no"),
    "without words": (f"{TRACEBACK}AssertionError\n", "AssertionError"),
    "of a module": (f"{TRACEBACK}a.b_c.Error: x: y\n", "a.b_c.Error: x: y"),
    "of a function": (f"{TRACEBACK}__main__.f.<locals>.Bad: x\n", "__main__.f.<locals>.Bad: x"),
    "several lines": (f"{TRACEBACK}RuntimeError: CUDA error: x\nCompile with y\n", "RuntimeError: CUDA error: x"),
    "of a rank": (
        "".join(f"[rank1]: {line}\n" for line in f"{TRACEBACK}ValueError: no".splitlines())
        + f"{TRACEBACK}torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n====\n",
        "ValueError: no",
    ),
    "with times": (
        "".join(f"2027-01-0{day} 1{day}:00:00 | {line}\n" for day, line in enumerate(f"{TRACEBACK}E: no".splitlines())),
        "E: no",
    ),
    "after a logged one": (f"2027-01-01 ERROR x {TRACEBACK}ValueError: logged\ngoing on\n", "ValueError: logged"),
    "of another process": (
        f"{TRACEBACK}ValueError: no\n{TRACEBACK}subprocess.CalledProcessError: Command 'x' returned 1\n",
        "ValueError: no",
    ),
    "of a process alone": (f"{TRACEBACK}subprocess.CalledProcessError: x\n", "subprocess.CalledProcessError: x"),
    "at the very end": (
        f"{TRACEBACK}ValueError: no\nException ignored in: <function f at 0x1>\n{TRACEBACK}TypeError: later\n",
        "ValueError: no",
    ),
    "in a box": (
        "╭──── Traceback (most recent call last) ────╮\n│ /a.py:1 in f │\n╰────╯\nValueError: no\n",
        "ValueError: no",
    ),
    "in a group": (
        (
            "  + Exception Group Traceback (most recent call last):\n  |   File 'x'\n  | ExceptionGroup: two (2)\n"
            "  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File 'y'\n"
            "    | ValueError: no\n    +------------------------------------\n"
        ),
        "ValueError: no",
    ),
    "group of what nobody raised": (
        (
            "  + Exception Group Traceback (most recent call last):\n  |   File 'x'\n  | ExceptionGroup: two (2)\n"
            "  +-+---------------- 1 ----------------\n    | ValueError: no\n"
            "    +------------------------------------\nbye\n"
        ),
        "ExceptionGroup: two (2)",
    ),
    "original of a worker": (
        f"{TRACEBACK}ValueError: Caught ValueError in worker process 0.\nOriginal {TRACEBACK}ValueError: no\n",
        "ValueError: no",
    ),
    "with line ends of Windows": (f"{TRACEBACK}ValueError: no\n".replace("\n", "\r\n"), "ValueError: no"),
    "cut off": (f"{TRACEBACK}ValueError: no\n{TRACEBACK}", "ValueError: no"),
    "over a progress bar": (f"10%\r20%\r{TRACEBACK}ValueError: \x1b[31mno\x1b[0m\n", "ValueError: no"),
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_the_exception_is_the_last_line_of_its_traceback(name: str) -> None:
    text, line = EXCEPTIONS[name]
    cause = read_text(text).cause
    assert cause is not None and cause.line == line


SAID = {
    "cuda_memory": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "no_kernel_image": "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    "driver_too_old": "The NVIDIA driver on your system is too old (found version 11040).",
    "no_gpu": "RuntimeError: No CUDA GPUs are available",
    "gpu_fault": "RuntimeError: CUDA error: device-side assert triggered",
    "gpu_broken": "[123.4] NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.",
    "nccl": "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1",
    "cuda_library": "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "no_compiler": "OSError: CUDA_HOME environment variable is not set.",
    "shared_memory": "RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ...",
    "host_memory": "/workspace/run.sh: line 3:    12 Killed                  python3 train.py",
    "disk_full": "OSError: [Errno 28] No space left on device: 'x'",
    "disk_quota": "OSError: [Errno 122] Disk quota exceeded",
    "read_only": "OSError: [Errno 30] Read-only file system: '/data'",
    "too_many_files": "OSError: [Errno 24] Too many open files",
    "missing_module": "ModuleNotFoundError: No module named 'no_such_module_xyz'",
    "missing_library": "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    "carriage_returns": "run.sh: line 2: $'\\r': command not found",
    "command_missing": "/workspace/run.sh: line 2: accelerate: command not found",
    "script_syntax": "/workspace/run.sh: line 9: syntax error near unexpected token `fi'",
    "unbound_variable": "/workspace/run.sh: line 9: DATA: unbound variable",
    "program_syntax": "SyntaxError: invalid syntax",
    "wrong_arguments": "train.py: error: unrecognized arguments: --lrr 1",
    "no_such_file": "FileNotFoundError: [Errno 2] No such file or directory: 'train.csv'",
    "permission": "bash: ./run.sh: Permission denied",
    "no_answer_to_a_question": "EOFError: EOF when reading a line",
    "segmentation_fault": "/workspace/run.sh: line 3:    12 Segmentation fault      (core dumped) python3 train.py",
    "aborted": "terminate called after throwing an instance of 'c10::Error'",
    "illegal_instruction": "run.sh: line 1:   9 Illegal instruction     (core dumped) ./x",
    "crash": "/workspace/run.sh: line 3:   288 Floating point exception(core dumped) ./x",
    "broken_pipe": "BrokenPipeError: [Errno 32] Broken pipe",
    "panic": "thread 'main' panicked at src/main.rs:2:5:",
    "gated_repository": "OSError: You are trying to access a gated repo.",
    "hub_credentials": "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x",
    "tracker_credentials": "wandb.errors.errors.UsageError: api_key not configured (no-tty). call wandb.login()",
    "storage_credentials": "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
    "rate_limited": "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: x",
    "damaged_file": "_pickle.UnpicklingError: invalid load key, 'v'.",
    "checkpoint_mismatch": "RuntimeError: Error(s) in loading state_dict for Net:",
    "git_access": "fatal: could not read Username for 'https://github.com': No such device or address",
    "name_resolution": "curl: (6) Could not resolve host: example.org",
    "no_connection": "ConnectionRefusedError: [Errno 111] Connection refused",
    "certificate": "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
    "port_in_use": "OSError: [Errno 98] Address already in use",
    "no_such_package": "ERROR: No matching distribution found for torhc==2.4",
    "managed_environment": "error: externally-managed-environment",
    "build_failed": "ERROR: Failed building wheel for flash-attn",
}


@pytest.mark.parametrize("key", [sign.key for sign in SIGNS])
def test_every_sign_is_known_by_what_programs_really_say(key: str) -> None:
    sign = sign_of(SAID[key])
    assert sign is not None and sign.key == key
    seen = read_text(f"step 1\n{SAID[key]}\nbye\n")
    assert seen.cause is not None and (seen.cause.line, seen.cause.sign) == (SAID[key], key)
    assert bool(seen.doubts) is sign.is_doubt
    assert len(advice_on(key)) > 30 and not advice_on(key).endswith(".")


@pytest.mark.parametrize(
    "line",
    [
        "Killed 0 stale workers",
        "Traceback",
        "loss 0.3, oomph 2",
        "epoch 1: 404 not found in cache, downloading",
        "WARNING: No module named flash_attn, using sdpa instead",
        "checking for gcc... not found",
        "INFO: Too Many Requests: 0",
        "Unexpected key(s) ignored",
        "Aborted 0 of 3 trials",
        "Bus errors: 0",
        "Floating point exceptions are masked",
        "main.c:3: error: argument x: of type int",
        "note: a SyntaxError: is shown for bad files",
        "BrokenPipeError: [Errno 32] Broken pipe",
        "",
    ],
)
def test_ordinary_words_put_no_success_in_doubt(line: str) -> None:
    assert read_text(f"{line}\nstep 2\nDONE\n").doubts == ()


@pytest.mark.parametrize(
    ("said", "sign"),
    [
        ("run.sh: line 3:   288 Aborted                 python3 train.py", "aborted"),
        ("run.sh: line 3:   288 Aborted                 (core dumped) python3 train.py | tee log", "aborted"),
        ("Aborted", "aborted"),
        ("Aborted (core dumped)", "aborted"),
        ("free(): invalid pointer", "aborted"),
        ("Killed", "host_memory"),
        ("Floating point exception", "crash"),
        ("run.sh: line 1: 9 Trace/breakpoint trap   ./x", "crash"),
    ],
)
def test_a_shells_word_on_a_signal_is_known_with_and_without_a_core(said: str, sign: str) -> None:
    seen = read_text(f"step\n{said}\ndone\n").doubts
    assert [(each.line, each.sign) for each in seen] == [(said, sign)]


@pytest.mark.parametrize(
    "said",
    [
        "run.sh: line 1: set: pipefail\r: invalid option name\n",
        "run.sh: line 1: set: -\r: invalid option\n",
        "/usr/bin/env: 'python3\\r': No such file or directory\n",
        "./run.sh: /bin/bash^M: bad interpreter: No such file or directory\n",
    ],
)
def test_line_ends_of_windows_are_known_by_what_they_cause(said: str) -> None:
    cause = read_text(said).cause
    assert cause is not None and cause.sign == "carriage_returns" and "\r" not in cause.line


def test_what_need_not_be_a_failure_explains_one_only_among_the_last_words() -> None:
    early = "cp: cannot stat 'x': Permission denied\n"
    steps = "step\n" * 4000
    assert read_text(early + steps).cause is None
    assert read_text(steps + early).cause is not None


def test_a_success_is_doubted_for_what_was_raised_and_not_for_the_end_of_a_program() -> None:
    doubts = read_text(f"{TRACEBACK}ValueError: no\n{SAID['cuda_memory']}\n{SAID['disk_full']}\n").doubts
    assert [seen.sign for seen in doubts] == ["", "disk_full", "cuda_memory"]
    assert read_text(f"{TRACEBACK}KeyboardInterrupt\n").doubts == ()
    assert len(read_text("\n".join(SAID.values())).doubts) == DOUBTS_MAX


def test_no_line_is_kept_long_or_with_what_steers_a_terminal() -> None:
    cause = read_text(f"{TRACEBACK}ValueError: {'x' * 9000}\x1b]0;title\x07\x1b[2J\u202e\n").cause
    assert cause is not None and len(cause.line) <= LINE_CHARACTERS
    cause = read_text(f"{TRACEBACK}ValueError: \x1b]0;t\x07a\x1b[2Jb\u202ec\x00\n").cause
    assert cause is not None and cause.line == "ValueError: abc"


SIZE = 1 << 22
HOSTILE = {
    "one line": "x" * SIZE,
    "no line ends": "Traceback (most recent call last)" * (SIZE // 33),
    "frames without an end": TRACEBACK + '  File "x"\n' * (SIZE // 11),
    "tracebacks": f"{TRACEBACK}ValueError: no\n" * (SIZE // 120),
    "words of a sign that is not meant": "Killed 0 workers, alloca\n" * (SIZE // 25),
    "every word": "".join(f"{word} " for sign in SIGNS for word in sign.words) * 800,
    "colons": ": line 1: 2 " * (SIZE // 12) + "Killed",
    "escapes": "\x1b[" * (SIZE // 2),
    "carriage returns": f"{TRACEBACK}Error: " + "y\r" * (SIZE // 2),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_log_takes_long_to_look_through(name: str) -> None:
    began = time.process_time()
    read_text(HOSTILE[name])
    assert time.process_time() - began < 2.0


def test_exit_codes_above_128_are_signals_by_their_names() -> None:
    assert meaning_of(137)[0].startswith("signal 9, KILL")
    assert meaning_of(139)[0].startswith("signal 11, SEGV")
    assert "stopped reading" in meaning_of(141)[0] and "run.shell" in meaning_of(141)[1]
    assert "not found" in meaning_of(127)[0]
    assert meaning_of(3) == meaning_of(255) == ("", "")
