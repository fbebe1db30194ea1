#!/bin/bash
# An entrypoint of its own: it starts sshd itself and ignores every argument.
if [[ -n "${PUBLIC_KEY:-}" ]]; then
    mkdir -p /root/.ssh
    echo "$PUBLIC_KEY" >> /root/.ssh/authorized_keys
    service ssh start
fi
sleep infinity
