"""Operations before a pod is rented: check the inputs on this machine, read the market, find paused pods of earlier
runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from rpd.engine.errors import NotSent, Refused
from rpd.engine.operation import Call, Ended, Result
from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Candidate, Origin, PodFacts
from rpd.states.facts.search import Hardware
from rpd.states.operations.kinds import Effect, Reading
from rpd.states.policy.bounds import LIST_BYTES, first_that_fit, size_of
from rpd.states.policy.naming import Named, name_datacenters, name_hardware
from rpd.states.policy.places import OTHERS_MAX
from rpd.states.ports.job import GpuChoice, Job
from rpd.states.ports.names import Op
from rpd.states.ports.world import LEVELS, DataCenter, Offer, Paused, World


class Problems(msgspec.Struct, frozen=True):
    """Why a job cannot run."""

    problems: tuple[str, ...]


class Offered(msgspec.Struct, frozen=True):
    """Prices of what the job names, the meaning of its names, and the names without a meaning."""

    offers: tuple[Offer, ...]
    hardware: tuple[Hardware, ...] | None = None
    meant: dict[str, tuple[str, ...]] = {}
    problems: tuple[str, ...] = ()


class Datacenters(msgspec.Struct, frozen=True):
    """The data centers that the job's names mean. For each GPU type, the data centers that may have stock, the best
    first.
    """

    datacenters: tuple[str, ...] = msgspec.field(name="places")
    stocked: dict[str, tuple[str, ...]] = {}
    meant: dict[str, tuple[str, ...]] = {}
    problems: tuple[str, ...] = ()


class Volume(msgspec.Struct, frozen=True):
    """The id of a network volume; None if no volume has that name."""

    volume_id: str | None


class PausedPods(msgspec.Struct, frozen=True):
    """Paused pods of a lineage after the first `after` of them, and how many more there are."""

    paused: tuple[Paused, ...]
    after: int = 0
    left_out: int = 0


class HandOverDone(msgspec.Struct, frozen=True):
    """A paused pod that belongs to this run from now on."""

    paused: Paused
    is_unwanted: bool


class CheckInputs(Reading[Problems], frozen=True):
    """Check the inputs on this machine once more."""

    name = Op.CHECK_INPUTS
    words = "checking the inputs"
    noun = "inputs"
    answers = Problems

    job: Job
    run_dir: str

    def perform(self, world: World) -> Result:
        """Ask the workspace for problems."""
        problems = world.workspace.check_inputs(self.job, self.run_dir)
        recorded = first_that_fit(problems)
        more = len(problems) - len(recorded)
        return Result(answer=Problems((*recorded, *((f"and {more} more problems",) if more else ()))))

    @classmethod
    def saw(cls, facts: Facts, answer: Problems, at: Stamp) -> None:
        """What is wrong with the inputs."""
        facts.process.problems = answer.problems


class ReadOffers(Reading[Offered], frozen=True):
    """Read the catalog. `gpu_count` counts the GPUs of one pod; None: CPU flavors. `wanted` are the job's names for
    hardware.
    """

    name = Op.READ_OFFERS
    words = "reading prices and stock"
    noun = "catalog"
    answers = Offered

    gpu_count: int | None
    wanted: tuple[str | GpuChoice, ...]
    clouds: tuple[str, ...]

    def perform(self, world: World) -> Result:
        """Prices of the hardware that the names mean, and what the names mean."""
        offers = world.cloud.cpu_offers() if self.gpu_count is None else world.cloud.offers(self.gpu_count)
        named = name_hardware(self.wanted, offers, self.clouds, "CPU flavor" if self.gpu_count is None else "GPU type")
        relevant = _relevant(offers, {each.id for each in named.hardware})
        meant, problems = _that_fit(named)
        return Result(answer=Offered(first_that_fit(relevant), named.hardware, meant, problems))

    @classmethod
    def saw(cls, facts: Facts, answer: Offered, at: Stamp) -> None:
        """The current prices. Later looks are only for prices: the names keep their meaning."""
        facts.search.offers = answer.offers
        if facts.names.hardware is None and answer.hardware is not None:
            facts.names.hardware = answer.hardware
            facts.names.learn(answer.meant, answer.problems)


class ReadDatacenters(Reading[Datacenters], frozen=True):
    """Read the data centers. `wanted` are the job's names for them. If the job has none, the stock of `gpu_ids` says
    where to look.
    """

    name = Op.READ_DATACENTERS
    words = "reading the data centers"
    noun = "data centers"
    answers = Datacenters

    wanted: tuple[str, ...]
    gpu_ids: tuple[str, ...]

    def perform(self, world: World) -> Result:
        """What the names mean, or where there is stock."""
        centers = world.cloud.datacenters()
        named = name_datacenters(list(self.wanted), centers)
        stocked = {} if self.wanted else _stocked(centers, self.gpu_ids)
        meant, problems = _that_fit(named)
        return Result(answer=Datacenters(first_that_fit(named.datacenters), stocked, meant, problems))

    @classmethod
    def saw(cls, facts: Facts, answer: Datacenters, at: Stamp) -> None:
        """Where there is stock, and, once, what the names mean."""
        facts.search.stocked = answer.stocked
        if facts.names.datacenters is None and facts.job.pod.datacenters:
            facts.names.datacenters = answer.datacenters
            facts.names.learn(answer.meant, answer.problems)


class FindVolume(Reading[Volume], frozen=True):
    """Look up a network volume by its name."""

    name = Op.FIND_VOLUME
    words = "looking up the network volume"
    noun = "network volume"
    answers = Volume

    volume_name: str

    def perform(self, world: World) -> Result:
        """Its id."""
        return Result(answer=Volume(world.cloud.network_volume_id(self.volume_name)))

    @classmethod
    def saw(cls, facts: Facts, answer: Volume, at: Stamp) -> None:
        """Its id, or that it does not exist."""
        facts.names.volume_id, facts.names.volume_was_looked_up = answer.volume_id, True


class FindPaused(Reading[PausedPods], frozen=True):
    """Read in other journals which pods the runs of this lineage left paused, without the known ones."""

    name = Op.FIND_PAUSED
    words = "looking for a paused pod"
    noun = "paused pods"
    answers = PausedPods

    lineage: str
    known: tuple[str, ...] = ()

    def perform(self, world: World) -> Result:
        """As many pods as one record can hold. A pod whose start command is too long for any record is left alone."""
        paused = world.lineage.paused(self.lineage)
        others = [each for each in paused if each.pod_name not in self.known and size_of(each) <= LIST_BYTES]
        recorded = first_that_fit(others)
        return Result(answer=PausedPods(recorded, len(self.known), len(others) - len(recorded)))

    @classmethod
    def saw(cls, facts: Facts, answer: PausedPods, at: Stamp) -> None:
        """The next of them."""
        facts.lineage.paused = (*(facts.lineage.paused or ())[: answer.after], *answer.paused)
        facts.lineage.left_out = answer.left_out


class HandOver(Effect[HandOverDone], frozen=True):
    """Have another run's paused pod handed over to this run. An unwanted pod is handed over only to be deleted. `drift`
    are its differences.
    """

    name = Op.HAND_OVER
    words = "taking up a paused pod"
    noun = "paused pod"
    answers = HandOverDone

    paused: Paused
    is_unwanted: bool
    drift: tuple[str, ...]

    def perform(self, call: Call, world: World) -> Result:
        """Write the hand-over into the other journal."""
        try:
            world.lineage.hand_over(self.paused)
        except (Refused, NotSent) as error:
            return self._not_handed_over(error.reason, error.message)
        return self._handed_over()

    def probe(self, call: Call, world: World) -> Result | None:
        """The old journal says which run the pod belongs to."""
        if world.lineage.has_pod(self.paused):
            return self._handed_over()
        return self._not_handed_over("not_taken", f"it is still run {self.paused.run_id}'s")

    def end(self, facts: Facts, ended: Ended[HandOverDone]) -> None:
        """The pod belongs to this run, stopped as it was left."""
        paused, outcome, at = self.paused, ended.outcome, ended.at
        if ended.answer is not None:
            candidate = Candidate(paused.gpu_id, paused.datacenter_id, paused.cloud)
            origin = Origin(len(facts.pods) + 1, candidate, at, at, paused=paused)
            origin.is_unwanted = self.is_unwanted
            pod = facts.pods[paused.pod_name] = PodFacts(paused.pod_name, origin, paused.usd_per_hour)
            pod.id, pod.was_found, pod.released_as = paused.pod_id, True, "stop"
            if not self.is_unwanted:
                facts.current = pod.name
        elif outcome.status == "failed":
            facts.lineage.not_handed_over[paused.pod_name] = outcome.error or outcome.reason or "not handed over"

    def _handed_over(self) -> Result:
        return Result(answer=HandOverDone(self.paused, self.is_unwanted))

    def _not_handed_over(self, reason: str, text: str) -> Result:
        debt = DebtChange(self.paused.pod_name, "storage", "close", proof=f"not handed over: {text}")
        return Result("failed", reason=reason, error=text, debts=(debt,))


def _that_fit(named: Named) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """What the names mean, and the problems with them, as far as a record has room."""
    meant = dict(first_that_fit(list(named.meant.items()), LIST_BYTES // 4))
    return meant, first_that_fit(named.problems, LIST_BYTES // 4)


def _stocked(centers: Sequence[DataCenter], gpu_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The data centers that may have stock of each type, the best first."""

    def level(center: DataCenter, gpu: str) -> int:
        return LEVELS.index(center.stock[gpu]) if center.stock.get(gpu) in LEVELS else 0

    there = {
        gpu: sorted((each for each in centers if level(each, gpu)), key=lambda each: -level(each, gpu))
        for gpu in gpu_ids
    }
    found = [(gpu, tuple(each.id for each in centers[:OTHERS_MAX])) for gpu, centers in there.items() if centers]
    return dict(first_that_fit(found, LIST_BYTES // 2))


def _relevant(offers: Iterable[Offer], gpu_ids: set[str]) -> tuple[Offer, ...]:
    """The offers that the job needs, each once (with a price, if there is one). Other offers would only fill the
    journal.
    """
    named: dict[tuple[str, str], Offer] = {}
    for offer in offers:
        known = named.get((offer.gpu_id, offer.cloud))
        if offer.gpu_id in gpu_ids and offer.is_sold and (known is None or not known.usd_per_hour):
            named[offer.gpu_id, offer.cloud] = msgspec.structs.replace(offer, datacenter_ids=(), name="")
    return tuple(named.values())
