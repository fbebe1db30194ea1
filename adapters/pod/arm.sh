# Gives the switch its orders, starts it if it does not run, tries its key on the pod itself and reads all back.

rpd_try_key() {
    if [ -z "$RUNPOD_API_KEY" ]; then echo 'no key'; return; fi
    if ! rpd_has curl && ! rpd_has python3 && ! rpd_has wget; then echo 'no http client'; return; fi
    rpd_answer=$(rpd_http GET "/pods/$RUNPOD_POD_ID")
    rpd_code=${rpd_answer##*"$rpd_l"}
    case $rpd_code in
        200) case $rpd_answer in *"\"$RUNPOD_POD_ID\""*) echo ok ;; *) echo 'the answer is about another pod' ;; esac ;;
        [1-5]??) echo "http $rpd_code" ;;
        *) echo 'no answer' ;;
    esac
}

# The loop lives as long as the container, unless it stands in the start command: then it comes back with it.
rpd_start_loop() {
    rpd_switch_text >"$rpd_home/switch.tmp" && rpd_replace "$rpd_home/switch.tmp" "$rpd_home/switch" || return 1
    { rpd_exec_session sh "$rpd_home/switch" "$rpd_workdir" ssh; } </dev/null >/dev/null 2>&1 &
    rpd_tries=100
    while ! rpd_lives "$rpd_home/loop" && [ "$rpd_tries" -gt 0 ]; do rpd_tries=$((rpd_tries - 1)); rpd_nap 0.05; done
}

# Sets rpd_skew: how far the pod's clock is ahead of the one the limit was reckoned by, which may be wrong by an hour or a
# year. A few seconds are only the way here.
rpd_compare_clocks() {
    rpd_skew=$(($(rpd_now) - rpd_here))
    if [ "$rpd_skew" -ge -5 ] && [ "$rpd_skew" -le 5 ]; then rpd_skew=0; fi
}

rpd_arm() {
    for rpd_variable in RUNPOD_POD_ID RUNPOD_API_KEY RPD_API_URL RPD_LIMIT_AT RPD_LIMIT_ACTION RPD_SWITCH_INTERVAL RPD_SWITCH_GRACE; do
        rpd_value=$(rpd_container_value "$rpd_variable")
        [ -z "$rpd_value" ] || export "$rpd_variable=$rpd_value"
    done
    [ "$RUNPOD_POD_ID" = "$rpd_expected" ] || rpd_fail wrong_pod "expected pod $rpd_expected, found ${RUNPOD_POD_ID:-one without a name}"
    rpd_home=$(rpd_home "$rpd_workdir")
    [ -n "$rpd_home" ] || rpd_fail path_refused 'there is no folder in the pod that can be written to'
    rpd_error=$(mkdir -p "$rpd_folder/switch" 2>&1) || rpd_fail path_refused "$rpd_error"
    rpd_own
    rpd_now >"$rpd_folder/switch/owner"
    rpd_compare_clocks
    rpd_error=$(rpd_put "$rpd_home/orders" "$rpd_generation $((rpd_limit + rpd_skew)) $rpd_rest
$rpd_folder/jobs/$rpd_launch
$rpd_folder/switch/owner" 2>&1) || rpd_fail path_refused "the orders could not be written: $rpd_error"
    # Launch 0 is no job: it counts as over, so that the switch looks only at the lease of the owner.
    if [ "$rpd_launch" = 0 ]; then mkdir -p "$rpd_folder/jobs/0" && : >"$rpd_folder/jobs/0/rc"; fi
    rpd_lives "$rpd_home/loop" || rpd_start_loop
    rpd_probe=$(rpd_try_key)
    rpd_lives "$rpd_home/loop" || rpd_probe='the switch could not be started'
    rpd_write "$rpd_home/probe" "$rpd_probe"
    { read -r rpd_generation rpd_limit rpd_rest; } <"$rpd_home/orders"
    case $rpd_limit in "" | *[!0-9]*) ;; *) rpd_limit=$((rpd_limit - rpd_skew)) ;; esac
    { read -r rpd_pid rpd_then rpd_kind; } 2>/dev/null <"$rpd_home/loop"
    printf 'generation=%s\nlimit_at=%s\nprobe=%s\nkind=%s\npid=%s\n' "$rpd_generation" "$rpd_limit" "$rpd_probe" "$rpd_kind" "$rpd_pid"
}

rpd_arm
