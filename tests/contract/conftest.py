"""Every test here runs in both worlds: once in the simulated one, once in the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The modules of this folder import each other as `tests.contract.*`, whichever way pytest was started.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rpd.adapters.sandbox import daemon
from tests.contract.contract_world import ContractWorld, Tenant
from tests.contract.sandboxed import Sandboxed
from tests.contract.simulated import Simulated
from tests.contract.simulator import Simulator

BOOT_SECONDS = 0.02


@pytest.fixture(scope="session")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One sandbox for all tests of this process."""
    home = tmp_path_factory.mktemp("contract") / "sandbox"
    yield home
    daemon.down(home)


@pytest.fixture(params=["simulated", "simulator", pytest.param("sandbox", marks=pytest.mark.sandbox)])
def site(request: Any, tmp_path: Path) -> Iterator[ContractWorld]:
    """A world without pods and without faults."""
    if request.param == "simulated":
        yield Simulated(tmp_path)
        return
    if request.param == "simulator":
        yield Simulator(tmp_path)
        return
    home = request.getfixturevalue("sandbox_home")
    info = daemon.up(home)  # it ends itself while other tests take their time
    daemon.reset(home)
    daemon.play(home, {"boot_seconds": BOOT_SECONDS})
    made = Sandboxed(home, info, tmp_path)
    yield made
    made.close()


@pytest.fixture
def tenant(site: ContractWorld) -> Tenant:
    """What a run does in it."""
    return Tenant(site)
