"""The questions of `rpd config init` beside the API key: each is skipped if a flag, or what was taken over, answers
it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rpd.adapters.access.clouds import Access
from rpd.adapters.access.config import cloud_profile
from rpd.adapters.access.keys import named_key, own_key
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import own_key_path, state_home
from rpd.adapters.local.patience import Patience
from rpd.adapters.local.person import expanded
from rpd.adapters.runpod.market import GpuType
from rpd.adapters.set_up.account import AccountView
from rpd.adapters.set_up.answers import checked
from rpd.adapters.set_up.region import REGIONS, region_of
from rpd.adapters.set_up.ssh_choices import OWN, SshChoice, ssh_choices, stand_in
from rpd.adapters.settings.file import require_settings_file, settings_folder
from rpd.adapters.settings.keys import CLOUDS, LOG_LEVELS
from rpd.adapters.settings.settings import Settings
from rpd.adapters.terminal import output
from rpd.adapters.terminal.prompting import Choice, picked, picked_some, typed
from rpd.engine.errors import RpdError, UserError
from rpd.journal.redact import Secret
from rpd.states.ports.world import Offer

ANYWHERE = "anywhere"
OTHER_PATH = "path"
PRESETS = ("comfyui", "jupyter", "vscode", "shell")
CATALOG_SECONDS = 15.0
_CLOUD_WORDS = {
    "SECURE": "secure      data centers of RunPod's partners; more reliable",
    "COMMUNITY": "community   machines of private hosts; cheaper, no network volumes",
}


class Questions:
    """`before` are the settings in force, which are the defaults. If nothing may be asked, only what was said is
    checked."""

    def __init__(
        self,
        environ: Mapping[str, str],
        before: Settings,
        key: Secret,
        view: AccountView | None,
        *,
        asks: bool,
    ) -> None:
        self._environ = environ
        self._before = before
        self._key = key
        self._view = view
        self._asks = asks

    def answer(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that are new, by name. None removes one from the file."""
        ask = {
            "ssh_key_path": self._ssh_key,
            "region": self._region,
            "cloud": self._cloud,
            "preset": self._preset,
            "image": self._image,
            "gpus": self._gpus,
            "hours": self._hours,
            "log_level": self._log_level,
        }
        found: dict[str, Any] = {}
        if "ssh_key_path" in said:
            try:
                found["ssh_key_path"] = self._checked_ssh_key(said["ssh_key_path"])
            except UserError as error:
                if not self._asks:
                    raise
                self._tell(error)
        if self._asks:
            for name, question in ask.items():
                if name not in found and (name == "ssh_key_path" or name not in said):
                    found[name] = question({**said, **found})
        return found

    def _tell(self, error: UserError) -> None:
        output.note([f"  {error.message}", *([f"  {error.hint}"] if error.hint else [])])

    def _checked_ssh_key(self, word: str) -> str | None:
        """What a flag or another tool names as the SSH key, if it is usable."""
        if word == OWN:
            self._tell_ssh_key(own_key(state_home()).public_line)
            return None
        path = Path(expanded(word)).absolute()
        self._tell_ssh_key(named_key(path).public_line)
        return str(path)

    def _ssh_key(self, said: Mapping[str, Any]) -> str | None:
        """The path for the settings. None for rpd's own pair."""
        found = ssh_choices(self._environ)
        own = own_key_path(state_home())
        rows = [Choice(each.value, each.title) for each in found]
        rows.append(Choice(OWN, f"a pair of rpd's own   (ed25519, in {own})"))
        rows.append(Choice(OTHER_PATH, "another file"))
        usable = next((each.value for each in found if not each.problem), OWN)
        while True:
            word = picked("SSH key that opens the pods:", rows, self._before.ssh_key_path or usable)
            try:
                return self._taken(word, next((each for each in found if each.value == word), None))
            except UserError as error:
                self._tell(error)

    def _taken(self, word: str, choice: SshChoice | None) -> str | None:
        if word == OWN:
            output.note(
                [
                    "  A pair is two files. rpd puts the public half into each pod that it rents; the private half",
                    "  stays in this account, readable by you alone, and opens those pods and nothing else.",
                ]
            )
            return self._checked_ssh_key(OWN)
        if word == OTHER_PATH or choice is None:
            return self._checked_ssh_key(typed("Path of the private key:"))
        if choice.problem:
            raise UserError(choice.problem, hint=choice.mend)
        path = stand_in(choice, settings_folder(require_settings_file(self._environ)))
        return self._checked_ssh_key(str(path))

    def _tell_ssh_key(self, public_line: str) -> None:
        """Whether the account knows the key. rpd's own pods need no registration, pods made in the console do."""
        knows = self._view.knows(public_line) if self._view is not None else None
        if knows:
            output.note(["  the key is usable, and registered with the account"])
        elif knows is None:
            output.note(["  the key is usable; whether the account knows it could not be read"])
        else:
            output.note(
                [
                    "  the key is usable. It is not registered with the account; pods of rpd do not need that.",
                    "  For pods that you make in RunPod's console, add this line to the SSH keys in its settings:",
                ]
            )
            output.prompt(f"{public_line}\n")  # in one line, to be copied

    def _region(self, said: Mapping[str, Any]) -> str | None:
        rows = [Choice(each, each) for each in REGIONS]
        default = self._before.region or region_of(self._environ) or ANYWHERE
        if default not in (*REGIONS, ANYWHERE):
            rows.insert(0, Choice(default, default))
        word = picked("Region of the pods:", [*rows, Choice(ANYWHERE, ANYWHERE)], default)
        return None if word == ANYWHERE else word

    def _cloud(self, said: Mapping[str, Any]) -> str:
        return picked("Cloud:", [Choice(each, _CLOUD_WORDS[each]) for each in CLOUDS], self._before.cloud)

    def _preset(self, said: Mapping[str, Any]) -> str:
        known = dict.fromkeys((*PRESETS, self._before.preset))
        return picked("What rpd connect starts:", [Choice(each, each) for each in known], self._before.preset)

    def _image(self, said: Mapping[str, Any]) -> str | None:
        return typed("Image for it (Enter: that of the preset):", self._before.image or "") or None

    def _gpus(self, said: Mapping[str, Any]) -> list[str] | None:
        """The favourites, out of what the cloud sells at present. Not asked if the catalog cannot be read."""
        cloud = said.get("cloud", self._before.cloud)
        offers = [(gpu, offer) for gpu in self._catalog() for offer in gpu.offers if offer.cloud == cloud]
        if not offers:
            output.note(["  the catalog of GPUs could not be read; later: rpd config set gpus 'NVIDIA A40,...'"])
            return list(self._before.gpus) or None
        offers.sort(key=lambda pair: (pair[1].usd_per_hour is None, pair[1].usd_per_hour, pair[0].id))
        rows = [Choice(gpu.id, _gpu_title(gpu, offer)) for gpu, offer in offers]
        return picked_some("Favourite GPUs, shown first:", rows, self._before.gpus) or None

    def _catalog(self) -> tuple[GpuType, ...]:
        from rpd.adapters.wiring import cloud_for

        access = Access(cloud_profile(self._environ), self._key, "the wizard")
        cloud = cloud_for(access, ProcessControl(patience=Patience(CATALOG_SECONDS)))
        try:
            with contextlib.suppress(RpdError):
                return cloud.gpu_types()
            return ()
        finally:
            cloud.close()

    def _hours(self, said: Mapping[str, Any]) -> float:
        while True:
            text = typed("Stop the pod of rpd connect after how many hours?", f"{self._before.hours:g}")
            try:
                return float(checked("hours", text))
            except UserError as error:
                output.note([f"  {error.message}"])

    def _log_level(self, said: Mapping[str, Any]) -> str:
        return picked("Log level:", [Choice(each, each) for each in LOG_LEVELS], self._before.log_level)


def _gpu_title(gpu: GpuType, offer: Offer) -> str:
    price = "?" if offer.usd_per_hour is None else f"${offer.usd_per_hour:.2f}/h"
    return f"{gpu.id:<34} {gpu.memory_gb or '?':>4} GB  {price:>8}"
