"""The way of a person into the pod of a run: a shell, a command, files, ports. No step here begins or ends a pod."""
