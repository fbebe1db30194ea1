"""The first process of a container in a namespace, before it becomes the container's own: mounts, then execs.

Run as a plain script by `unshare` with the plan's path and the number of a pipe to report on; it imports nothing of the
package. The pipe gets "ready" when the container stands, else the error. A command that cannot be executed is told on
standard error, which is the container's log.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import warnings  # noqa: F401 - os.execvpe imports it, when the library may be out of sight already
from typing import Any

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_CAPBSET_DROP = 24
SYS_MOUNT_SETATTR = 442
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
"""pivot_root(2) has no wrapper in the C library, and its number depends on the machine."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

libc = ctypes.CDLL(None, use_errno=True)


class MountAttributes(ctypes.Structure):
    """struct mount_attr of mount_setattr(2)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def main() -> None:
    """Build the container around this process and become its first one."""
    plan_path, pipe = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(pipe, False)
    try:
        with open(plan_path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib would double the time to start
            plan = json.load(file)
        record_processes(plan)
        # It holds the container's environment, and is not needed again.
        os.unlink(plan_path)  # noqa: PTH108
        socket.sethostname(plan["hostname"])
        build(plan)
    except OSError as error:
        os.write(pipe, f"{error}".encode())
        sys.exit(127)
    drop_capabilities(plan["dropped_capabilities"])
    os.write(pipe, b"ready")
    try:
        os.execvpe(plan["argv"][0], plan["argv"], plan["env"])
    except OSError as error:
        sys.exit(f"cannot start {plan['argv'][0]}: {error.strerror}")


def record_processes(plan: dict[str, Any]) -> None:
    """Write down who we are before anything else, so that a later runtime can end us. /proc is still this machine's."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
        boot = file.read().strip()
    pid = int(os.readlink("/proc/self"))  # noqa: PTH115 - the number in the namespace /proc belongs to, not ours
    fields = stat_of(pid)
    parent = int(fields[1])
    text = json.dumps(
        {
            "init": {"pid": pid, "started": fields[19], "boot": boot},
            "parent": {"pid": parent, "started": stat_of(parent)[19], "boot": boot},
        }
    )
    with open(plan["state_file"] + ".new", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)
    os.replace(plan["state_file"] + ".new", plan["state_file"])  # noqa: PTH105


def stat_of(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        text = file.read()
    return text[text.rindex(")") + 2 :].split()


def build(plan: dict[str, Any]) -> None:
    """Mount everything below the container disk and make that the root."""
    root = plan["root"]
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount(root, root, None, MS_BIND | MS_REC)
    for part in plan["parts"]:
        add_part(root, part)
    if not os.access(root + "/usr/local/bin", os.W_OK):
        add_links(root, "/usr/local/bin", plan["local_bin"])
    for source, target, is_writable in plan["binds"]:
        bind(source, root + target, is_writable)
    for path, file in plan["files"].items():
        place(root + path, file["text"], file["mode"])
    for path, where in plan["links"].items():
        os.symlink(where, root + path)  # noqa: PTH211
    add_devices(root)
    mount("proc", make_folder(root + "/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if plan["is_root"]:
        # Without a user namespace nothing else keeps the pod's root from this machine's kernel settings.
        bind(root + "/proc/sys", root + "/proc/sys", False)
        if os.path.exists("/proc/sysrq-trigger"):  # noqa: PTH110
            bind(root + "/proc/sysrq-trigger", root + "/proc/sysrq-trigger", False)
    if os.path.isdir("/sys"):  # noqa: PTH112
        bind("/sys", root + "/sys", False)
    os.chdir(root)
    check(libc.syscall(SYS_PIVOT_ROOT.get(os.uname().machine, -1), b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")
    os.umask(0o022)


def add_part(root: str, part: dict[str, Any]) -> None:
    """Show one folder of this machine: with a writable layer over it, else linked entry by entry, else read-only."""
    source, layer = part["path"], part["layer"]
    target = make_folder(root + source)
    if layer is not None:
        upper, work = make_folder(layer + "/upper"), make_folder(layer + "/work")
        try:
            mount("overlay", target, "overlay", 0, f"lowerdir={source},upperdir={upper},workdir={work}")
        except OSError:
            pass  # A file system that cannot carry layers: the ways below always work.
        else:
            return
    if part["is_linked"]:
        add_links(root, source, None)
    else:
        bind(source, target, False)


def add_links(root: str, path: str, own: str | None) -> None:
    """A writable folder whose entries are links to those of this machine; `own` holds it where `path` is read-only."""
    shown = "/.rpd/machine" + path
    bind(path, root + shown, False)
    if own is not None:
        bind(make_folder(own), root + path, True)
    for name in os.listdir(path):  # noqa: PTH208
        if not os.path.lexists(f"{root}{path}/{name}"):
            os.symlink(f"{shown}/{name}", f"{root}{path}/{name}")  # noqa: PTH211


def add_devices(root: str) -> None:
    """A /dev of its own: the harmless devices, terminals and shared memory."""
    dev = make_folder(root + "/dev")
    mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755")
    for name in DEVICES:
        place(f"{dev}/{name}", "", 0o666)
        mount(f"/dev/{name}", f"{dev}/{name}", None, MS_BIND)
    mount("devpts", make_folder(dev + "/pts"), "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
    mount("tmpfs", make_folder(dev + "/shm"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    links = (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"))
    for name, where in links:
        os.symlink(where, f"{dev}/{name}")  # noqa: PTH211


def bind(source: str, target: str, is_writable: bool) -> None:
    """Show a folder or file a second time."""
    if os.path.isdir(source):  # noqa: PTH112
        make_folder(target)
    elif not os.path.exists(target):  # noqa: PTH110
        place(target, "", 0o644)
    mount(source, target, None, MS_BIND | MS_REC)
    if not is_writable:
        make_read_only(target)


def make_read_only(target: str) -> None:
    """Make a mount and all below it read-only."""
    attributes = MountAttributes(attr_set=MS_RDONLY)
    size = ctypes.sizeof(attributes)
    if (
        libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), AT_RECURSIVE, ctypes.byref(attributes), size)
        == 0
    ):
        return
    # Kernels before 5.12: one by one, keeping the flags that an unprivileged process may not clear.
    with open("/proc/self/mountinfo", encoding="utf-8") as file:  # noqa: PTH123
        lines = [line.split() for line in file]
    kept = {"nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC, "noatime": 1024, "nodiratime": 2048}
    for fields in lines:
        point = fields[4].encode("latin-1").decode("unicode_escape")
        if point == target or point.startswith(target + "/"):
            flags = sum(kept.get(word, 0) for word in fields[5].split(","))
            relatime = 1 << 21 if "relatime" in fields[5] else 0
            mount(None, point, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags | relatime)


def make_folder(path: str) -> str:
    """The folder, made when missing."""
    os.makedirs(path, exist_ok=True)  # noqa: PTH103
    return path


def place(path: str, text: str, mode: int) -> None:
    """Write a file of the image in place of whatever stands there."""
    make_folder(os.path.dirname(path))  # noqa: PTH120
    if os.path.lexists(path):
        os.unlink(path)  # noqa: PTH108
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    os.chmod(path, mode)  # noqa: PTH101


def drop_capabilities(numbers: list[int]) -> None:
    """Give up what a container has no use for; the next exec makes it final."""
    for number in numbers:
        # Refused for those this machine does not have itself.
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2), with an error that says what was tried."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    result = libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    check(result, f"mount of {source or target} on {target}")


def check(result: int, what: str) -> None:
    """Raise OSError for a failed call."""
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


if __name__ == "__main__":
    main()
