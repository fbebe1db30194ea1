# Starts the job exactly once per launch number. Whoever makes the claim folder wins; the others read it.
# The one execution is decided by the wrapper's gate, so that a claim taken over from a dead launcher stays safe.

# A claim of more than half a minute without a start, and nobody alive behind it, may be taken over by one of us.
rpd_take_over() {
    rpd_take=1
    while [ -d "$rpd_job/take-$rpd_take" ]; do rpd_take=$((rpd_take + 1)); done
    [ ! -d "$rpd_job/gate" ] && [ ! -f "$rpd_job/rc" ] || return 1
    # Both times come from the volume: its clock need not be the pod's.
    : >"$rpd_folder/jobs/.clock" || return 1
    rpd_age=$(($(rpd_mtime "$rpd_folder/jobs/.clock") - $(rpd_mtime "$rpd_job")))
    [ "$rpd_age" -gt "$rpd_stale_seconds" ] || return 1
    rpd_held "$(rpd_claim_lock)" && return 1
    mkdir "$rpd_job/take-$rpd_take" 2>/dev/null
}

rpd_mtime() { stat -c %Y "$1" 2>/dev/null || date -r "$1" +%s; }

rpd_claim() {
    [ -d "$rpd_job" ] || [ ! -e "$(rpd_lock_path "$rpd_launch" "$rpd_job")" ] || return 1
    rpd_error=$(mkdir -p "$rpd_folder/jobs" 2>&1) || rpd_fail path_refused "$rpd_error"
    rpd_error=$(mkdir "$rpd_job" 2>&1) && return 0
    [ -d "$rpd_job" ] || rpd_fail path_refused "$rpd_error"
    rpd_take_over
}

# What a claim needs before the script may start; on failure the claim is given back, since nothing ran.
rpd_prepare() {
    # Nobody looks at these before the gate is there.
    printf '%s\n' "$rpd_anchor" >"$rpd_job/anchor" &&
        rpd_container >"$rpd_job/container" &&
        rpd_lock_path "$rpd_launch" "$rpd_job" >"$rpd_job/lock" &&
        mkdir -p "$(dirname "$rpd_script")" "$(dirname "$rpd_log")" &&
        rpd_script_text >"$rpd_script.rpd-tmp" || return 1
    rpd_chmod 700 "$rpd_script.rpd-tmp"
    [ "$(rpd_size "$rpd_script.rpd-tmp")" -eq "$(rpd_script_text | wc -c)" ] ||
        { echo 'the script could not be written whole' >&2; return 1; }
    rpd_replace "$rpd_script.rpd-tmp" "$rpd_script" &&
        rpd_wrapper_text >"$rpd_job/wrapper.tmp" && rpd_replace "$rpd_job/wrapper.tmp" "$rpd_job/wrapper" &&
        : >>"$rpd_log"
}

rpd_main() {
    rpd_own
    if rpd_claim; then
        rpd_error=$(rpd_prepare 2>&1) || { rm -rf "$rpd_job"; rpd_fail path_refused "$rpd_error"; }
        rpd_spawn "$rpd_job/wrapper" "$(rpd_get "$rpd_job/lock")"
    fi
    rpd_tries=250
    while [ ! -f "$rpd_job/started" ] && [ ! -f "$rpd_job/rc" ] && [ -d "$rpd_job" ] && [ "$rpd_tries" -gt 0 ]; do
        rpd_tries=$((rpd_tries - 1))
        rpd_nap 0.02
    done
    rpd_print_claim
}

rpd_main
