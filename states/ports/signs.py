"""Known signs of failure in a job's output: the one table of what they mean and what to do about them.

A sign is some fixed words. If these words alone match too much, a pattern must also match the line around them.
Patterns have no nested repetitions: the text comes from outside, and the time for a line must depend on its length
alone.
"""

from __future__ import annotations

import re

import msgspec


class Sign(msgspec.Struct, frozen=True):
    """`words`: the line contains one of these. `pattern`: the line also matches this. `advice` tells a person what to
    do. `is_doubt`: a job that exited with 0 and shows this sign is no plain success. Other signs only explain a
    failure.
    """

    key: str
    words: tuple[str, ...]
    advice: str
    pattern: str = ""
    is_doubt: bool = True

    def is_in(self, line: str) -> bool:
        """Whether a line shows this sign."""
        return any(word in line for word in self.words) and self.confirms(line)

    def confirms(self, line: str) -> bool:
        """Whether a line that contains its words is really this sign."""
        return not self.pattern or re.search(self.pattern, line) is not None


_OF_SHELL = r"^(?:.{0,300}: line [0-9]{1,7}: +[0-9]{1,9} )?"
"""What a shell prints before the signal when a signal has ended a program: bash names line and number."""
_TO_END = r"(?: {0,24}\(core dumped\)| {2}|$)"

