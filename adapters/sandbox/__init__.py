"""RunPod on loopback: the API, real SSH, pods as process groups, a billing ledger and faults on request."""
