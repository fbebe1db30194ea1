# Who is there? Nothing is written before the pod has proved to be the one that is meant.

rpd_count_gpus() {
    rpd_has nvidia-smi || return 0
    # A driver that has to wake up may take long: then the count stays unknown. One that fails has none.
    if rpd_has timeout; then
        rpd_answer=$(timeout 5 nvidia-smi -L 2>/dev/null)
        case $? in 124 | 143) return 0 ;; esac
    else
        rpd_answer=$(nvidia-smi -L 2>/dev/null)
    fi
    printf '%s\n' "$rpd_answer" | grep -c '^GPU '
}

rpd_begin_epoch() {
    rpd_yield
    rpd_error=$(mkdir -p "$rpd_folder/switch" 2>&1 && rpd_put_token 2>&1) || rpd_fail path_refused "$rpd_error"
    rpd_yield
    rpd_now >"$rpd_folder/switch/owner"
    printf 'epoch=%s\n' "$rpd_epoch"
}

# What the volume refuses: each has another way, at a price.
rpd_try_mount() {
    rpd_try=$rpd_folder/.try-$$
    # `true`, since a redirection of `:` that fails ends the shell.
    { true >"$rpd_try" && true >"$rpd_try.2"; } 2>/dev/null || return 0
    chmod 700 "$rpd_try" 2>/dev/null || echo lacks=chmod
    mv -f "$rpd_try.2" "$rpd_try" 2>/dev/null || echo lacks=rename
    if rpd_has flock || rpd_has python3 || rpd_has perl; then rpd_flock 8 x n 8<"$rpd_try" || echo lacks=flock; fi
    rm -f "$rpd_try" "$rpd_try.2"
}

rpd_main() {
    rpd_seen=$(rpd_container_value RUNPOD_POD_ID)
    [ "$rpd_seen" = "$rpd_expected" ] || rpd_fail wrong_pod "expected pod $rpd_expected, found ${rpd_seen:-one without a name}"
    printf 'pod_id=%s\ncontainer=%s\n' "$rpd_seen" "$(rpd_container)"
    rpd_begin_epoch
    rpd_try_mount
    printf 'clock=%s\nclock_s=%s\ngpus=%s\n' "$(date +%s.%N)" "$(rpd_now)" "$(rpd_count_gpus)"
    for rpd_tool in bash flock setsid python3 perl curl wget tar rsync gzip zstd sha256sum tail nvidia-smi; do
        if rpd_has "$rpd_tool"; then printf 'tool=%s\n' "$rpd_tool"; fi
    done
    rpd_latest=0
    for rpd_dir in "$rpd_folder"/jobs/*; do
        rpd_number=${rpd_dir##*/}
        case $rpd_number in *[!0-9]*) continue ;; esac
        if [ -f "$rpd_dir/anchor" ] && [ "$rpd_number" -gt "$rpd_latest" ]; then rpd_latest=$rpd_number; fi
    done
    printf 'anchor=%s\n' "$(rpd_get "$rpd_folder/jobs/$rpd_latest/anchor")"
}

rpd_main
