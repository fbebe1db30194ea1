#!/bin/bash
# The start command of the official images: sshd only when a key was given, then wait for ever.
setup_ssh() {
    if [[ -n "${PUBLIC_KEY:-}" ]]; then
        mkdir -p /root/.ssh
        echo "$PUBLIC_KEY" >> /root/.ssh/authorized_keys
        chmod 700 /root/.ssh
        chmod 600 /root/.ssh/authorized_keys
        service ssh start
    fi
}

export_env_vars() {
    printenv | grep -E '^[A-Z_][A-Z0-9_]*=' | grep -v '^PUBLIC_KEY' \
        | awk -F = '{ val = $0; sub(/^[^=]*=/, "", val); print "export " $1 "=\"" val "\"" }' > /etc/rp_environment
    grep -q 'source /etc/rp_environment' /root/.bashrc || echo 'source /etc/rp_environment' >> /root/.bashrc
}

echo "Pod Started"
[[ -f /pre_start.sh ]] && bash /pre_start.sh
setup_ssh
export_env_vars
[[ -f /post_start.sh ]] && bash /post_start.sh
echo "Start script(s) finished, Pod is ready to use."
sleep infinity
