"""Arithmetic of money. All amounts are in USD. Every figure is an estimate from list prices and our own clock until it
is billed.

Rates are RunPod's published ones (docs.runpod.io, pods/pricing and accounts-billing/billing, August 2026).
"""

from __future__ import annotations

HOURS_PER_MONTH = 730.0
"""RunPod does not publish this number; it is the usual mean month."""
RUNNING_DISK_USD_PER_GB_MONTH = 0.10
"""Container disk and volume disk of a running pod."""
STOPPED_VOLUME_USD_PER_GB_MONTH = 0.20
"""Volume disk of a stopped pod. The container disk is wiped and costs nothing."""
NETWORK_VOLUME_USD_PER_GB_MONTH = 0.07
"""Standard storage, as long as the volume exists, even if no pod mounts it."""
LARGE_NETWORK_VOLUME_USD_PER_GB_MONTH = 0.05
LARGE_NETWORK_VOLUME_GB = 1024
"""The lower rate is for volumes "over 1 TB". RunPod does not say to which of their GB it applies. This constant takes
the more expensive reading: the GB beyond the first 1024.
"""
SECONDS_PER_HOUR = 3600.0


def usd(usd_per_hour: float, seconds: float) -> float:
    """The cost of `seconds` at a rate."""
    return usd_per_hour * seconds / SECONDS_PER_HOUR


def stopped_usd_per_month(volume_gb: int) -> float:
    """The monthly cost of a stopped pod's volume."""
    return volume_gb * STOPPED_VOLUME_USD_PER_GB_MONTH


def stopped_usd_per_hour(volume_gb: int) -> float:
    """The hourly cost of a stopped pod's volume."""
    return stopped_usd_per_month(volume_gb) / HOURS_PER_MONTH


def network_volume_usd_per_month(volume_gb: int) -> float:
    """The monthly cost of a network volume of standard storage."""
    dear = min(volume_gb, LARGE_NETWORK_VOLUME_GB)
    cheap = max(0, volume_gb - LARGE_NETWORK_VOLUME_GB)
    return dear * NETWORK_VOLUME_USD_PER_GB_MONTH + cheap * LARGE_NETWORK_VOLUME_USD_PER_GB_MONTH


def running_disk_usd_per_hour(disk_gb: int, volume_gb: int) -> float:
    """The hourly cost of the disks of a running pod, in addition to the GPUs."""
    return (disk_gb + volume_gb) * RUNNING_DISK_USD_PER_GB_MONTH / HOURS_PER_MONTH