SIGNS: tuple[Sign, ...] = (
    # The GPU, its driver and its host.
    Sign(
        "cuda_memory",
        (
            "CUDA out of memory",
            "OutOfMemoryError",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "HIP out of memory",
            "RESOURCE_EXHAUSTED: Out of memory",
            "cudaErrorMemoryAllocation",
            "CUBLAS_STATUS_ALLOC_FAILED",
        ),
        "the GPU's memory is full: a smaller batch or model, or a GPU with more memory in pod.gpu_order",
    ),
    Sign(
        "no_kernel_image",
        ("no kernel image is available", "is not compatible with the current PyTorch installation"),
        "the libraries were not built for this GPU: an image with a newer CUDA and torch, or an older GPU type",
    ),
    Sign(
        "driver_too_old",
        (
            "driver version is insufficient",
            "driver on your system is too old",
            "cudaErrorInsufficientDriver",
            "forward compatibility was attempted on non supported",
            "unsatisfied condition: cuda",
            "the provided PTX was compiled with an unsupported toolchain",
        ),
        "the host's driver is older than the image's CUDA: set pod.min_cuda_version to the CUDA version of the image",
    ),
    Sign(
        "no_gpu",
        (
            "No CUDA GPUs are available",
            "no CUDA-capable device is detected",
            "Found no NVIDIA driver on your system",
            "Torch not compiled with CUDA enabled",
            "couldn't communicate with the NVIDIA driver",
            "CUDA unknown error - this may be due to",
        ),
        "the program sees no GPU: see CUDA_VISIBLE_DEVICES, and whether the image's torch is one with CUDA",
    ),
    Sign(
        "gpu_fault",
        (
            "illegal memory access was encountered",
            "device-side assert triggered",
            "misaligned address",
            "unspecified launch failure",
            "CUDA_ERROR_ILLEGAL_ADDRESS",
        ),
        "the program's GPU code failed: run it with CUDA_LAUNCH_BLOCKING=1 to see where; indices out of range are "
        "usual",
    ),
    Sign(
        "gpu_broken",
        (
            "NVRM: Xid",
            "Xid (PCI",
            "GPU has fallen off the bus",
            "uncorrectable ECC error",
            "GPU is lost",
            "Unable to determine the device handle",
        ),
        "the host's GPU has failed: run again, in another data center if it comes back",
    ),
    Sign(
        "nccl",
        (
            "ncclSystemError",
            "ncclInternalError",
            "ncclUnhandledCudaError",
            "ncclRemoteError",
            "NCCL error",
            "NCCL communicator was aborted",
            "Watchdog caught collective operation timeout",
            "DistBackendError",
        ),
        "the GPUs could not talk to each other: NCCL_DEBUG=INFO says why; often one process had failed before, or the "
        "pod has fewer GPUs than processes",
    ),
    Sign(
        "cuda_library",
        ("CUBLAS_STATUS_", "CUDNN_STATUS_", "CUSOLVER_STATUS_", "CUFFT_"),
        "a CUDA library failed: the GPU's memory may be full, or torch and the CUDA of the image do not fit together",
        pattern=r"(?i)error|fail|exception",
    ),
    Sign(
        "no_compiler",
        (
            "CUDA_HOME environment variable is not set",
            "nvcc: command not found",
            "nvcc: not found",
            "CUDA_HOME does not exist",
        ),
        "the image has no CUDA compiler: take one whose tag says devel",
        is_doubt=False,
    ),
    # Memory and disks of the pod.
    Sign(
        "shared_memory",
        ("Bus error", "out of shared memory", "SIGBUS", "unable to open shared memory", "unable to mmap"),
        "shared memory is too small or full: fewer workers of the DataLoader, or a sharing strategy of file_system",
        pattern=r"Bus error\b|SIGBUS|shared memory|unable to mmap",
    ),
    Sign(
        "host_memory",
        (
            "Out of memory: Killed process",
            "Memory cgroup out of memory",
            "oom-kill",
            "oom_reaper",
            "Killed",
            "can't allocate memory",
            "Cannot allocate memory",
            "std::bad_alloc",
            "MemoryError",
            "exitcode : -9",
            "Unable to allocate",
            "SIGKILL",
        ),
        "the pod's memory was used up, and the system ended the largest program: less data at once, fewer workers, "
        "or a "
        "GPU type whose hosts have more",
        pattern=rf"{_OF_SHELL}Killed{_TO_END}"
        r"|[Oo]ut of memory|oom|alloc|MemoryError|exitcode : -9|SIGKILL",
    ),
    Sign(
        "disk_full",
        ("No space left on device", "[Errno 28]", "ENOSPC", "disk is full", "write error: No space"),
        "the disk is full: a larger storage.volume_gb (for /workspace) or pod.container_disk_gb (for all else)",
    ),
    Sign(
        "disk_quota",
        ("Disk quota exceeded", "[Errno 122]", "EDQUOT"),
        "the volume's quota is used up: rpd volumes grow, a larger storage.volume_gb, or fewer files",
    ),
    Sign(
        "read_only",
        ("Read-only file system",),
        "this place cannot be written: let the job write below storage.volume_mount",
        is_doubt=False,
    ),
    Sign(
        "too_many_files",
        ("Too many open files", "[Errno 24]"),
        "too many files are open: ulimit -n 65536 at the beginning of run.body, or fewer workers",
    ),
    # Programs and their files.
    Sign(
        "missing_module",
        ("ModuleNotFoundError", "No module named", "ImportError: cannot import name"),
        "a Python package is missing: install it in a setup command, or use the interpreter that has it",
        pattern=r"^(?:\[?rank[ 0-9]{1,5}\]?: ?)?(?:\w{1,40}: )?(?:ModuleNotFoundError|ImportError)\b"
        r"|: No module named [\w.'\"]{1,200}$",
    ),
    Sign(
        "missing_library",
        (
            "cannot open shared object file",
            "error while loading shared libraries",
            "undefined symbol: ",
            "' not found (required by",
            "undefined reference to",
        ),
        "a system library is missing or of another version: install it with apt-get in a setup command, or build "
        "against "
        "what the image has",
    ),
    Sign(
        "carriage_returns",
        (
            "$'\\r'",
            "\\r': No such file",
            "^M: bad interpreter",
            "set: pipefail: invalid option name",
            "set: -\r",
            "set: pipefail\r",
            "set: -: invalid option",
            "python3\\r",
            "bash\\r",
            "sh\\r",
        ),
        "the script has the line ends of Windows: convert it (dos2unix, sed -i 's/\\r$//'), and set core.autocrlf to "
        "input in git",
    ),
    Sign(
        "command_missing",
        (": command not found", ": not found"),
        "a command is not installed in the image, or not on PATH: install it in a setup command",
        pattern=r"^(?:/\S{1,300}|\S{0,60}sh|\S{1,60}\.sh): (?:line )?[0-9]{1,7}: \S.{0,200}not found$"
        r"|: line [0-9]{1,7}: .{1,200}: command not found$",
    ),
    Sign(
        "script_syntax",
        (
            "syntax error near unexpected token",
            "unexpected EOF while looking for matching",
            "syntax error: unexpected",
            "Syntax error: ",
            "syntax error: ",
        ),
        "the script is not one that the shell can read: see the line that it names; bash -n FILE checks it here",
        pattern=r"(?:: line [0-9]{1,7}|: [0-9]{1,7}): ",
    ),
    Sign(
        "program_syntax",
        ("SyntaxError: ", "IndentationError: ", "TabError: "),
        "the interpreter cannot read the program: file and line stand above; the image's version may be another one "
        "than yours",
        pattern=r"^(?:Syntax|Indentation|Tab)Error: ",
    ),
    Sign(
        "wrong_arguments",
        (": error: unrecognized arguments: ", ": error: the following arguments are required: ", ": error: argument "),
        "the program does not take these arguments: compare the command in run.body with its --help",
        pattern=r"^[\w./ -]{1,200}: error: (?:unrecognized arguments: |the following arguments are required: "
        r"|argument \S{1,100}: )",
    ),
    Sign(
        "unbound_variable",
        (": unbound variable", ": parameter not set"),
        "the script uses a variable that nobody has set: set it in remote_env.exports, or give it a default",
        pattern=r": (?:unbound variable|parameter not set)$",
        is_doubt=False,
    ),
    Sign(
        "no_such_file",
        ("FileNotFoundError", "No such file or directory"),
        "a file is not in the pod: compare the path with staging[].destination; the job starts in the volume's folder",
        is_doubt=False,
    ),
    Sign(
        "permission",
        ("Permission denied", "PermissionError", "Operation not permitted"),
        "the job may not do this: see the owner and mode of the file, or run it as: bash FILE",
        is_doubt=False,
    ),
    Sign(
        "no_answer_to_a_question",
        ("EOFError: EOF when reading a line",),
        "the program asks a question and nobody can answer it there: find its option for an unattended run",
        is_doubt=False,
    ),
    # Crashes of a program, as the shell or the launcher reports them.
    Sign(
        "segmentation_fault",
        ("Segmentation fault", "SIGSEGV", "Signal 11", "signal 11", "exitcode : -11"),
        "a program crashed (signal 11, SEGV): a compiled library that does not fit the others is the usual cause",
    ),
    Sign(
        "aborted",
        (
            "terminate called after throwing",
            "Aborted",
            "double free or corruption",
            "SIGABRT",
            "Fatal Python error",
            "free(): invalid pointer",
        ),
        "a program aborted (signal 6, ABRT): the line above says why",
        pattern=rf"{_OF_SHELL}Aborted{_TO_END}"
        r"|Aborted \(core dumped\)|terminate called|double free|SIGABRT|Fatal Python|free\(\)",
    ),
    Sign(
        "illegal_instruction",
        ("Illegal instruction", "SIGILL"),
        "a program was built for another processor (signal 4, ILL): install one that is built for this host, or "
        "build it "
        "there",
    ),
    Sign(
        "crash",
        ("Floating point exception", "Trace/breakpoint trap", "Bad system call"),
        "a program crashed: the signal says how, and the lines above may say why",
        pattern=rf"{_OF_SHELL}(?:Floating point exception|Trace/breakpoint trap|Bad system call){_TO_END}",
    ),
    Sign(
        "broken_pipe",
        ("BrokenPipeError", "write error: Broken pipe", "Broken pipe"),
        "a program wrote to a pipe after its reader had stopped reading, as with `| head`: write `set +o pipefail` "
        "before "
        "it, or name run.shell: bash",
        is_doubt=False,
    ),
    Sign(
        "panic",
        ("panicked at", "panic: ", "FATAL EXCEPTION", "Uncaught Exception", "Exception in thread "),
        "the program stopped itself: its own words say why",
        pattern=r"^thread '.{0,100}' .{0,20}panicked at|^panic: |FATAL EXCEPTION|Uncaught Exception"
        r"|^Exception in thread \"",
    ),
    # Models, data and their sources.
    Sign(
        "gated_repository",
        ("GatedRepoError", "gated repo", "Access to model ", "You need to share contact information"),
        "the model needs its owner's leave: ask for it on its page with the account of your HF_TOKEN, and hand the "
        "token "
        "over in secrets",
        pattern=r"GatedRepoError|gated repo|Access to model .{1,200}is restricted|share contact information",
    ),
    Sign(
        "hub_credentials",
        (
            "RepositoryNotFoundError",
            "Invalid user token",
            "Invalid username or password",
            "401 Client Error",
            "403 Client Error",
            "Token is required",
            "LocalTokenNotFoundError",
        ),
        "the hub does not know the name or the token: check the repository's id, and hand HF_TOKEN over in secrets",
    ),
    Sign(
        "tracker_credentials",
        ("No API key configured", "api_key not configured", "wandb: ERROR", "wandb.errors", "MLFLOW_TRACKING"),
        "the tracker has no valid key: hand WANDB_API_KEY over in secrets, or set WANDB_MODE: offline",
        pattern=r"(?i)api.key|auth|login|not logged in|permission|401|403|UsageError",
        is_doubt=False,
    ),
    Sign(
        "storage_credentials",
        (
            "Unable to locate credentials",
            "NoCredentialsError",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "An error occurred (AccessDenied)",
            "AccessDeniedException",
        ),
        "the bucket does not know the keys: hand them over in secrets",
    ),
    Sign(
        "rate_limited",
        ("429 Client Error", "Too Many Requests", "RateLimitError"),
        "a server answers that there are too many requests: hand its token over, or try later",
        is_doubt=False,
    ),
    Sign(
        "damaged_file",
        (
            "PytorchStreamReader failed",
            "SafetensorError",
            "invalid load key",
            "HeaderTooLarge",
            "Unexpected end of file",
            "failed finding central directory",
            "zlib.error",
            "BadZipFile",
            "CRC check failed",
        ),
        "a file is damaged or cut short, or is only the pointer of git-lfs: fetch it again",
    ),
    Sign(
        "checkpoint_mismatch",
        ("Error(s) in loading state_dict", "size mismatch for "),
        "the checkpoint is of another model: compare its shape with the model's settings",
    ),
    Sign(
        "git_access",
        (
            "detected dubious ownership",
            "could not read Username for",
            "Permission denied (publickey)",
            "fatal: Authentication failed",
            "Host key verification failed",
        ),
        "git may not read the repository there: send the code with staging instead, or hand a token over in secrets",
    ),
    # The network, as the pod sees it.
    Sign(
        "name_resolution",
        (
            "Temporary failure in name resolution",
            "Name or service not known",
            "Could not resolve host",
            "NameResolutionError",
            "getaddrinfo failed",
        ),
        "the pod could not find a server by its name: check the name; if it is right, run again on another host",
        is_doubt=False,
    ),
    Sign(
        "no_connection",
        (
            "Connection refused",
            "Connection timed out",
            "Network is unreachable",
            "Read timed out",
            "ConnectionError",
            "Connection reset by peer",
            "Failed to establish a new connection",
            "No route to host",
        ),
        "a server could not be reached from the pod: try later, or on another host",
        is_doubt=False,
    ),
    Sign(
        "certificate",
        ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "SSL certificate problem"),
        "a server's certificate is not trusted there: install ca-certificates in a setup command",
        is_doubt=False,
    ),
    Sign(
        "port_in_use",
        ("Address already in use", "EADDRINUSE"),
        "the port is taken, often by what the image or an earlier launch has left: choose another one",
        is_doubt=False,
    ),
    # Package managers.
    Sign(
        "no_such_package",
        (
            "No matching distribution found",
            "Could not find a version that satisfies",
            "ResolutionImpossible",
            "No solution found when resolving dependencies",
            "E: Unable to locate package",
            "PackagesNotFoundError",
        ),
        "a package cannot be had as it is asked for: check its name and version, and the version of Python; for "
        "apt-get, "
        "apt-get update comes first",
    ),
    Sign(
        "managed_environment",
        ("externally-managed-environment",),
        "the image's Python takes no packages: make a virtual environment, or set PIP_BREAK_SYSTEM_PACKAGES: 1",
    ),
    Sign(
        "build_failed",
        ("Failed building wheel", "subprocess-exited-with-error", "ninja: build stopped", "fatal error: Python.h"),
        "a package could not be built: take one with a ready wheel for this Python and CUDA, or a devel image",
    ),
)
"""Specific signs come first: if a line shows several, the first one counts."""

