"""Spoiled listings, hashes and tar streams into a real landing: nothing outside the destination is touched, what counts
as arrived is byte for byte what was listed, and every error is one of the port."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from rpd.adapters.transfer import archive
from rpd.adapters.transfer.entry import Entry, is_safe
from rpd.adapters.transfer.pull import pull
from rpd.adapters.transfer.remote_tree import Listing, hash_files, list_tree
from rpd.engine.errors import RpdError
from rpd.states.ports.world import Pull, Pulled
from tests.fakes.link import Link, Said
from tests.fuzz.mutation import NUMBERS, ODD, pieces, spoiled

NAMES = ("a", "b c", "d/e", "d/f/g", "ü", "n" * 120, "new\nline", "back\\slash", "out/x", "file", "z" * 300)
ODD_PATHS = ("../up", "/etc/x", "d/../../up", "out/../../up", "a/b", ".", "", "d", "x\0y", "here/../../up", "./a")
LINKS = (
    "a",
    "../up",
    "/etc/passwd",
    "../../outside/mine",
    ".",
    "d",
    "d/../..",
    "/workspace/out/a",
    "out/x",
    "x" * 5000,
)
FORMATS = (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)


def play(seed: int) -> None:
    """One pull, whose two tries meet whatever comes."""
    chance = random.Random(seed)
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="rpd-fuzz-", dir=place) as folder:
        root = Path(folder)
        here = _stage(root, chance)
        before = _seen(root, here)
        tries = [_answers(chance) for _ in range(2)]
        link: Any = Link(*(answer for each in tries for answer in each))
        order = Pull("artifact", "/workspace/out", str(here), True, ("*.tmp",), delete=chance.random() < 0.3)
        arrived: Pulled | None = None
        try:
            arrived = pull(link, order, progress=lambda moved, total: None, interrupted=lambda: False)
        except RpdError as error:
            assert len(error.message) < 8000, f"an error of {len(error.message)} characters"
        assert _seen(root, here) == before, "something outside the destination was touched"
        if arrived is not None and not arrived.is_missing:
            _compare(link, tries, here, arrived)


def _stage(root: Path, chance: random.Random) -> Path:
    """A destination with files of somebody's in it, among them links that lead out of it."""
    (root / "outside").mkdir()
    (root / "outside" / "mine").write_text("mine")
    here = root / "here"
    if chance.random() < 0.7:
        here.mkdir()
        (here / "a").write_text("old")
        if chance.random() < 0.5:
            (here / "out").symlink_to(root / "outside")
            (here / "file").symlink_to(root / "outside" / "mine")
    return here


