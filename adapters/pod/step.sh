# Runs one command at most once at a time, to an end within its time, and keeps how it ended. rpd_step is its folder.
# Called again it waits for the run that is under way, or tells the result of the one that is done.

rpd_print_step() {
    printf 'done=1\nexit_code=%s\nseconds=%s\n\n' "$(rpd_get "$rpd_step/rc")" "$(rpd_get "$rpd_step/seconds")"
    tail -c 65536 "$rpd_step/out" 2>/dev/null
}

rpd_is_at_work() {
    rpd_lock=$(rpd_lock_path "step-$rpd_key" "$rpd_step")
    rpd_held "$rpd_lock"
    case $? in 0) return 0 ;; 1) return 1 ;; *) rpd_lives "$rpd_step/pid" ;; esac
}

rpd_start_step() {
    mkdir -p "$rpd_step" &&
        rpd_command_text >"$rpd_step/command.$$" && rpd_chmod 700 "$rpd_step/command.$$" &&
        rpd_replace "$rpd_step/command.$$" "$rpd_step/command" &&
        rpd_supervisor_text >"$rpd_step/supervisor.$$" && rpd_replace "$rpd_step/supervisor.$$" "$rpd_step/supervisor"
}

rpd_is_of_round() {
    rpd_get "$rpd_step/round" >/dev/null
    [ "${rpd_value:-0}" = "$rpd_round" ]
}

# What an earlier round left under way is waited for, and its result is forgotten: whoever dies in between has no result.
rpd_begin_round() {
    rpd_until=$(($(rpd_uptime) + rpd_patience))
    while rpd_is_at_work; do
        if [ "$(rpd_uptime)" -gt "$rpd_until" ]; then
            printf 'busy=1\nearlier=1\n'
            exit 0
        fi
        rpd_nap 0.03
    done
    rpd_own
    rm -f "$rpd_step/rc"
    rpd_error=$(mkdir -p "$rpd_step" 2>&1 && rpd_write "$rpd_step/round" "$rpd_round" 2>&1) ||
        rpd_fail path_refused "$rpd_error"
}

rpd_main() {
    if [ -n "$rpd_may_start" ] && ! rpd_is_of_round; then rpd_begin_round; fi
    if [ ! -f "$rpd_step/rc" ] && ! rpd_is_at_work && [ ! -f "$rpd_step/rc" ]; then
        [ -n "$rpd_may_start" ] || { echo gone=1; exit 0; }
        rpd_own
        rpd_error=$(rpd_start_step 2>&1) || rpd_fail path_refused "$rpd_error"
        rpd_spawn "$rpd_step/supervisor" "$(rpd_lock_path "step-$rpd_key" "$rpd_step")"
        rpd_tries=100
        while ! rpd_lives "$rpd_step/pid" && [ ! -f "$rpd_step/rc" ] && [ "$rpd_tries" -gt 0 ]; do
            rpd_tries=$((rpd_tries - 1))
            rpd_nap 0.02
        done
    fi
    rpd_until=$(($(rpd_uptime) + rpd_patience))
    while [ ! -f "$rpd_step/rc" ] && [ "$(rpd_uptime)" -le "$rpd_until" ]; do
        rpd_nap 0.03
        rpd_is_at_work || break
    done
    if [ ! -f "$rpd_step/rc" ] && rpd_is_at_work; then echo busy=1
    elif [ -f "$rpd_step/rc" ]; then rpd_print_step
    else echo gone=1
    fi
}

rpd_main
