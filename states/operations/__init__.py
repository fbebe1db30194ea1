"""All operations of the lifecycle, by the names in the journals."""

from __future__ import annotations

from typing import Any

from rpd.states.operations import account, attend, container, job, pod, results, search
from rpd.states.operations.kinds import Effect, Reading

EFFECTS: dict[str, type[Effect[Any]]] = {
    effect.name: effect
    for effect in (
        search.HandOver,
        pod.CreatePod,
        pod.StartPod,
        container.ArmSwitch,
        container.RunStep,
        container.PlaceSecrets,
        container.RemoveSecrets,
        container.TakeLease,
        container.DropLease,
        container.PushTree,
        job.LaunchJob,
        job.StopJob,
        results.FetchLog,
        results.PullCheckpoint,
        results.PullArtifact,
        pod.StopPod,
        pod.DeletePod,
        results.WriteManifest,
        results.Notify,
    )
}
READINGS: dict[str, type[Reading[Any]]] = {
    reading.name: reading
    for reading in (
        search.CheckInputs,
        search.FindPaused,
        search.ReadOffers,
        search.ReadDatacenters,
        search.FindVolume,
        pod.ReadPod,
        pod.ReadSystemLog,
        container.Greet,
        attend.Attend,
        account.ReadHolders,
        job.ReadClaim,
        job.WatchJob,
        job.ReadSamples,
        results.ReadLog,
        account.Survey,
    )
}
