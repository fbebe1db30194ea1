"""The questions about a pod, in the order in which one answer limits the next."""

from __future__ import annotations

from rpd.adapters.choosing.market import CLOUDS, HEADING, NONE, GpuRow, Market
from rpd.adapters.choosing.order import PodChoice, Prefill
from rpd.adapters.settings.keys import key_named
from rpd.adapters.settings.settings import Loaded
from rpd.adapters.terminal import output
from rpd.adapters.terminal.prompting import Choice, can_prompt, picked, typed
from rpd.engine.errors import UserError
from rpd.states.ports.volume import Volume

FEW = 5
"""How many GPU types are shown at once."""
MORE, ELSEWHERE, ANYWHERE, NO_VOLUME = "more", "elsewhere", "anywhere", ""


def choose(loaded: Loaded, market: Market, said: Prefill, *, asks: bool | None = None) -> PodChoice:
    """A pod: what flags say, else what the person picks, else the settings. `asks` None: whether somebody is there.

    A cloud and a region in the settings are not asked again; the list of GPUs leads to them. Raises UserError: 2 for
    words that mean nothing and for a missing flag where nobody is asked, 6 if no GPU is in stock under these filters.
    """
    return _Picker(loaded, market, said, asks=can_prompt() if asks is None else asks).choose()


