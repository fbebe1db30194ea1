"""The job file that `rpd init` writes: complete, commented, and valid without a change."""

from __future__ import annotations

STARTER = """\
# yaml-language-server: $schema=job.schema.json
# One job on a rented GPU pod. Try it without an account:  rpd run FILE --sandbox
# What each field means: your editor shows it (rpd schema job > job.schema.json).

schema_version: 2
name: NAME

variables:
  epochs: "1"                   # {epochs} below; another one: rpd run FILE --var epochs=10

pod:
  image: runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04
  gpu_order: [NVIDIA L4, RTX A5000]           # the first that is to be had; rpd gpus lists them
  # gpu_order: [{min_vram_gb: 24, max_price_usd: 0.5}]  # all that fit, cheapest first
  # datacenters: [EUR-IS-1, US-TX]            # left out: anywhere; a country or region: all of its own
  # env: {HF_TOKEN: "{{ RUNPOD_SECRET_hf }}"} # readable through the API: no secrets in clear

storage:
  mode: ephemeral               # or network_volume, with volume_name
  volume_gb: 20

budget:
  max_usd: 2.00                 # the run is ended, collected and released there
  max_runtime_minutes: 60
  max_gpu_price_usd: 1.00       # per GPU and hour; an unknown price is too dear

# setup:                        # before the files are sent
#   - command: pip install -r requirements.txt

# staging:                      # what is sent
#   - {source: ., destination: "{volume_mount}/src", excludes_default: true}

run:
  # shell: bash                 # what runs the body; left out, bash or sh with pipefail
  body: |
    set -euo pipefail
    mkdir -p {volume_mount}/out
    echo "training {epochs} epochs on $(nvidia-smi -L | head -1)"
    echo done > {volume_mount}/out/result.txt

artifacts:                      # fetched and verified before the pod is given back
  - label: result
    remote_path: "{volume_mount}/out"
    local_path: "{run_dir}/out"

lifecycle:
  on_success: delete            # or stop, or recycle: paused for the next run of this file
  on_failure: stop              # kept to be looked into; its disk costs storage until it is released
"""


def starter(name: str) -> str:
    """The file for a job of this name."""
    return STARTER.replace("name: NAME", f"name: {name}", 1)
