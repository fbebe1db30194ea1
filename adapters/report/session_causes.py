"""Why a session ended, in the words of `rpd connect`: a session has flags, and no job file with fields."""

from __future__ import annotations

import re

from rpd.states.ports.names import Reason

WHY: dict[Reason, tuple[str, str]] = {
    Reason.SPEC_INVALID: ("something that the flags name is not there on this machine", "mend it and connect again"),
    Reason.NO_CAPACITY: (
        "no GPU type of --gpu was available where --cloud and --datacenter allow it",
        "name more of them, or try later: rpd stock lists what there is",
    ),
    Reason.PRICE_OVER_CAP: ("every candidate costs more than --max-price", "raise it, or name other GPU types: --gpu"),
    Reason.HOSTS_NEVER_BOOTED: (
        "no host came up within --ready-minutes",
        "see whether the image exists and starts sshd; large images need a longer time",
    ),
    Reason.IMAGE_FAILED: ("the container can start on no host, or has no sshd", "see --image and --preset"),
    Reason.VOLUME_REFUSED: (
        "the pod's volume takes no files of rpd's, on whatever host",
        "check whether it is full or read-only, or take another: --volume",
    ),
    Reason.NAME_UNKNOWN: (
        "a name in --gpu, --datacenter or --volume matches nothing, or several things",
        "rpd events tells which; rpd gpus and rpd stock list what there is",
    ),
    Reason.CREATE_REJECTED: (
        "the cloud calls the order itself wrong",
        "rpd connect without --gpu offers what there is",
    ),
    Reason.BUDGET: ("the time of the session was used up", "--hours gives the next one more"),
    Reason.HOST_TOO_DEAR: ("the cloud billed the pod above the price cap", "raise --max-price"),
}
"""What differs from the words for a job."""

_FIELDS = {
    r"credentials for the registry in pod\.registry_id": "a template with credentials for the registry: --template",
    r"those in pod\.registry_id": "those of the template",
    r'(name what it needs in )?pod\.min_cuda_version(: "[0-9.]+")?': "take an image for older drivers: --image",
    r"; rpd validate --online looks it up": "",
    r"pod\.container_disk_gb above [0-9]+": "--disk-gb",
    r"pod\.args": "--start-command",
    r"pod\.image": "--image",
}


def in_flags(advice: str) -> str:
    """Advice of rpd's own, with a flag in place of each field of a job file."""
    for field, flag in _FIELDS.items():
        advice = re.sub(field, flag, advice)
    return advice
