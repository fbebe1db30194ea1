# Ends the job: TERM to its session, KILL after the grace. The wrapper is none of them, so that it can write the exit code.

rpd_main() {
    rpd_own
    rpd_look
    if [ "$rpd_phase" = claimed ] && mkdir "$rpd_job/gate" 2>/dev/null; then
        # It never started; with the gate taken it never will.
        rpd_put "$rpd_job/ended" "$(rpd_now)"
        rpd_put "$rpd_job/rc" 143
    fi
    rpd_tries=40
    while [ -d "$rpd_job/gate" ] && [ ! -f "$rpd_job/job" ] && [ ! -f "$rpd_job/rc" ] && [ "$rpd_tries" -gt 0 ]; do
        rpd_tries=$((rpd_tries - 1))
        rpd_nap 0.05
    done
    rpd_look
    rpd_leader=$(rpd_get "$rpd_job/job")
    rpd_leader=${rpd_leader%% *}
    if [ "$rpd_phase" = running ] && [ -n "$rpd_leader" ]; then
        rpd_end_members "$rpd_leader" "$rpd_grace"
        rpd_tries=100
        while [ ! -f "$rpd_job/rc" ] && [ "$rpd_tries" -gt 0 ]; do
            rpd_look
            [ "$rpd_phase" = running ] || break
            rpd_tries=$((rpd_tries - 1))
            rpd_nap 0.05
        done
    fi
    rpd_print_claim
}

rpd_main
