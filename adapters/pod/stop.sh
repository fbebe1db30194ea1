# Ends the job and all that it has left in the background: TERM, and KILL after the grace. The wrapper is none of them, so
# that it can write the exit code.

rpd_main() {
    rpd_own
    rpd_look
    if [ "$rpd_phase" = claimed ] && mkdir "$rpd_job/gate" 2>/dev/null; then
        # It never started; with the gate taken it never will.
        rpd_put "$rpd_job/ended" "$(rpd_now)"
        rpd_put "$rpd_job/rc" 143
    fi
    # For the wrapper: a script that has not begun does not begin, and what is left of one is not waited for.
    [ ! -d "$rpd_job/gate" ] || [ -f "$rpd_job/rc" ] || rpd_write "$rpd_job/stopped" "$rpd_grace"
    rpd_tries=300
    while [ -d "$rpd_job/gate" ] && [ ! -f "$rpd_job/job" ] && [ ! -f "$rpd_job/rc" ] && [ "$rpd_tries" -gt 0 ]; do
        rpd_tries=$((rpd_tries - 1))
        rpd_nap 0.05
    done
    rpd_look
    if [ "$rpd_phase" = running ] && [ -f "$rpd_job/job" ]; then
        rpd_end_left "$rpd_grace"
        rpd_tries=300
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
