"""What the picker makes of flags, settings and answers. The questions are answered on a real terminal."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rpd.adapters.choosing.market import Market
from rpd.adapters.choosing.order import Prefill
from rpd.adapters.choosing.picker import choose
from rpd.adapters.runpod.market import GpuType
from rpd.adapters.settings.settings import DEFAULT, Loaded, Settings
from rpd.engine.errors import UserError
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import DataCenter, Offer
from tests.scenarios.live import eventually

EUROPE, AMERICA = "EU-RO-1", "US-TX-3"


def gpu(name: str, price: float, stock: dict[str, str], *, community: float | None = None, most: int = 4) -> GpuType:
    level = max(stock.values(), key=["NONE", "LOW", "MEDIUM", "HIGH"].index, default="NONE")
    gpu_id = f"NVIDIA {name}"
    other = Offer(gpu_id, "COMMUNITY", community, "LOW", name=name) if community is not None else None
    secure = Offer(gpu_id, "SECURE", price, level, name=name)
    return GpuType(gpu_id, name, 24, secure, other, stock, "12.8", {"SECURE": most, "COMMUNITY": most})


MARKET = Market(
    (
        gpu("A40", 0.40, {EUROPE: "MEDIUM", AMERICA: "NONE"}),
        gpu("L4", 0.44, {EUROPE: "LOW", AMERICA: "HIGH"}, community=0.30),
        gpu("RTX 4090", 0.69, {EUROPE: "NONE", AMERICA: "LOW"}, most=1),
        gpu("H100", 2.99, {EUROPE: "HIGH"}, most=8),
        gpu("A2000", 0.12, {EUROPE: "NONE", AMERICA: "NONE"}),
        gpu("A5000", 0.27, {EUROPE: "LOW"}),
        gpu("T4", 0.20, {EUROPE: "LOW"}),
        gpu("V100", 0.21, {EUROPE: "LOW"}),
    ),
    (DataCenter(EUROPE, name="Romania 1", region="EUROPE"), DataCenter(AMERICA, region="NORTH_AMERICA")),
    (Volume("vol1", "models", 100, EUROPE, "STANDARD"),),
)


def loaded(**values: Any) -> Loaded:
    settings = Settings(**values)
    origins = {name: "a file" if name in values else DEFAULT for name in Settings.__struct_fields__}
    return Loaded(settings, origins, None)


def test_the_nearest_that_has_stock_is_named() -> None:
    error = MARKET.nothing("SECURE", ("US-XX-1",))
    assert error.exit_code == 6 and "NVIDIA T4 at $0.20/h, secure cloud, anywhere" in error.message


def test_favourites_come_first_then_stock_then_price() -> None:
    rows = MARKET.rows("SECURE", (EUROPE,), ("H100", "no such GPU"))
    names = [row.gpu.name for row in rows]
    assert names == ["H100", "T4", "V100", "A5000", "A40", "L4", "A2000", "RTX 4090"]
    assert rows[0].is_favourite and rows[0].title.startswith("* H100") and "12.8" in rows[0].title
    assert all(len(row.title) <= 76 for row in rows), "it fits into 80 columns"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Prefill(cloud="moon"), "no cloud 'moon'"),
        (Prefill(cloud="community", volume="models"), "only pods of the secure cloud"),
        (Prefill(volume="mine"), "no network volume 'mine'"),
        (Prefill(cloud="secure", regions=("Atlantis",)), "no data center 'Atlantis'"),
    ],
)
def test_flags_that_cannot_be_are_refused_before_the_first_question(said: Prefill, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        choose(loaded(), MARKET, said, {})
    assert caught.value.exit_code == 2 and caught.value.hint


SCRIPT = """
import json, sys, msgspec
from tests.adapters.choosing.test_picker import MARKET, loaded
from rpd.adapters.choosing.order import Prefill
from rpd.adapters.choosing.picker import choose
presets = {"comfyui": "pictures", "jupyter": "notebooks"}
found = choose(loaded(**json.loads(sys.argv[1])), MARKET, msgspec.json.decode(sys.argv[2], type=Prefill), presets)
print(json.dumps(msgspec.to_builtins(found)))
"""


class Screen:
    """The picker on a terminal of its own; its answer goes through a pipe."""

    def __init__(self, settings: dict[str, Any], term: str, said: str = "{}") -> None:
        self._master, slave = os.openpty()
        self._seen = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(settings), said],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "TERM": term, "COLUMNS": "80", "LINES": "24"},
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
            start_new_session=True,
        )
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(self._master, 65536):
                self._seen += piece

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", bytes(self._seen).decode(errors="replace"))

    def answer(self, question: str, keys: str, times: int = 1) -> None:
        eventually(lambda: self.text.count(question) >= times, 60, lambda: f"{question}\n{self.text}")
        os.write(self._master, keys.encode())

    def found(self) -> dict[str, Any]:
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, self.text
        return dict(json.loads(out))


def test_a_person_picks_with_arrows_and_filters() -> None:
    screen = Screen({"gpus": ["H100"], "hours": 2.0}, "xterm")
    screen.answer("Cloud:", "\r")
    screen.answer("Region:", "euro\r")
    screen.answer("GPU:", "more\r")
    screen.answer("GPU:", "A40\r", times=3)
    screen.answer("How many GPUs (1 to 4)?", "2\r")
    screen.answer("What runs in it:", "jup\r")
    screen.answer("Network volume:", "models\r")
    screen.answer("after how many hours", "\r")
    found = screen.found()
    assert found == {
        "cloud": "SECURE",
        "regions": [EUROPE],
        "gpu": "NVIDIA A40",
        "gpu_count": 2,
        "preset": "jupyter",
        "image": None,
        "volume": "vol1",
        "hours": 2.0,
    }


def test_the_settings_spare_questions_and_the_list_leads_elsewhere() -> None:
    """On a terminal that cannot draw: numbers in place of arrows."""
    screen = Screen({"cloud": "SECURE", "region": "North America"}, "dumb")
    screen.answer("Number: [1]", "9\r")  # no such row
    eventually(lambda: screen.text.count("Number: [1]") == 2, tell=lambda: screen.text)
    last = max(int(found) for found in re.findall(r"^ +(\d+)\. +another cloud or region", screen.text, re.M))
    screen.answer("Number: [1]", f"{last}\r", times=2)
    screen.answer("Cloud:", "2\r")
    screen.answer("community cloud, anywhere", "1\r")
    screen.answer("How many GPUs", "\r")
    screen.answer("What runs in it:", "3\r")
    screen.answer("Image:", "x/y\r")
    screen.answer("after how many hours", "\r")
    found = screen.found()
    assert (found["cloud"], found["gpu"], found["regions"]) == ("COMMUNITY", "NVIDIA L4", [])
    assert (found["preset"], found["image"], found["hours"]) == (None, "x/y", 4.0)
    assert "\x1b" not in screen.text


def test_flags_spare_all_questions_but_the_gpu() -> None:
    said = {"cloud": "secure", "volume": "models", "gpu_count": 8, "preset": "comfyui", "hours": 1.5}
    screen = Screen({"gpus": ["H100"]}, "xterm", json.dumps(said))
    screen.answer("GPU:", "H100\r")
    found = screen.found()
    assert (found["gpu"], found["gpu_count"], found["regions"], found["hours"]) == ("NVIDIA H100", 8, [EUROPE], 1.5)
    assert "another cloud" not in screen.text, "the volume is in one place"
    assert "A40" not in screen.text, "no host has eight of them"
