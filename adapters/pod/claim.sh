# The claim folder: rpd_job is it, rpd_launch its number, rpd_log the job's log, rpd_marker what to look for in it, and
# rpd_failures more of that, one a line.
#   container  names the start of the container the claim was made in     lock     path of the lock its wrapper holds
#   gate       a folder: made by the one wrapper that runs the script     pid      of the wrapper: "<pid> <start>"
#   started    when, UTC seconds          job   of the script: "<pid> <start>"
#   ended      when, UTC seconds          rc    the exit code          anchor   the journal's head at launch
#   body, waits     the script's exit code, and what of it is waited for      stopped   somebody wants the job to end
#   works   0 while nothing that is waited for has shown that it works: it was only told to outlive the script; else 1
#   left, unknown   "<count> <names>" of what it left and was not waited for; unknown: may be of somebody else
# Beside the lock, so in memory where there is some: <lock>.rc, where the volume did not take the exit code, and <lock>.full,
# where the disk of the log had no room when the job ended.

# Where the lock of the launch lies. A job that wipes its volume may take the file that says so before it takes the folder.
rpd_claim_lock() {
    rpd_get "$rpd_job/lock"
    [ -n "$rpd_value" ] || rpd_lock_path "$rpd_launch" "$rpd_job"
}

# Whether anything of the launch lives; rpd_note says so when it is less than it should be.
rpd_is_running() {
    rpd_lock=$(rpd_claim_lock)
    rpd_held "$rpd_lock"
    rpd_answer=$?
    [ "$rpd_answer" -ne 0 ] || return 0
    [ "$(rpd_get "$rpd_job/container")" = "$(rpd_container)" ] || return 1
    # Without a tool that knows locks the wrapper itself is looked for; it names itself right after it made the gate.
    if [ "$rpd_answer" -eq 2 ] && { [ ! -f "$rpd_job/pid" ] || rpd_lives "$rpd_job/pid"; }; then return 0; fi
    rpd_leader=$(rpd_get "$rpd_job/job")
    # The number is not given away while its session lives: another process of that number means that the session is gone.
    if rpd_stat "${rpd_leader%% *}" && [ "$rpd_start" != "${rpd_leader##* }" ]; then return 1; fi
    rpd_leader=${rpd_leader%% *}
    [ -n "$rpd_leader" ] && [ -n "$(rpd_members "$rpd_leader")" ] || return 1
    rpd_note='the wrapper is gone, the job runs on: its exit code will not be known'
}

# The folder is not there. A launch of this start of the container has left its lock in memory all the same: a job may wipe
# the volume it works on, and must not be started a second time for that.
rpd_look_without() {
    rpd_lock=$(rpd_lock_path "$rpd_launch" "$rpd_job")
    if [ ! -e "$rpd_lock" ]; then rpd_phase=none; return; fi
    rpd_note='the claim folder is gone'
    rpd_held "$rpd_lock"
    rpd_answer=$?
    if [ -f "$rpd_lock.rc" ]; then rpd_phase=ended rpd_code=$(rpd_get "$rpd_lock.rc")
    elif [ "$rpd_answer" -eq 1 ]; then rpd_phase=lost
    else rpd_phase=running
    fi
}

rpd_look_within() {
    if [ -f "$rpd_job/rc" ]; then rpd_phase=ended
    elif [ ! -d "$rpd_job/gate" ]; then rpd_phase=claimed
    elif rpd_is_running; then rpd_phase=running
    elif [ -f "$rpd_job/rc" ]; then rpd_phase=ended
    elif [ -f "$rpd_lock.rc" ]; then
        rpd_phase=ended rpd_code=$(rpd_get "$rpd_lock.rc")
        rpd_note='the exit code could not be written to the volume and was kept in memory'
    else
        rpd_phase=lost rpd_note='no process is left and no exit code was written'
        [ "$(rpd_get "$rpd_job/container")" = "$(rpd_container)" ] || rpd_note='the container was restarted while the job ran'
    fi
}

# Sets rpd_phase, rpd_code and rpd_note.
rpd_look() {
    rpd_note='' rpd_code=''
    rpd_look_within
    # It may have gone while it was looked at, too.
    [ -d "$rpd_job" ] || rpd_look_without
    if [ "$rpd_phase" = ended ] && [ -z "$rpd_code" ]; then rpd_code=$(rpd_get "$rpd_job/rc"); fi
}

# Prints the claim, one key=value a line.
rpd_print_claim() {
    rpd_look
    printf 'phase=%s\nlaunch=%s\nexit_code=%s\n' "$rpd_phase" "$rpd_launch" "$rpd_code"
    printf 'started_at=%s\nended_at=%s\n' "$(rpd_get "$rpd_job/started")" "$(rpd_get "$rpd_job/ended")"
    printf 'log_bytes=%s\nnote=%s\n' "$(rpd_size "$rpd_log")" "$rpd_note"
    # What is written last is read first.
    for rpd_word in works waits body left unknown; do printf '%s=%s\n' "$rpd_word" "$(rpd_get "$rpd_job/$rpd_word")"; done
    if [ "$rpd_phase" = ended ] && [ -e "$(rpd_claim_lock).full" ]; then echo disk_full=1; fi
    if [ "$rpd_phase" = ended ] && [ -n "$rpd_marker" ]; then
        if LC_ALL=C grep -qF -e "$rpd_marker" "$rpd_log" 2>/dev/null; then echo has_marker=1; else echo has_marker=0; fi
    fi
    if [ "$rpd_phase" = ended ] && [ -n "$rpd_failures" ]; then
        printf '%s\n' "$rpd_failures" | while IFS= read -r rpd_word; do
            if LC_ALL=C grep -qF -e "$rpd_word" "$rpd_log" 2>/dev/null; then
                printf 'failure_marker=%s\n' "$rpd_word"
                break
            fi
        done
    fi
}
