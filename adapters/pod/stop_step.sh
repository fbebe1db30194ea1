# Calls a step off: its command is ended and its result not kept. It may be just about to start.

rpd_main() {
    rpd_yield
    rpd_tries=40
    while ! rpd_lives "$rpd_step/pid" && [ ! -f "$rpd_step/rc" ] && [ "$rpd_tries" -gt 0 ]; do
        rpd_tries=$((rpd_tries - 1))
        rpd_nap 0.05
    done
    if [ -f "$rpd_step/rc" ] || ! rpd_lives "$rpd_step/pid"; then exit 0; fi
    : >"$rpd_step/cancelled"
    rpd_leader=$(rpd_get "$rpd_step/job")
    rpd_end_members "${rpd_leader%% *}" 3
    # Its supervisor holds the step's lock: until that is gone, the step called again would wait for this run.
    rpd_tries=40
    while rpd_lives "$rpd_step/pid" && [ "$rpd_tries" -gt 0 ]; do
        rpd_tries=$((rpd_tries - 1))
        rpd_nap 0.05
    done
}

rpd_main
