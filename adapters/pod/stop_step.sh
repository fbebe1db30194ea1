# Calls a step off: its command is ended and its result not kept.

rpd_main() {
    [ -d "$rpd_step" ] && [ ! -f "$rpd_step/rc" ] || exit 0
    : >"$rpd_step/cancelled"
    rpd_leader=$(rpd_get "$rpd_step/job")
    rpd_leader=${rpd_leader%% *}
    if [ -n "$rpd_leader" ] && rpd_lives "$rpd_step/pid"; then rpd_end_members "$rpd_leader" 3; fi
}

rpd_main
