# What is left of a launch: which processes that its script has started still live, and their end. All of it is read from
# /proc. Two ways lead to a process of the job. The wrapper is the one that orphans below it are given to (rpd_exec_reaper),
# so a process that left its session and emptied its environment is still its descendant. And the job's environment holds
# RPD_JOB. Where the image has no tool for the first way, what may have slipped through is told as such.

# FILE ARGUMENT...: replaces this shell by one to which the kernel gives the orphans below it; its last argument says
# whether that worked. Nothing is replaced when there is no tool for it. The call is prctl(PR_SET_CHILD_SUBREAPER), 36.
rpd_exec_reaper() {
    case $(uname -m 2>/dev/null) in x86_64) rpd_number=157 ;; aarch64) rpd_number=167 ;; *) rpd_number= ;; esac
    # A tool that is broken must not cost the launch: it is tried before this shell is given up.
    if [ -n "$rpd_number" ] && rpd_has perl && perl -e 1 2>/dev/null; then
        # shellcheck disable=SC2016
        exec perl -e '
my $done = syscall(shift(@ARGV), 36, 1, 0, 0, 0) == 0;
exec { $ARGV[0] } @ARGV, $done ? "reaps" : "no"; exit 127' "$rpd_number" sh "$@"
    elif rpd_has python3 && python3 -I -S -c 'import ctypes' 2>/dev/null; then
        # What Python does to its own environment (LC_CTYPE) is not for the job, nor that it ignores two signals.
        exec python3 -I -S -c '
import ctypes, os, signal, sys
for number in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(number, signal.SIG_DFL)
done = ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
env = dict(pair.split(b"=", 1) for pair in open("/proc/self/environ", "rb").read().split(b"\0") if b"=" in pair)
os.execvpe(sys.argv[1], [*sys.argv[1:], "reaps" if done else "no"], env)' sh "$@"
    fi
}

# WORD: prints the numbers of the processes whose environment holds it. A grep that ends at a zero byte (busybox) sees the
# first variable alone.
rpd_marked() {
    if printf 'a\000b' | grep -qF b 2>/dev/null; then
        grep -lF "$1" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\n'
        return 0
    fi
    for rpd_dir in /proc/[0-9]*; do
        case $(tr '\000' ' ' 2>/dev/null <"$rpd_dir/environ") in *"$1"*) printf '%s\n' "${rpd_dir#/proc/}" ;; esac
    done
}

# Sets rpd_left to the living processes of the launch, rpd_list to "<pid>:<parent>" of all there are, and rpd_unknown to
# those of which nobody can say whose they are. An sshd is nobody's, and what it has started neither: it is our way in,
# also when the job has started it anew.
# A process that is listed, starts another one and ends before it is looked at hides both. So there is nothing only when
# two looks in a row find nothing and miss the same ones: what had ended before, and nobody has waited for yet.
rpd_find_left() {
    rpd_looks=0 rpd_missed=unknown
    while :; do
        rpd_missed_before=$rpd_missed
        rpd_look_for_left
        rpd_looks=$((rpd_looks + 1))
        [ "$rpd_left$rpd_unknown" = '  ' ] || return 0
        # Where others come and go all the time, so many looks have to do.
        [ "$rpd_missed" != "$rpd_missed_before" ] && [ "$rpd_looks" -lt 4 ] || return 0
    done
}

rpd_look_for_left() {
    rpd_left=' ' rpd_unknown=' ' rpd_list=' ' rpd_known=' ' rpd_barred=" $$ " rpd_young=' ' rpd_missed=' ' rpd_nobodys=' '
    rpd_get "$rpd_job/job" >/dev/null
    rpd_leader=${rpd_value%% *} rpd_since=${rpd_value##* }
    [ -n "$rpd_leader" ] || return 0
    # Another process of its number: then nothing of its session is left.
    rpd_sid=$rpd_leader
    if rpd_stat "$rpd_leader" && [ "$rpd_start" != "$rpd_since" ]; then rpd_sid=none; fi
    rpd_get "$rpd_job/pid" >/dev/null
    rpd_boss=${rpd_value%% *} rpd_boss_start=${rpd_value##* } rpd_boss_session=none
    if rpd_stat "${rpd_boss:-0}" && [ "$rpd_start" = "$rpd_boss_start" ]; then
        rpd_boss_session=$rpd_session rpd_barred="$rpd_barred$rpd_boss "
    else
        rpd_boss=none
    fi
    for rpd_one in $(rpd_marked "RPD_JOB=$rpd_run:$rpd_launch:"); do rpd_known="$rpd_known$rpd_one "; done
    # Helpers of the sampler may be orphans in a session of their own: busybox's timeout is.
    for rpd_one in $(rpd_marked "RPD_SAMPLER=$rpd_run"); do rpd_barred="$rpd_barred$rpd_one "; done
    for rpd_dir in /proc/[0-9]*; do
        rpd_one=${rpd_dir#/proc/}
        rpd_stat "$rpd_one" || { rpd_missed="$rpd_missed$rpd_one "; continue; }
        rpd_name_of "$rpd_one"
        case $rpd_name in sshd* | dropbear*) rpd_barred="$rpd_barred$rpd_one " rpd_nobodys="$rpd_nobodys$rpd_one " ;; esac
        rpd_list="$rpd_list$rpd_one:$rpd_parent "
        [ "$rpd_start" -lt "$rpd_since" ] || rpd_young="$rpd_young$rpd_one:$rpd_parent "
        if [ "$rpd_session" = "$rpd_sid" ] || [ "$rpd_group" = "$rpd_sid" ]; then rpd_known="$rpd_known$rpd_one "
        elif [ "$rpd_parent" = "$rpd_boss" ] && [ "$rpd_session" != "$rpd_boss_session" ]; then rpd_known="$rpd_known$rpd_one "
        fi
    done
    rpd_before=
    while [ "$rpd_before" != "$rpd_left" ]; do
        rpd_before=$rpd_left
        for rpd_pair in $rpd_list; do
            rpd_one=${rpd_pair%:*}
            case $rpd_barred$rpd_left in *" $rpd_one "*) continue ;; esac
            case $rpd_nobodys in
                *" ${rpd_pair#*:} "*) rpd_barred="$rpd_barred$rpd_one " rpd_nobodys="$rpd_nobodys$rpd_one "; continue ;;
            esac
            case $rpd_known in *" $rpd_one "*) rpd_left="$rpd_left$rpd_one "; continue ;; esac
            case $rpd_left in *" ${rpd_pair#*:} "*) rpd_left="$rpd_left$rpd_one " ;; esac
        done
    done
    rpd_find_unknown
}

