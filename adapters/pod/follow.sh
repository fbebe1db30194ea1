# Follows the job on one channel: stdout is the log from rpd_offset on, nothing else; stderr tells of the claim, first as it
# is, again when its script has ended and something of it is waited for, and once more when the job has ended. The other
# side writes a line now and then: it is there, and the heartbeat is renewed. When it closes the channel, or the link breaks,
# reading ends and nothing stays behind.

rpd_tell() { printf '%s#%s\n' "$1" "$2" >&2; }

# Returns as soon as the launch is over.
rpd_await_end() {
    rpd_blocker=
    trap '[ -n "$rpd_blocker" ] && kill "$rpd_blocker" 2>/dev/null; exit 0' TERM
    while :; do
        rpd_look
        case $rpd_phase in claimed | running) ;; *) break ;; esac
        rpd_lock=$(rpd_claim_lock)
        if [ "$rpd_phase" = running ] && [ -z "$rpd_note" ] && [ -e "$rpd_lock" ] && rpd_held "$rpd_lock"; then
            rpd_exec_flock 8 s w 8<"$rpd_lock" 2>/dev/null &
            rpd_blocker=$!
            wait "$rpd_blocker"
            rpd_blocker=
        else
            rpd_nap 0.2
        fi
    done
    rpd_tell "$(rpd_print_claim)
" end
}

rpd_main() {
    rpd_has tail || { rpd_tell 'tail is missing in the pod' missing; exit 3; }
    mkdir -p "$rpd_folder/switch"
    rpd_is_taken_over || rpd_put_token 2>/dev/null
    if rpd_is_taken_over; then
        rpd_tell "$rpd_rival" taken
        exit 3
    fi
    rpd_now >"$rpd_folder/switch/owner"
    rpd_tell "$(rpd_print_claim)
" start
    rpd_told=$(rpd_get "$rpd_job/waits")
    rpd_tail=
    if [ -f "$rpd_log" ] && [ "$(rpd_size "$rpd_log")" -ge "$rpd_offset" ]; then
        # Where the kernel cannot tell of changes, GNU's asks once a second unless told otherwise.
        case $(tail --version 2>/dev/null) in *GNU*) rpd_often='-s 0.1' ;; *) rpd_often='' ;; esac
        # shellcheck disable=SC2086
        exec tail $rpd_often -c "+$((rpd_offset + 1))" -f "$rpd_log" 2>/dev/null &
        rpd_tail=$!
    fi
    rpd_await_end >/dev/null &
    rpd_waiter=$!
    exec 1>&-
    while read -r rpd_beat; do
        rpd_now >"$rpd_folder/switch/owner"
        rpd_tell "$rpd_beat $(rpd_size "$rpd_log")" size
        # The script has ended, and something of it is waited for: that is news.
        rpd_get "$rpd_job/waits" >/dev/null
        if [ "$rpd_value" != "$rpd_told" ]; then
            rpd_told=$rpd_value
            rpd_tell "$(rpd_print_claim)
" start
        fi
    done
    # shellcheck disable=SC2086
    kill $rpd_tail "$rpd_waiter" 2>/dev/null
    wait
}

rpd_main
