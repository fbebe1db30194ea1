"""The questions about a pod, in the order in which one answer limits the next."""

from __future__ import annotations

from collections.abc import Mapping

from rpd.adapters.choosing.market import CLOUDS, HEADING, NONE, GpuRow, Market
from rpd.adapters.choosing.order import PodChoice, Prefill
from rpd.adapters.settings.keys import BY_NAME
from rpd.adapters.settings.settings import Loaded
from rpd.adapters.terminal import output
from rpd.adapters.terminal.prompting import Choice, picked, typed
from rpd.engine.errors import UserError
from rpd.states.ports.volume import Volume

FEW = 5
"""How many GPU types are shown at once."""
MORE, ELSEWHERE, ANYWHERE, NONE_OF_THEM = "more", "elsewhere", "anywhere", ""


def choose(loaded: Loaded, market: Market, said: Prefill, presets: Mapping[str, str]) -> PodChoice:
    """A pod: what flags say, what the settings say, and what the person picks of the rest. `presets` are names with
    words about them.

    A cloud and a region in the settings are not asked again; the list of GPUs leads to them. Raises UserError for words
    that mean nothing, and KeyboardInterrupt if the person leaves.
    """
    return _Picker(loaded, market, said, presets).choose()


class _Picker:
    def __init__(self, loaded: Loaded, market: Market, said: Prefill, presets: Mapping[str, str]) -> None:
        self._loaded = loaded
        self._settings = loaded.settings
        self._market = market
        self._said = said
        self._presets = presets

    def choose(self) -> PodChoice:
        said = self._said
        volume = self._market.volume(said.volume) if said.volume else None
        cloud = self._cloud(volume)
        cloud, regions, row = self._gpu(cloud, self._regions(cloud, volume), volume)
        count = self._count(row)
        preset, image = self._what()
        volume = volume or self._volume(cloud, regions, row)
        if volume is not None and volume.data_center:
            regions = (volume.data_center,)
        hours = said.hours if said.hours is not None else self._hours()
        return PodChoice(cloud, regions, row.gpu.id, count, preset, image, volume.id if volume else None, hours)

    def _cloud(self, volume: Volume | None) -> str:
        said = self._said.cloud
        if said is not None and said.upper() not in CLOUDS:
            raise UserError(f"there is no cloud {said!r}: it is secure or community", hint="--cloud secure")
        if volume is not None:
            if said is not None and said.upper() != "SECURE":
                raise UserError("only pods of the secure cloud can mount a network volume", hint="--cloud secure")
            return "SECURE"
        if said is not None:
            return said.upper()
        if self._loaded.is_said("cloud"):
            return self._settings.cloud
        return self._ask_cloud(self._settings.cloud)

    def _ask_cloud(self, default: str) -> str:
        words = {"SECURE": "secure (more reliable)", "COMMUNITY": "community (cheaper; no network volumes)"}
        return picked("Cloud:", [Choice(each, words[each]) for each in CLOUDS], default)

    def _regions(self, cloud: str, volume: Volume | None) -> tuple[str, ...]:
        """Community hosts are in no region of choice, and a network volume is in one."""
        if volume is not None and volume.data_center:
            return (volume.data_center,)
        if self._said.regions:
            return self._said.regions
        if cloud != "SECURE":
            return ()
        return (self._settings.region,) if self._settings.region is not None else self._ask_region(())

    def _ask_region(self, default: tuple[str, ...]) -> tuple[str, ...]:
        names = sorted({each.region.replace("_", " ").title() for each in self._market.centers if each.region})
        known = dict.fromkeys((*default[:1], *names, ANYWHERE))
        word = picked("Region:", [Choice(each, each) for each in known], default[0] if default else ANYWHERE)
        return () if word == ANYWHERE else (word,)

    def _gpu(self, cloud: str, regions: tuple[str, ...], volume: Volume | None) -> tuple[str, tuple[str, ...], GpuRow]:
        """The cloud and the regions in the end, and the GPU type."""
        while True:
            places = self._market.places(regions)
            least = self._said.gpu_count or 1
            rows = [row for row in self._market.rows(cloud, places, self._settings.gpus) if row.most >= least]
            if not any(row.stock != NONE for row in rows):
                nothing = self._market.nothing(cloud, places)
                if volume is not None or not rows:
                    raise nothing
                output.note([nothing.message])
            where = f"{cloud.lower()} cloud, {' or '.join(regions) or ANYWHERE}"
            row = self._ask_gpu(rows, where, is_free=volume is None)
            if row is not None:
                return cloud, regions, row
            cloud = self._ask_cloud(cloud)
            regions = self._ask_region(regions) if cloud == "SECURE" else ()

    def _ask_gpu(self, rows: list[GpuRow], where: str, *, is_free: bool) -> GpuRow | None:
        """The row that was picked. None: the person wants another cloud or region."""
        shown = [row for row in rows if row.stock != NONE][:FEW]
        while True:
            choices = [Choice(row.gpu.id, row.title) for row in shown]
            choices += [Choice(MORE, f"  more ({len(rows) - len(shown)})")] if len(shown) < len(rows) else []
            choices += [Choice(ELSEWHERE, "  another cloud or region")] if is_free else []
            output.note([f"GPUs: {where}; prices of one GPU", HEADING])
            word = picked("GPU:", choices)
            if word == ELSEWHERE:
                return None
            if word != MORE:
                return next(row for row in rows if row.gpu.id == word)
            shown = rows

    def _count(self, row: GpuRow) -> int:
        return self._said.gpu_count or (self._typed_count(row.most) if row.most > 1 else 1)

    def _typed_count(self, most: int) -> int:
        while True:
            word = typed(f"How many GPUs (1 to {most})?", "1")
            if word.isdecimal() and 1 <= int(word) <= most:
                return int(word)

    def _what(self) -> tuple[str | None, str | None]:
        """The preset and the image, one of them None."""
        said, settings = self._said, self._settings
        if said.preset or said.image or said.template:
            return said.preset, said.image
        rows = [Choice(name, f"{name:<9} {about}") for name, about in self._presets.items()]
        default = settings.preset
        if settings.image is not None:
            rows.append(Choice(NONE_OF_THEM, f"{'image':<9} {settings.image}"))
            default = NONE_OF_THEM
        rows.append(Choice(MORE, f"{'image':<9} another one"))
        word = picked("What runs in it:", rows, default)
        if word == MORE:
            return None, typed("Image:") or settings.image
        return (None, settings.image) if word == NONE_OF_THEM else (word, None)

    def _volume(self, cloud: str, regions: tuple[str, ...], row: GpuRow) -> Volume | None:
        """One of the network volumes that a pod with this GPU could mount there."""
        places = self._market.places(regions)
        near = [each for each in self._market.volumes if not places or each.data_center in places]
        fit = [each for each in near if self._market.is_stocked_at(row.gpu, each)]
        if cloud != "SECURE" or not fit:
            return None
        rows = [Choice(NONE_OF_THEM, "none"), *(Choice(each.id, _told(each)) for each in fit)]
        word = picked("Network volume:", rows, NONE_OF_THEM)
        return next((each for each in fit if each.id == word), None)

    def _hours(self) -> float:
        while True:
            word = typed("Stop it after how many hours?", f"{self._settings.hours:g}")
            try:
                return float(BY_NAME["hours"].read(word))
            except ValueError as error:
                output.note([f"  {word} {error}"])


def _told(volume: Volume) -> str:
    return f"{volume.name or volume.id}   {volume.size or '?'} GB in {volume.data_center or '?'}"
