# Room for the last words of a job that fills the disk of its log: blocks behind the log's end that nobody else can take.
# Where the file system or the tools cannot do that, there is none, and only what became of the disk is known.

rpd_reserve() { fallocate -n -o "$(rpd_size "$rpd_log")" -l 262144 "$rpd_log" 2>/dev/null; }

# PID of the wrapper: keeps the reserve behind a log that grows, until the job has ended.
rpd_reserve_on() {
    rpd_has fallocate || return 0
    rpd_reserved=$(rpd_size "$rpd_log")
    while [ ! -f "$rpd_job/rc" ] && kill -0 "$1" 2>/dev/null; do
        sleep 2
        rpd_grown=$(rpd_size "$rpd_log")
        [ "$rpd_grown" -gt "$((rpd_reserved + 65536))" ] || continue
        rpd_reserve && rpd_reserved=$rpd_grown
    done
}

# Whether the disk of the log takes one more block. A log that is gone or may not be written tells nothing of the disk.
rpd_has_room() {
    [ -f "$rpd_log" ] && [ -w "$rpd_log" ] || return 0
    printf '%4096s\n' x 2>/dev/null >"$rpd_log.$$"
    rpd_answer=$?
    rm -f "$rpd_log.$$"
    return "$rpd_answer"
}
