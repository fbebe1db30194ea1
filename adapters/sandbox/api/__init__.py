"""What answers on loopback as RunPod does: routes, their bodies, and how much they take."""
