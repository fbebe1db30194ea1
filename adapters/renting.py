"""The cloud as one run may use it: what rpd adds to every order of a pod, and which pods are the run's."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rpd.adapters.access.config import RUNPOD_URL
from rpd.adapters.pod.start_command import original_command, switch_start_command
from rpd.engine.errors import Refused, Unavailable
from rpd.states.policy.twin import may_name_run
from rpd.states.ports.faults import Fault
from rpd.states.ports.world import Cloud, DataCenter, Offer, Pod, PodLog, PodOrder


class Renting:
    """The port `Cloud` of one run. Its create adds what only adapters know. It hides every pod that its own environment
    and name do not show to be the run's, whatever id a journal holds. `handed_over` (pod id to the run in its
    environment) are pods that another run has handed over. It may grow."""

    def __init__(
        self,
        cloud: Cloud,
        *,
        public_key: str,
        api_url: str,
        run_id: str,
        token: str,
        handed_over: Mapping[str, str] | None = None,
    ) -> None:
        self._cloud = cloud
        self._handed_over = handed_over if handed_over is not None else {}
        self._run_id = run_id
        self._token = token
        self._public_key = public_key
        self._api_url = api_url

    def create(self, order: PodOrder) -> Pod:
        """Effect: rent, with `PUBLIC_KEY` (the images' own way to authorize a key) and, if the start command is known,
        the switch."""
        env = {**order.env, "PUBLIC_KEY": self._public_key}
        if self._api_url != RUNPOD_URL:
            env["RPD_API_URL"] = self._api_url
        is_known = order.args is not None or order.template_id is None  # a template may start something else
        original = original_command(order.image, order.args) if is_known else None
        args = switch_start_command(original, volume=order.volume_path) if original is not None else order.args
        return self._cloud.create(msgspec.structs.replace(order, env=env, args=args))

    def get(self, pod_id: str) -> Pod | None:
        """Read one pod of the run. None if it is missing, or belongs to another run."""
        pod = self._cloud.get(pod_id)
        return pod if pod is not None and self._is_ours(pod) else None

    def list(self) -> tuple[Pod, ...]:
        """List the pods. If a pod has the run's token in its name and the list has no environment for it, read that
        pod: the proof that a pod is ours must not depend on how much a list shows. Raises Unavailable if it cannot be
        read."""
        return tuple(self._described(pod) for pod in self._cloud.list())

    def start(self, pod_id: str) -> None:
        """Passed on for a pod of the run. Raises Refused (`not_found`) for another run's."""
        self._refuse_others(pod_id)
        self._cloud.start(pod_id)

    def stop(self, pod_id: str) -> None:
        """Passed on for a pod of the run. Raises Refused (`not_found`) for another run's."""
        self._refuse_others(pod_id)
        self._cloud.stop(pod_id)

    def delete(self, pod_id: str) -> None:
        """Passed on for a pod of the run. Raises Refused (`not_found`) for another run's."""
        self._refuse_others(pod_id)
        self._cloud.delete(pod_id)

    def offers(self, gpu_count: int) -> tuple[Offer, ...]:
        """Passed on."""
        return self._cloud.offers(gpu_count)

    def cpu_offers(self) -> tuple[Offer, ...]:
        """Passed on."""
        return self._cloud.cpu_offers()

    def datacenters(self) -> tuple[DataCenter, ...]:
        """Passed on."""
        return self._cloud.datacenters()

    def network_volume_id(self, name: str) -> str | None:
        """Passed on."""
        return self._cloud.network_volume_id(name)

    def pod_log(self, pod_id: str, lines: int) -> PodLog:
        """Passed on."""
        return self._cloud.pod_log(pod_id, lines)

    def _described(self, pod: Pod) -> Pod:
        if pod.env or (self._token not in pod.name and pod.id not in self._handed_over):
            return pod
        described = self._cloud.get(pod.id)
        if described is None:  # it may be ours or not, there or gone: this list proves nothing
            text = f"pod {pod.id} ({pod.name}) is listed, but cannot be read"
            raise Unavailable(text, reason=Fault.SERVER_ERROR, retryable=True)
        return described

    def _refuse_others(self, pod_id: str) -> None:
        try:
            pod = self._cloud.get(pod_id)
        except Unavailable:
            return  # a failed read must not keep a pod billing
        if pod is not None and not self._is_ours(pod):
            raise Refused(f"pod {pod_id} is not one of run {self._run_id}; it is left alone", reason=Fault.NOT_FOUND)

    def _is_ours(self, pod: Pod) -> bool:
        """Whether the pod is ours: by its environment, or, if that names no run, by the token in its name. A
        handed-over pod has the name of the run that had it first."""
        if pod.id in self._handed_over:
            return may_name_run(pod, self._handed_over[pod.id])
        return may_name_run(pod, self._run_id) and ("RPD_RUN_ID" in pod.env or self._token in pod.name)
