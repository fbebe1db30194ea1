# What every script in the pod builds on. Names begin with rpd_ so that no variable of the pod is hidden or overwritten.
# Only what POSIX sh and a small tool box (mkdir, mv, cat, date, sleep, tr) have is taken for granted.

# The first process of the container. RPD_INIT_PID names it where the pod has no process namespace of its own.
rpd_init=${RPD_INIT_PID:-1}

rpd_has() { command -v "$1" >/dev/null 2>&1; }

rpd_nap() { sleep "$1" 2>/dev/null || sleep 1; }

rpd_now() { date +%s; }

# Seconds since the machine started; unlike the clock it is never set.
rpd_uptime() {
    rpd_up=
    { read -r rpd_up rpd_rest; } 2>/dev/null </proc/uptime || rpd_up=$(rpd_now)
    printf '%s\n' "${rpd_up%.*}"
}

# Ends the script with a reason the caller knows; the rest is for people.
rpd_fail() {
    printf 'fault=%s\nmessage=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"
    exit 3
}

# Whether another owner acts for this run; rpd_rival says which. The fencing token with the highest epoch-<n> counts, and of two with the same
# epoch (a journal that was copied and resumed twice) the one that wrote its token first. A token
# that names no owner keeps nobody out.
rpd_is_taken_over() {
    for rpd_dir in "$rpd_folder"/epoch-*; do
        rpd_number=${rpd_dir##*/epoch-}
        case $rpd_number in '' | *[!0-9]*) continue ;; esac
        [ "$rpd_number" -gt "$rpd_epoch" ] || continue
        rpd_rival="a newer owner, epoch $rpd_number, acts for this run"
        return 0
    done
    rpd_get "$rpd_folder/epoch-$rpd_epoch/owner" >/dev/null
    rpd_rival="another owner of epoch $rpd_epoch acts for this run: its journal is in use elsewhere, too"
    case $rpd_value in '' | "$rpd_owner") return 1 ;; esac
}

# Ends the script when it may not act any more.
rpd_yield() { if rpd_is_taken_over; then rpd_fail taken_over "$rpd_rival"; fi; }

# Writes this owner's fencing token. A folder that holds something is never replaced by a move, so only one of two can make it.
rpd_put_token() {
    rpd_token=$rpd_folder/epoch-$rpd_epoch
    [ ! -d "$rpd_token" ] || return 0
    mkdir -p "$rpd_token.$$" && printf '%s\n' "$rpd_owner" >"$rpd_token.$$/owner" && mv "$rpd_token.$$" "$rpd_token"
}

# For whatever acts here: not against another owner, and no older one after us. A full disk must not keep us from acting.
rpd_own() {
    rpd_yield
    rpd_put_token 2>/dev/null
    rpd_yield
}

# DRAFT FILE: the draft takes the place of the file. On a volume that moves nothing over a file it is copied into it: whoever
# dies in between leaves a part, and whoever reads in between sees one.
rpd_replace() {
    mv -f "$1" "$2" 2>/dev/null && return 0
    [ -f "$1" ] && cat "$1" >"$2" && rm -f "$1"
}

# MODE FILE: where modes can be set.
rpd_chmod() { chmod "$1" "$2" 2>/dev/null || :; }

# FILE VALUE: the file holds the value, or what it held before; never a part. The value is on the disk when this returns.
rpd_put() {
    if rpd_has dd; then
        printf '%s\n' "$2" | dd of="$1.$$" conv=fsync 2>/dev/null && rpd_replace "$1.$$" "$1"
    else
        printf '%s\n' "$2" 2>/dev/null >"$1.$$" && rpd_replace "$1.$$" "$1"
    fi
}

# FILE VALUE: the same without waiting for the disk.
rpd_write() { printf '%s\n' "$2" >"$1.$$" && rpd_replace "$1.$$" "$1"; }

# FILE: its first line, empty where there is none.
rpd_get() {
    rpd_value=
    [ -f "$1" ] || return 0
    { IFS= read -r rpd_value || :; } 2>/dev/null <"$1"
    printf '%s' "$rpd_value"
}

# FILE: bytes in it, 0 where there is none.
rpd_size() {
    [ -f "$1" ] || { printf 0; return 0; }
    stat -L -c %s "$1" 2>/dev/null || wc -c <"$1" | tr -d ' '
}

# PID: sets rpd_state, rpd_parent, rpd_group, rpd_session and rpd_start (ticks since boot). False when there is none.
# The name in the second field may hold blanks, brackets and newlines; the last bracket ends it.
rpd_stat() {
    rpd_line=
    { IFS= read -r rpd_line; } 2>/dev/null <"/proc/$1/stat" || return 1
    case $rpd_line in
        *') '*) ;;
        *) rpd_line=$(tr '\n' ' ' 2>/dev/null <"/proc/$1/stat") || return 1 ;;
    esac
    rpd_line=${rpd_line##*') '}
    # shellcheck disable=SC2086
    set -- $rpd_line
    [ $# -ge 20 ] || return 1
    rpd_state=$1 rpd_parent=$2 rpd_group=$3 rpd_session=$4
    shift 19
    rpd_start=$1
    [ "$rpd_state" != Z ] && [ "$rpd_state" != X ]
}

# FILE with "<pid> <start>": whether that very process lives.
rpd_lives() {
    rpd_pid='' rpd_then=''
    { read -r rpd_pid rpd_then rpd_rest; } 2>/dev/null <"$1" || return 1
    rpd_stat "$rpd_pid" && [ "$rpd_start" = "$rpd_then" ]
}

# Names this start of this container.
rpd_container() {
    rpd_boot=
    { read -r rpd_boot; } 2>/dev/null </proc/sys/kernel/random/boot_id
    rpd_start=
    rpd_stat "$rpd_init"
    printf '%s-%s' "$rpd_boot" "$rpd_start"
}

# FD s|x n|w: replaces this process by one that takes the lock on the open file, shared or exclusive, now or in the end.
# The lock belongs to the open file, so that it stays with whoever else has it open. Ends with 0, 1 (held), 2 (no tool).
rpd_exec_flock() {
    if rpd_has flock; then
        case $3 in n) exec flock "-$2" -n "$1" ;; *) exec flock "-$2" "$1" ;; esac
    elif rpd_has python3; then
        exec python3 -c '