_BY_KEY = {sign.key: sign for sign in SIGNS}

SIGNALS: dict[int, str] = {
    1: "HUP",
    2: "INT",
    3: "QUIT",
    4: "ILL, an instruction that this processor does not know",
    5: "TRAP",
    6: "ABRT, the program aborted itself",
    7: "BUS, often for want of shared memory",
    8: "FPE, such as a division by zero",
    9: "KILL, often for want of memory",
    10: "USR1",
    11: "SEGV, the program crashed",
    12: "USR2",
    13: "PIPE, it wrote to a program that had stopped reading",
    14: "ALRM",
    15: "TERM, somebody told it to end",
    24: "XCPU, its processor time was used up",
    25: "XFSZ, a file grew too large",
    31: "SYS, a system call that is not allowed there",
}
"""Signals by their numbers in Linux, where jobs run."""

SIGPIPE_CODE = 128 + 13
"""The job's exit code if a part of its last pipe wrote after the next part had stopped reading."""

_OF_CODE: dict[int, tuple[str, str]] = {
    124: ("timeout ended it", ""),
    126: ("a command could not be executed", "see its mode, and whether it is built for this processor"),
    127: ("a command was not found", "install it in a setup command, or see PATH in remote_env.exports"),
    SIGPIPE_CODE: (
        "a program wrote to a pipe after its reader had stopped reading, as `yes | head` does",
        "rpd runs the body with pipefail: write `set +o pipefail` before this pipe, or name run.shell: bash",
    ),
    128 + 9: ("", "see rpd metrics for the memory in use: less data at once, or a GPU type whose hosts have more"),
}


def sign_of(line: str) -> Sign | None:
    """The most specific sign that a line shows."""
    return next((sign for sign in SIGNS if sign.is_in(line)), None)


def advice_on(key: str | None) -> str:
    """What to do about a sign; empty for a sign that this version does not know."""
    sign = _BY_KEY.get(key or "")
    return sign.advice if sign is not None else ""


def meaning_of(exit_code: int) -> tuple[str, str]:
    """What a job's exit code means by itself, and what to do. Both may be empty."""
    what, advice = _OF_CODE.get(exit_code, ("", ""))
    number = exit_code - 128
    if not what and number in SIGNALS:
        what = f"signal {number}, {SIGNALS[number]}"
    return what, advice
