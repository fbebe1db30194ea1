"""Operations on the whole account: the survey that proves a release, and the check whether the holder of a lease is
alive.
"""

from __future__ import annotations

import msgspec

from rpd.engine.operation import Result
from rpd.journal.records import DebtChange, Observation, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.release import Proof, SurveyedPod
from rpd.states.operations.kinds import Reading
from rpd.states.policy.bounds import first_that_fit
from rpd.states.policy.outage import is_unreached
from rpd.states.policy.proof import count_survey
from rpd.states.policy.twin import is_of_run, is_others, may_name_run, note_twins, twins_among
from rpd.states.ports.faults import KEY_FAULTS
from rpd.states.ports.names import Op
from rpd.states.ports.world import Holder, Pod, World, name_mark


class Surveyed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pods of a run in the account, and how many more pods did not fit into the record."""

    found: tuple[SurveyedPod, ...]
    left_out: int = 0


class Alive(msgspec.Struct, frozen=True):
    """Runs that have a pod, and those of these runs whose pods are all stopped."""

    computing: tuple[str, ...]
    stopped: tuple[str, ...] = ()


class Survey(Reading[Surveyed], frozen=True):
    """Look over the account for pods of this run: one list call, and one read for each known pod that the list does not
    show.

    `known` maps the name of each pod in the journal to its id. `makers` maps each pod to the owner that ordered it.
    `owed` are the names of the pods that are owed. `ends` are the twins whose end another look would prove, with the
    proof. `born` maps the id of each handed-over pod to the run that its env names.
    """

    name = Op.SURVEY
    words = "looking over the account"
    noun = "account"
    answers = Surveyed

    prefix: str
    run_id: str
    known: dict[str, str | None]
    makers: dict[str, str]
    owed: tuple[str, ...]
    ends: dict[str, tuple[str, str]]
    born: dict[str, str]

    def perform(self, world: World) -> Result:
        """All pods of this run. A debt is opened for each pod that is owed from now on."""
        pods = {pod.id: pod for pod in world.cloud.list() if self._is_of_run(pod)}
        for pod_id in self.known.values():
            pod = world.cloud.get(pod_id) if pod_id is not None and pod_id not in pods else None
            # A renamed pod still belongs to this run. Another pod under a reused id does not.
            if pod is not None and may_name_run(pod, self.born.get(pod.id, self.run_id)):
                pods[pod.id] = pod
        found = sorted(pods.values(), key=lambda each: (each.status == "TERMINATED", each.name, each.id))
        ours = [pod for pod in found if not is_others(pod.name, pod.env, self.makers)]
        recorded = first_that_fit([SurveyedPod(pod.id, pod.name, pod.status, pod not in ours) for pod in found])
        left_out = sum(pod.status != "TERMINATED" for pod in found[len(recorded) :])
        return Result(answer=Surveyed(recorded, left_out), debts=(*self._reopened(ours), *self._ended(found)))

    def _is_of_run(self, pod: Pod) -> bool:
        is_handed_over = pod.id in self.born and may_name_run(pod, self.born[pod.id])
        return is_handed_over or is_of_run(pod, self.prefix, self.run_id)

    def _reopened(self, found: list[Pod]) -> tuple[DebtChange, ...]:
        """A pod that appears after its create was given up, or as a twin, is owed from the moment of this look."""
        keys = {pod_id: key for key, pod_id in self.known.items()}
        keys |= {pod.id: key for key, pod in twins_among(found, self.known).items()}
        asked = {*self.known, *keys.values()} - set(self.owed)
        alive = {keys.get(pod.id, pod.name): pod for pod in found if pod.status not in ("EXITED", "TERMINATED")}
        return tuple(
            DebtChange(key, "compute", "open", usd_per_hour=pod.usd_per_hour)
            for key, pod in alive.items()
            if key in asked
        )

    def _ended(self, found: list[Pod]) -> tuple[DebtChange, ...]:
        """Twins that this survey did not see either."""
        there = {pod.id for pod in found if pod.status != "TERMINATED"}
        return tuple(
            DebtChange(key, "compute", "close", proof=proof)
            for key, (pod_id, proof) in self.ends.items()
            if pod_id not in there
        )

    @classmethod
    def saw(cls, facts: Facts, answer: Surveyed, at: Stamp) -> None:
        """What is left of this run, and whether it is proved that nothing is left."""
        facts.process.surveyed = at
        note_twins(facts, answer.found, at, is_whole=not answer.left_out)
        count_survey(facts, answer.found, at, is_whole=not answer.left_out)

    @classmethod
    def missed(cls, facts: Facts, observation: Observation, at: Stamp) -> None:
        """A failed survey interrupts the proof, unless it never reached the cloud. A key that only a person can repair
        starts a deadline.
        """
        if is_unreached(cls.name, observation.reason):
            return
        facts.release.proof = Proof(found=facts.release.proof.found)
        if observation.reason in KEY_FAULTS:
            facts.release.key_refused_since = facts.release.key_refused_since or at


class ReadHolders(Reading[Alive], frozen=True):
    """Look whether the runs that hold destinations on a network volume have a pod."""

    name = Op.READ_HOLDERS
    words = "looking whether another run is alive"
    noun = "account"
    answers = Alive

    holders: tuple[Holder, ...]

    def perform(self, world: World) -> Result:
        """By id, name and env of all pods in the account."""
        pods = world.cloud.list()
        there: dict[str, set[str]] = {}
        for each in self.holders:
            found = {pod.status for pod in pods if _is_of(pod, each)} - {"TERMINATED"}
            there.setdefault(each.run_id, set()).update(found)
        computing = tuple(run_id for run_id, statuses in there.items() if statuses)
        return Result(answer=Alive(computing, tuple(each for each in computing if there[each] == {"EXITED"})))

    @classmethod
    def saw(cls, facts: Facts, answer: Alive, at: Stamp) -> None:
        """Count one more look at holders without a pod, or note that a holder has one."""
        lease = facts.lease
        lease.is_computing, lease.stopped = bool(answer.computing), answer.stopped
        lease.gone_since = None if lease.is_computing else lease.gone_since or at
        lease.looks = 0 if lease.is_computing else lease.looks + 1


def _is_of(pod: Pod, holder: Holder) -> bool:
    """A pod of the holder's run, by id, name or env."""
    is_theirs = pod.id == holder.pod_id or pod.env.get("RPD_RUN_ID") == holder.run_id
    return is_theirs or (bool(holder.mark) and name_mark(pod.name) == holder.mark)