def _seen(root: Path, here: Path) -> dict[str, object]:
    """All that is not the destination, or what a pull puts beside it."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if Path(folder) != root or not each.startswith(here.name)]
        for name in files:
            path = Path(folder, name)
            if Path(folder) != root or not name.startswith(here.name):
                found[str(path)] = path.readlink() if path.is_symlink() else path.read_bytes()
        found[folder] = sorted(folders)
    return found


def _answers(chance: random.Random) -> tuple[Said, Said, Said]:
    """Listing, hashes, stream: of a real tree, and each of them spoiled now and then."""
    names = chance.sample(NAMES, chance.randrange(1, 5))
    files = {name: os.urandom(0) + chance.randbytes(chance.choice((0, 1, 511, 512, 513, 5000))) for name in names}
    links = {f"l{number}": chance.choice(LINKS) for number in range(chance.choice((0, 0, 1, 2)))}
    if chance.random() < 0.2:
        links[chance.choice(ODD_PATHS[:-2])] = "a"
    folders = [each for each in ODD_PATHS if "\0" not in each and chance.random() < 0.05]
    listed = dict(files) | ({chance.choice(ODD_PATHS): b"odd"} if chance.random() < 0.2 else {})
    texts = [_listing(listed, links, folders), _sums(listed), _stream(files, listed, chance)]
    which = chance.choice((None, 0, 1, 2, 2, 2, 2))
    if which is not None:
        texts[which] = spoiled(chance, texts[which], texts)
    first, second, third = (Said(pieces(chance, text), (), chance.choice((0, 0, 0, 2))) for text in texts)
    return Said(first.stdout), second, third


def _listing(files: dict[str, bytes], links: dict[str, str], folders: list[str]) -> bytes:
    heads = [f"f 644 {len(body)} 1767225600.25 {name}\0" for name, body in files.items() if "\0" not in name]
    heads += [f"d 755 4096 1.5 {folder}\0" for folder in folders]
    heads += [f"l 777 1 1767225600.25 {name}\0{target}" for name, target in links.items()]
    return "\0".join(["folder", "full", "d 755 4096 1.5 \0", *heads, "end", ""]).encode()


def _sums(files: dict[str, bytes]) -> bytes:
    lines = []
    for name, body in files.items():
        shown = name.replace("\\", "\\\\").replace("\n", "\\n")
        mark = "\\" if shown != name else ""
        lines.append(f"{mark}{hashlib.sha256(body).hexdigest()} *./{shown}\n")
    return "".join(lines).encode()


def _stream(files: dict[str, bytes], listed: dict[str, bytes], chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return b"".join(_member(name, body) for name, body in files.items()) + archive.END
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=chance.choice(FORMATS)) as tar:
        for name, body in listed.items():
            info = tarfile.TarInfo("./" + name if chance.random() < 0.5 else name)
            info.size = len(body)
            if chance.random() < 0.15:
                info.type = chance.choice((b"1", b"2", b"3", b"5", b"6", b"7", b"S", b"x", b"g", b"L"))
                info.linkname = chance.choice((*LINKS, *files))
                info.size = chance.choice((0, info.size))
            if chance.random() < 0.15:
                info.pax_headers = {
                    chance.choice(("path", "size", "size", "size", "linkpath", "GNU.sparse.map", "x")): _odd(chance)
                }
            try:
                tar.addfile(info, io.BytesIO(body))
            except (ValueError, UnicodeError, OSError):
                continue  # a name that this format cannot hold
    return out.getvalue()


def _odd(chance: random.Random) -> str:
    return chance.choice((*NUMBERS, *NUMBERS, *ODD)).decode("utf-8", "replace") or "0"


def _member(name: str, body: bytes) -> bytes:
    entry = Entry(name, "file", 0o644, len(body), 1767225600)
    return archive.header(entry, len(body)) + body + archive.padding(len(body))


def _compare(link: Link, tries: list[tuple[Said, Said, Said]], here: Path, arrived: Pulled) -> None:
    """Whatever the listing named and this machine can hold is here with the content that its hash promises. What the
    second listing names as the first one did has the hash that was told then."""
    last = tries[0] if len(link.commands) <= 3 else tries[1]
    tree, kept = _promised(last)
    earlier: dict[str, Entry] = {}
    with contextlib.suppress(RpdError):
        earlier = _promised(tries[0])[1]
    told, known = _hashes(last, kept), _hashes(tries[0], earlier)
    for path, entry in kept.items():
        place = here / path if tree.kind == "folder" else here
        place = place if not (tree.kind == "file" and place.is_dir()) else place / path
        assert not place.is_symlink(), f"{path!r} is a link"
        content = place.read_bytes()
        assert len(content) == entry.size, f"{path!r} has another size"
        is_as_before = path in earlier and (entry.size, entry.mtime) == (earlier[path].size, earlier[path].mtime)
        promised = {told.get(path), known.get(path) if is_as_before else None}
        assert hashlib.sha256(content).hexdigest() in promised, f"{path!r} is not what was listed"
    assert arrived.files >= len(kept)


def _promised(answers: tuple[Said, Said, Said]) -> tuple[Listing, dict[str, Entry]]:
    """What a listing shows, and the files of it that this machine can hold."""
    tree = list_tree(Link(answers[0]), "/workspace/out")  # type: ignore[arg-type]
    files = [each for each in tree.entries if each.kind == "file" and not each.path.endswith(".tmp")]
    return tree, {each.path: each for each in files if is_safe(each.path)}


def _hashes(answers: tuple[Said, Said, Said], entries: dict[str, Entry]) -> dict[str, str]:
    """As far as the pod has told them."""
    found: dict[str, str] = {}
    with contextlib.suppress(RpdError):
        hash_files(Link(answers[1]), "/workspace/out", entries, 0, found=found)  # type: ignore[arg-type]
    return found