# No older than the job (a tick of that clock is 10 ms), and started by something that the job may have asked: a terminal multiplexer that was there before,
# or, where orphans are not given to the wrapper, whatever is an orphan now. The first process has to be the pod's own:
# without a namespace it is the machine's, which has many.
rpd_find_unknown() {
    case $(tr '\000' ' ' 2>/dev/null <"/proc/$rpd_init/environ") in *RUNPOD_POD_ID=*) ;; *) return 0 ;; esac
    rpd_get "$rpd_job/reaps" >/dev/null
    rpd_reaps=$rpd_value
    for rpd_pair in $rpd_young; do
        rpd_one=${rpd_pair%:*} rpd_up_to=${rpd_pair#*:}
        case $rpd_barred$rpd_left in *" $rpd_one "*) continue ;; esac
        rpd_name_of "$rpd_up_to"
        if ! rpd_is_multiplexer; then
            [ "$rpd_up_to" = "$rpd_init" ] && [ "$rpd_reaps" != reaps ] || continue
            # What is ours lives in the run's folder.
            case $(tr '\000' ' ' 2>/dev/null <"/proc/$rpd_one/cmdline") in *"$rpd_folder"* | *rpd_switch*) continue ;; esac
        fi
        rpd_unknown="$rpd_unknown$rpd_one "
    done
}

rpd_is_multiplexer() {
    case $rpd_name in
        tmux:\ client*) return 1 ;;
        tmux* | screen | SCREEN | zellij* | dtach | abduco) return 0 ;;
    esac
    return 1
}

# PID: sets rpd_name.
rpd_name_of() {
    rpd_name=
    { IFS= read -r rpd_name || :; } 2>/dev/null <"/proc/$1/comm"
    rpd_name=${rpd_name:-process}
}

# PID: sets rpd_up_to to its parent.
rpd_parent_of() {
    rpd_up_to=none
    case $rpd_list in
        *" $1:"*) rpd_up_to=${rpd_list#*" $1:"}; rpd_up_to=${rpd_up_to%% *} ;;
    esac
}

# Sets rpd_ends to what is left of the launch and is to end. Who serves files is spared: results may lie in what it has
# mounted. rpd_known_kind holds those that were looked at, rpd_spared the spared ones; both begin as a blank.
rpd_find_ends() {
    rpd_find_left
    rpd_choose_ends
    # A spared one does not make the look a sure one.
    [ "$rpd_ends" = ' ' ] && [ "$rpd_left$rpd_unknown" != '  ' ] || return 0
    rpd_find_left
    rpd_choose_ends
}

rpd_choose_ends() {
    rpd_ends=' '
    for rpd_one in $rpd_left; do
        case $rpd_known_kind in
            *" $rpd_one "*) ;;
            *)
                rpd_known_kind="$rpd_known_kind$rpd_one "
                case $(ls -l "/proc/$rpd_one/fd" 2>/dev/null) in *' -> /dev/fuse'*) rpd_spared="$rpd_spared$rpd_one " ;; esac
                ;;
        esac
        case $rpd_spared in *" $rpd_one "*) ;; *) rpd_ends="$rpd_ends$rpd_one " ;; esac
    done
}

# SECONDS: TERM to all of them, KILL to those that are there still.
rpd_end_left() {
    rpd_until=$(($(rpd_uptime) + $1 + 1)) rpd_told=' ' rpd_known_kind=' ' rpd_spared=' '
    while :; do
        rpd_find_ends
        rpd_how=TERM
        [ "$(rpd_uptime)" -lt "$rpd_until" ] || rpd_how=KILL
        for rpd_one in $rpd_ends; do
            # One TERM each: whoever ends on it must not be disturbed.
            case $rpd_how$rpd_told in TERM*" $rpd_one "*) continue ;; esac
            kill -s "$rpd_how" "$rpd_one" 2>/dev/null || :
            rpd_told="$rpd_told$rpd_one "
        done
        [ "$rpd_ends" != ' ' ] && [ "$(rpd_uptime)" -le "$((rpd_until + 5))" ] || return 0
        rpd_nap 0.1
    done
}