class _Picker:
    def __init__(self, loaded: Loaded, market: Market, said: Prefill, *, asks: bool) -> None:
        self._loaded = loaded
        self._settings = loaded.settings
        self._market = market
        self._said = said
        self._asks = asks

    def choose(self) -> PodChoice:
        said, settings = self._said, self._settings
        volume = self._market.volume(said.volume) if said.volume else None
        cloud = self._cloud(volume)
        region = self._region(cloud, volume)
        cloud, places, rows = self._gpus(cloud, region, volume)
        count = self._count(rows[0])
        preset, image = self._what()
        volume = volume or self._volume(cloud, places, rows[0])
        if volume is not None and volume.data_center:
            places = (volume.data_center,)
        price = rows[0].usd_per_hour
        return PodChoice(
            cloud,
            places,
            tuple(row.gpu.id for row in rows),
            count,
            preset,
            image,
            said.template,
            volume,
            said.hours or self._hours(settings.hours),
            price * count if price is not None else None,
        )

    def _cloud(self, volume: Volume | None) -> str:
        word = self._said.cloud
        if word is not None:
            if word.upper() not in CLOUDS:
                raise UserError(f"there is no cloud {word!r}: it is secure or community", hint="--cloud secure")
            if volume is not None and word.upper() != "SECURE":
                raise UserError("only pods of the secure cloud can mount a network volume", hint="--cloud secure")
            return word.upper()
        if volume is not None:
            return "SECURE"
        if not self._asks or self._loaded.is_said("cloud") or self._said.gpus:
            return self._settings.cloud
        return self._ask_cloud(self._settings.cloud)

    def _ask_cloud(self, default: str) -> str:
        words = {"SECURE": "secure (more reliable)", "COMMUNITY": "community (cheaper; no network volumes)"}
        return picked("Cloud:", [Choice(each, words[each]) for each in CLOUDS], default)

    def _region(self, cloud: str, volume: Volume | None) -> str | None:
        if volume is not None and volume.data_center:
            return volume.data_center
        if self._said.region is not None:
            return None if self._said.region == ANYWHERE else self._said.region
        if cloud != "SECURE":
            return None
        if not self._asks or self._loaded.is_said("region") or self._said.gpus:
            return self._settings.region
        return self._ask_region(self._settings.region)

    def _ask_region(self, default: str | None) -> str | None:
        names = sorted({each.region.replace("_", " ").title() for each in self._market.centers if each.region})
        known = dict.fromkeys((*([default] if default else []), *names, ANYWHERE))
        word = picked("Region:", [Choice(each, each) for each in known], default or ANYWHERE)
        return None if word == ANYWHERE else word

    def _gpus(self, cloud: str, region: str | None, volume: Volume | None) -> tuple[str, tuple[str, ...], list[GpuRow]]:
        """The cloud and the places in the end, and the types, the best first."""
        wanted = self._said.gpus or (() if self._asks else self._settings.gpus)
        while True:
            places = self._market.places(region)
            rows = self._market.rows(cloud, places, self._settings.gpus)
            if wanted:
                return cloud, places, self._named(wanted, rows, cloud)
            if not self._asks:
                said = "no GPU is named, and nobody can be asked"
                raise UserError(said, reason="needs_input", hint="--gpu 'NVIDIA A40'")
            if not any(row.stock != NONE for row in rows) and volume is not None:
                raise self._market.nothing(cloud, places)
            row = self._ask_gpu(rows, cloud, region)
            if row is not None:
                return cloud, places, [row]
            cloud = "SECURE" if volume is not None else self._ask_cloud(cloud)
            if volume is None:
                region = self._ask_region(region) if cloud == "SECURE" else None

    def _named(self, wanted: tuple[str, ...], rows: list[GpuRow], cloud: str) -> list[GpuRow]:
        """The rows of named types, without those that are out of stock while others are not."""
        ids = self._market.ids(wanted, cloud)
        found = [row for each in ids for row in rows if row.gpu.id == each]
        if not found:
            other = next(each for each in CLOUDS if each != cloud)
            raise UserError(
                f"{', '.join(ids)} is not sold in the {cloud.lower()} cloud",
                reason="no_gpu",
                hint=f"--cloud {other.lower()}",
            )
        return [row for row in found if row.stock != NONE] or found

    def _ask_gpu(self, rows: list[GpuRow], cloud: str, region: str | None) -> GpuRow | None:
        """The row that was picked. None: the person wants another cloud or region."""
        stocked = [row for row in rows if row.stock != NONE]
        where = f"{cloud.lower()} cloud, {region or ANYWHERE}"
        if not stocked:
            output.note([self._market.nothing(cloud, self._market.places(region)).message])
        shown, is_short = stocked[:FEW], len(rows) > len(stocked[:FEW])
        while True:
            choices = [Choice(row.gpu.id, row.title) for row in shown]
            choices += [Choice(MORE, f"  more ({len(rows) - len(shown)})")] if is_short else []
            choices.append(Choice(ELSEWHERE, "  another cloud or region"))
            output.note([f"GPUs: {where}; prices of one GPU", HEADING])
            word = picked("GPU:", choices, None)
            if word == ELSEWHERE:
                return None
            if word != MORE:
                return next(row for row in rows if row.gpu.id == word)
            shown, is_short = rows, False

    def _count(self, row: GpuRow) -> int:
        count = self._said.gpu_count
        if count is None and self._asks and row.most > 1:
            count = self._typed_count(row.most)
        count = 1 if count is None else count
        if not 1 <= count <= row.most:
            raise UserError(f"a pod has 1 to {row.most} of {row.gpu.id}, not {count}", hint="--gpu-count 1")
        return count

    def _typed_count(self, most: int) -> int:
        while True:
            word = typed(f"How many GPUs (1 to {most})?", "1")
            if word.isdecimal() and 1 <= int(word) <= most:
                return int(word)

    def _what(self) -> tuple[str, str | None]:
        """The preset and the image. A named image, template or preset is not asked about."""
        said, settings = self._said, self._settings
        preset = said.preset or settings.preset
        key = key_named("preset")
        assert key is not None
        try:
            preset = key.read(preset)
        except ValueError as error:
            raise UserError(f"--preset {preset!r} {error}", hint="--preset comfyui") from None
        if not self._asks or said.image or said.template or said.preset:
            return preset, said.image or (None if said.preset else settings.image)
        image = typed(f"Image (Enter: {settings.image or f'that of the preset {preset}'}):")
        return preset, image or settings.image

    def _volume(self, cloud: str, places: tuple[str, ...], row: GpuRow) -> Volume | None:
        """One of the network volumes that a pod with this GPU could mount there."""
        near = [each for each in self._market.volumes if not places or each.data_center in places]
        fit = [each for each in near if self._market.is_stocked_at(row.gpu, each)]
        if self._said.volume is not None or not self._asks or cloud != "SECURE" or not fit:
            return None
        rows = [Choice(NO_VOLUME, "none"), *(Choice(each.id, _told(each)) for each in fit)]
        word = picked("Network volume:", rows, NO_VOLUME)
        return next((each for each in fit if each.id == word), None)

    def _hours(self, default: float) -> float:
        if not self._asks:
            return default
        while True:
            word = typed("Stop it after how many hours?", f"{default:g}")
            try:
                key = key_named("hours")
                assert key is not None
                return float(key.read(word))
            except ValueError as error:
                output.note([f"  {word} {error}"])


def _told(volume: Volume) -> str:
    return f"{volume.name or volume.id}   {volume.size or '?'} GB in {volume.data_center or '?'}"
