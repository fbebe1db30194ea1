# Runs the job's script, sees to what that leaves in the background, and writes down how it ended. Arguments: the job's
# PATH, this file, the path of the lock, and, once it has become the one that gets the job's orphans, whether it does.
# It holds the lock as long as it lives; the job does not inherit it.

rpd_run_job() {
    rpd_env=$(command -v env)
    {
        exec 9>&-
        cd "$rpd_workdir" 2>/dev/null || cd / || :
        rpd_exec_script "$rpd_env" "PATH=$rpd_job_path" "RPD_RUN_ID=$rpd_run" "RPD_LAUNCH=$rpd_launch" \
            "RPD_JOB=$rpd_run:$rpd_launch:" "RPD_SCRIPT=$rpd_script"
    } </dev/null >>"$rpd_log" 2>&1 &
    rpd_child=$!
    rpd_stat "$rpd_child"
    rpd_write "$rpd_job/job" "$rpd_child $rpd_start"
    while :; do
        rpd_hit=
        wait "$rpd_child"
        rpd_exit_code
        # A signal to this shell ends the wait early; the job, even when it has just ended, is still there to be asked.
        [ -n "$rpd_hit" ] && kill -0 "$rpd_child" 2>/dev/null || break
    done
}

rpd_main() {
    [ -n "$4" ] || rpd_exec_reaper "$2" "$@"
    rpd_job_path=$1 rpd_lock=$3
    trap 'rpd_hit=1' HUP INT TERM QUIT USR1 USR2
    exec 9>>"$rpd_lock" || exit 98
    while :; do
        rpd_flock 8 x n 8>&9  # by a number of the call: mksh and ksh hand on no other
        [ $? -eq 1 ] || break
        # Somebody asks whether the lock is held, or another wrapper was quicker.
        [ -d "$rpd_job/gate" ] && exit 97
        rpd_nap 0.05
    done
    mkdir "$rpd_job/gate" 2>/dev/null || exit 97
    rpd_stat $$
    rpd_write "$rpd_job/pid" "$$ $rpd_start"
    rpd_write "$rpd_job/reaps" "$4"
    : >"$rpd_log"
    rpd_reserve
    (exec 9>&-; rpd_reserve_on "$$") </dev/null >/dev/null 2>&1 &
    rpd_begin_samples
    rpd_put "$rpd_job/started" "$(rpd_now)"
    # Who was told to stop before it began does not begin.
    if [ -f "$rpd_job/stopped" ]; then rpd_code=143; else rpd_run_job; fi
    rpd_see_to_left
    rpd_has_room || printf 1 2>/dev/null >"$rpd_lock.full"
    rpd_write "$rpd_job/ended" "$(rpd_now)"
    rpd_end_samples
    # With a full volume memory has to do; it lasts as long as the container.
    rpd_put "$rpd_job/rc" "$rpd_code" || printf '%s\n' "$rpd_code" >"$rpd_lock.rc"
}

rpd_main "$@"
