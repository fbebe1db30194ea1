# Runs a step's command, ends it when its time is up, and writes its exit code. Arguments: the command's PATH, this file,
# the path of the lock, which it holds as long as it lives.

rpd_keep_tail() {
    tail -c 65536 "$rpd_step/out" >"$rpd_step/out.tmp" 2>/dev/null || return 0
    cat "$rpd_step/out.tmp" >"$rpd_step/out"
    rm -f "$rpd_step/out.tmp"
}

rpd_await_child() {
    rpd_timed_out=
    rpd_until=$(($(rpd_uptime) + rpd_timeout))
    while rpd_stat "$rpd_child"; do
        if [ "$(rpd_uptime)" -gt "$rpd_until" ]; then
            rpd_timed_out=1
            rpd_end_members "$rpd_child" 3
            break
        fi
        # The output is written in append mode, so that it may be cut short under the writer.
        [ "$(rpd_size "$rpd_step/out")" -le 16777216 ] || rpd_keep_tail
        rpd_nap 0.05
    done
    wait "$rpd_child"
    rpd_exit_code
    [ -z "$rpd_timed_out" ] || rpd_code=124
}

rpd_main() {
    rpd_command_path=$1
    exec 9>>"$3" || exit 98
    rpd_flock 8 x n 8>&9  # by a number of the call: mksh and ksh hand on no other
    [ $? -ne 1 ] || exit 97
    [ ! -f "$rpd_step/rc" ] || exit 97
    trap : HUP INT TERM
    rm -f "$rpd_step/cancelled"
    : >"$rpd_step/out"
    rpd_shell=$(command -v bash || command -v sh)
    rpd_env=$(command -v env)
    rpd_began=$(rpd_uptime)
    {
        exec 9>&-
        cd "$rpd_workdir" 2>/dev/null || cd / || :
        rpd_exec_session "$rpd_env" "PATH=$rpd_command_path" "$rpd_shell" "$rpd_step/command"
    } </dev/null >>"$rpd_step/out" 2>&1 &
    rpd_child=$!
    rpd_stat "$rpd_child"
    rpd_write "$rpd_step/job" "$rpd_child $rpd_start"
    rpd_stat $$
    rpd_write "$rpd_step/pid" "$$ $rpd_start"
    rpd_await_child
    rpd_keep_tail
    # What was called off is not done.
    [ ! -f "$rpd_step/cancelled" ] || exit 0
    rpd_write "$rpd_step/seconds" "$(($(rpd_uptime) - rpd_began))"
    rpd_put "$rpd_step/rc" "$rpd_code"
}

rpd_main "$@"
