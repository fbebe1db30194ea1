"""Money as arithmetic. All amounts in USD; every figure is an estimate from list prices and our own clock until billed.

Rates are RunPod's published ones (docs.runpod.io, pods/pricing and accounts-billing/billing, August 2026).
"""

from __future__ import annotations

HOURS_PER_MONTH = 730.0
"""Not published by RunPod; the usual mean month."""
RUNNING_DISK_USD_PER_GB_MONTH = 0.10
"""Container disk and volume disk of a running pod."""
STOPPED_VOLUME_USD_PER_GB_MONTH = 0.20
"""Volume disk of a stopped pod; the container disk is wiped and costs nothing."""
SECONDS_PER_HOUR = 3600.0


def usd(usd_per_hour: float, seconds: float) -> float:
    """What `seconds` at a rate cost."""
    return usd_per_hour * seconds / SECONDS_PER_HOUR


def stopped_usd_per_month(volume_gb: int) -> float:
    """What a stopped pod's volume costs a month."""
    return volume_gb * STOPPED_VOLUME_USD_PER_GB_MONTH


def stopped_usd_per_hour(volume_gb: int) -> float:
    """What a stopped pod's volume costs an hour."""
    return stopped_usd_per_month(volume_gb) / HOURS_PER_MONTH


def running_disk_usd_per_hour(disk_gb: int, volume_gb: int) -> float:
    """What the disks of a running pod cost an hour, on top of the GPUs."""
    return (disk_gb + volume_gb) * RUNNING_DISK_USD_PER_GB_MONTH / HOURS_PER_MONTH
