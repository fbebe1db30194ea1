"""Containers in Linux namespaces: their own mounts, processes and root folder, as root and as an ordinary user.

The container disk is the root; the system folders of this machine are shown in it, read-only or under a writable layer.
Nothing of this machine outside them is visible, least of all home folders. The network is shared.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from rpd.adapters.sandbox.machine.container import CONTAINER_PATH, ContainerSpec, Launch, PodFolder, sftp_words
from rpd.adapters.sandbox.machine.images import STARTS_PATH, ImageFile, files_of
from rpd.adapters.sandbox.machine.sshd_forwards import within

SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "var", "nix", "gnu")
"""What a container sees of this machine; links among them are repeated."""

OWN_FOLDERS = {
    "root": 0o700,
    "tmp": 0o1777,
    "run": 0o755,
    "run/lock": 0o1777,
    "home": 0o755,
    "srv": 0o755,
    "mnt": 0o755,
}
"""Folders of the container disk itself."""

LAYERED_FOLDERS = ("usr", "etc", "opt", "var")
"""Writable through a layer, where the kernel and the file system can; the rest is read-only."""

_NSINIT = Path(__file__).with_name("nsinit.py")

DROPPED_CAPABILITIES = {
    "linux_immutable": 9,
    "net_admin": 12,
    "sys_module": 16,
    "sys_rawio": 17,
    "sys_admin": 21,
    "sys_boot": 22,
    "sys_time": 25,
    "sys_tty_config": 26,
    "mknod": 27,
    "audit_control": 30,
    "mac_override": 32,
    "mac_admin": 33,
    "syslog": 34,
}
"""What the root of a pod may not do: mount, load modules, make devices, set the clock, reboot, change the network."""


class Namespace:
    """The isolation named "namespace". `home` is the sandbox's folder, `starts_file` where starts are counted."""

    name = "namespace"

    def __init__(self, home: Path, starts_file: Path) -> None:
        self._home = home
        self._starts_file = starts_file
        self._is_root = os.geteuid() == 0
        self._unshare = shutil.which("unshare") or "unshare"
        self._nsenter = shutil.which("nsenter") or "nsenter"
        self._has_setpriv = shutil.which("setpriv") is not None

    def refusal(self) -> str | None:
        """Why no container can be made on this machine, found out by making one; None when it works."""
        missing = [tool for tool in ("unshare", "nsenter", "setsid") if shutil.which(tool) is None]
        if not sys.platform.startswith("linux") or missing:
            return f"not on this machine: {', '.join(missing) or sys.platform}"
        folder = PodFolder(self._home / f".trial-{os.getpid()}-{id(self):x}")
        spec = ContainerSpec("trial", "sandbox/bare", None, {}, "/workspace", True, "", 0)
        try:
            folder.create()
            launch = self.first(folder, spec, ("/bin/sh", "-c", "test -d /workspace && test -r /proc/1/environ"), {})
            read_end, write_end = os.pipe()
            with os.fdopen(read_end, "rb") as report:
                trial = subprocess.Popen(
                    (*launch.argv, str(write_end)),
                    env=launch.env,
                    cwd=launch.cwd,
                    pass_fds=(write_end,),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                os.close(write_end)
                _, errors = trial.communicate(timeout=20)
                reported = report.read()
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        finally:
            folder.remove()
        return (
            None
            if trial.returncode == 0
            else (reported + errors).decode(errors="replace").strip() or "the kernel forbids it"
        )

    def first(self, folder: PodFolder, spec: ContainerSpec, argv: tuple[str, ...], env: dict[str, str]) -> Launch:
        """See Isolation."""
        parts = self._lay_out(folder)
        binds: list[tuple[str, str, bool]] = [(str(self._starts_file), STARTS_PATH, True)]
        layers_tmp = folder.layers / "var-tmp"
        layers_tmp.mkdir(exist_ok=True)
        layers_tmp.chmod(0o1777)
        if Path("/var/tmp").is_dir():
            binds.append((str(layers_tmp), "/var/tmp", True))
        links = {}
        if not any(Path(f"/usr/{where}/python3").exists() for where in ("bin", "local/bin")):
            binds.append((sys.base_prefix, sys.base_prefix, False))
            links["/usr/local/bin/python3"] = f"{sys.base_prefix}/bin/python3"
        if spec.has_volume:
            binds.append((str(folder.volume), os.path.normpath(spec.volume_path), not spec.is_read_only))
        else:
            (folder.disk / spec.volume_path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        plan = {
            "state_file": str(folder.state_file),
            "root": str(folder.disk),
            "is_root": self._is_root,
            "parts": parts,
            "local_bin": str(folder.layers / "local-bin"),
            "binds": binds,
            "files": {**_machine_files(spec.pod_id), **files_of(spec)},
            "links": links,
            "dropped_capabilities": list(DROPPED_CAPABILITIES.values()),
            "hostname": spec.pod_id,
            "argv": argv,
            "env": {"PATH": CONTAINER_PATH, "HOME": "/root", "HOSTNAME": spec.pod_id, **env},
        }
        plan_file = folder.control / "plan.json"
        plan_file.touch(mode=0o600)
        plan_file.write_bytes(msgspec.json.encode(plan))
        words = [self._unshare, "--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--kill-child"]
        if not self._is_root:
            words += ["--user", "--map-root-user"]
        words += ["--", sys.executable, "-I", "-S", str(_NSINIT), str(plan_file)]
        return Launch(tuple(words), {"PATH": os.environ.get("PATH", CONTAINER_PATH)}, "/", reports=True)

    def session(self, folder: PodFolder, init_pid: int, command: str | None, env: dict[str, str], pty: bool) -> Launch:
        """See Isolation. The process started is a stand-in; its child leads the session inside."""
        words = [self._nsenter, f"--target={init_pid}", "--mount", "--uts", "--pid"]
        if not self._is_root:
            words += ["--user", "--preserve-credentials"]
        words.append("--")
        if self._has_setpriv:
            words += ["setpriv", "--bounding-set", ",".join(f"-{name}" for name in DROPPED_CAPABILITIES)]
        words += ["setsid", "-c"] if pty else ["setsid"]
        words += ["/bin/sh", "-c", 'cd "$HOME" && exec "$@"', "sh", "/bin/bash"]
        words += ["-l"] if command is None else ["-c", command]
        return Launch(tuple(words), {"PATH": CONTAINER_PATH, "HOME": "/root", **env}, "/", is_stand_in=True)

    def sftp(self, folder: PodFolder, init_pid: int) -> Launch:
        """See Isolation. It enters the container's mounts alone, and ends with the connection."""
        words = sftp_words({"pid": init_pid, "is_user": not self._is_root})
        return Launch(words, {"PATH": os.environ.get("PATH", CONTAINER_PATH)}, "/")

    def inside(self, folder: PodFolder, init_pid: int, path: str) -> Path:
        """See Isolation."""
        return within(Path(f"/proc/{init_pid}/root"), path)

    def stdin_filter(self, folder: PodFolder, command: str | None) -> Callable[[bytes], bytes] | None:
        """Nothing to change: the container's paths are real ones."""
        return None

    def _lay_out(self, folder: PodFolder) -> list[dict[str, object]]:
        """Make the container disk's own folders and links; returns the folders to be shown in it."""
        for name, mode in OWN_FOLDERS.items():
            own = folder.disk / name
            own.mkdir(parents=True, exist_ok=True)
            own.chmod(mode)
        parts: list[dict[str, object]] = []
        for name in SYSTEM_FOLDERS:
            path = Path("/") / name
            if path.is_symlink():
                (folder.disk / name).symlink_to(path.readlink())
            elif path.is_dir():
                # A layer of a folder that holds the layer would show itself.
                can_layer = self._is_root and name in LAYERED_FOLDERS and not self._home.is_relative_to(path)
                layer = str(folder.layers / name) if can_layer else None
                parts.append({"path": str(path), "layer": layer, "is_linked": name == "etc"})
        return parts


def _machine_files(hostname: str) -> dict[str, ImageFile]:
    """Files of /etc that name this machine or its network, as they read now: they may be mounts or links elsewhere."""
    files = {"/etc/hostname": ImageFile(f"{hostname}\n")}
    for name in ("resolv.conf", "hosts"):
        source = Path("/etc") / name
        if source.is_file():
            files[f"/etc/{name}"] = ImageFile(source.read_text(errors="replace"))
    return files