import fcntl, sys
how = {"s": fcntl.LOCK_SH, "x": fcntl.LOCK_EX}[sys.argv[2]] | (fcntl.LOCK_NB if sys.argv[3] == "n" else 0)
try:
    fcntl.flock(int(sys.argv[1]), how)
except BlockingIOError:
    sys.exit(1)
except OSError:
    sys.exit(2)' "$1" "$2" "$3"
    elif rpd_has perl; then
        # shellcheck disable=SC2016
        exec perl -e '
open(my $file, "+<&=", $ARGV[0]) or open($file, "<&=", $ARGV[0]) or exit 2;
flock($file, ($ARGV[1] eq "s" ? 1 : 2) + ($ARGV[2] eq "n" ? 4 : 0)) or exit($!{EWOULDBLOCK} ? 1 : 2);' "$1" "$2" "$3"
    fi
    exit 2
}

rpd_flock() { (rpd_exec_flock "$@") 2>/dev/null; }

# FILE: 0 when somebody holds its exclusive lock, 1 when nobody does, 2 when that cannot be told.
rpd_held() {
    [ -e "$1" ] || return 1
    rpd_flock 8 s n 8<"$1"
    case $? in 0) return 1 ;; 1) return 0 ;; *) return 2 ;; esac
}

# Where the lock NAME of this run lies: in memory, since it has to die with the container and network volumes may not
# know locks; else in FOLDER.
rpd_lock_path() {
    if [ -d /dev/shm ] && [ -w /dev/shm ]; then
        printf '/dev/shm/rpd-%s-%s' "$rpd_run" "$1"
    else
        printf '%s/alive' "$2"
    fi
}

# Runs a command as the leader of a session of its own. Without any tool for that it stays in this one.
rpd_exec_session() {
    # shellcheck disable=SC2016
    if rpd_has setsid; then exec setsid "$@"
    elif rpd_has python3; then
        # It ignores two signals, which is not for the job.
        exec python3 -c '
import os, signal, sys
for number in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(number, signal.SIG_DFL)
os.setsid()
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
    elif rpd_has perl; then exec perl -e 'use POSIX (); POSIX::setsid(); exec { $ARGV[0] } @ARGV; exit 127' "$@"
    elif rpd_has nohup; then exec nohup "$@"
    fi
    exec "$@"
}

# PID: the living processes of its session and its group, and its descendants, this script's own line left out.
rpd_members() {
    rpd_list='' rpd_known=" $1 "
    for rpd_dir in /proc/[0-9]*; do
        rpd_stat "${rpd_dir#/proc/}" || continue
        rpd_list="$rpd_list ${rpd_dir#/proc/}:$rpd_parent"
        if [ "$rpd_session" = "$1" ] || [ "$rpd_group" = "$1" ]; then rpd_known="$rpd_known${rpd_dir#/proc/} "; fi
    done
    rpd_before=
    while [ "$rpd_before" != "$rpd_known" ]; do
        rpd_before=$rpd_known
        for rpd_pair in $rpd_list; do
            case $rpd_known in *" ${rpd_pair%:*} "*) continue ;; *" ${rpd_pair#*:} "*) rpd_known="$rpd_known${rpd_pair%:*} " ;; esac
        done
    done
    for rpd_one in $rpd_known; do
        case " $rpd_list" in *" $rpd_one:"*) printf '%s ' "$rpd_one" ;; esac
    done
}

# The exit code that `wait` has just given, as most shells give it: ksh and yash count signals from 256 and 384 on.
rpd_exit_code() {
    rpd_code=$?
    [ "$rpd_code" -le 255 ] || rpd_code=$((128 + (rpd_code & 127)))
}

# PID SIGNAL: to all its members; false when there is none left.
rpd_signal() {
    rpd_targets=$(rpd_members "$1")
    [ -n "$rpd_targets" ] || return 1
    # shellcheck disable=SC2086
    kill -s "$2" $rpd_targets 2>/dev/null || :
}

# PID SECONDS: TERM to all its members, KILL to those that are left then.
rpd_end_members() {
    rpd_signal "$1" TERM || return 0
    rpd_until=$(($(rpd_uptime) + $2 + 1))
    while [ "$(rpd_uptime)" -lt "$rpd_until" ]; do
        [ -n "$(rpd_members "$1")" ] || return 0
        rpd_nap 0.1
    done
    rpd_signal "$1" KILL || return 0
}
