# What the job's script leaves behind when it ends: which processes it started still live, which of them are work to wait
# for, and their end. All of it is read from /proc. Two ways lead to a process of the job. The wrapper is the one that
# orphans below it are given to (rpd_exec_reaper), so a process that left its session and emptied its environment is still
# its descendant. And the job's environment holds RPD_JOB. Where the image has no tool for the first way, what may have
# slipped through is told as such.

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
        # What Python does to its own environment (LC_CTYPE) is not for the job.
        exec python3 -I -S -c '
import ctypes, os, sys
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
rpd_find_left() {
    rpd_left=' ' rpd_unknown=' ' rpd_list=' ' rpd_known=' ' rpd_barred=" $$ " rpd_young=' '
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
        rpd_stat "$rpd_one" || continue
        rpd_name_of "$rpd_one"
        case $rpd_name in sshd* | dropbear*) rpd_barred="$rpd_barred$rpd_one " ;; esac
        rpd_list="$rpd_list$rpd_one:$rpd_parent "
        [ "$rpd_start" -le "$rpd_since" ] || rpd_young="$rpd_young$rpd_one:$rpd_parent "
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
            case $rpd_known in *" $rpd_one "*) rpd_left="$rpd_left$rpd_one "; continue ;; esac
            case $rpd_left in *" ${rpd_pair#*:} "*) rpd_left="$rpd_left$rpd_one " ;; esac
        done
    done
    rpd_find_unknown
}

# Younger than the job, and started by something that the job may have asked: a terminal multiplexer that was there before,
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

# Sets rpd_ports and rpd_doors to the inodes of listening sockets: of the network, and of this machine.
rpd_find_listening() {
    rpd_ports=' ' rpd_doors=' '
    for rpd_file in /proc/net/tcp /proc/net/tcp6; do
        [ -r "$rpd_file" ] || continue
        while read -r rpd_a rpd_a rpd_a rpd_b rpd_a rpd_a rpd_a rpd_a rpd_a rpd_c rpd_a; do
            [ "$rpd_b" != 0A ] || rpd_ports="$rpd_ports$rpd_c "
        done <"$rpd_file"
    done
    [ -r /proc/net/unix ] || return 0
    while read -r rpd_a rpd_a rpd_a rpd_b rpd_a rpd_a rpd_c rpd_a; do
        [ "$rpd_b" != 00010000 ] || rpd_doors="$rpd_doors$rpd_c "
    done </proc/net/unix
}

# PID: reads its open files. Sets rpd_use to why it is work, if they say so, and rpd_serves to what it listens on.
rpd_read_files() {
    rpd_use='' rpd_serves='' rpd_std=''
    while IFS= read -r rpd_line; do
        case $rpd_line in *' -> '*) ;; *) continue ;; esac
        rpd_file=${rpd_line#* -> } rpd_number=${rpd_line%% -> *}
        rpd_number=${rpd_number##* }
        case $rpd_file in
            */dev/nvidia[0-9]* | */dev/nvidia-uvm* | */dev/kfd | */dev/dri/renderD* | */dev/dxg) rpd_use='uses a GPU' ;;
            */dev/fuse) rpd_serves=files ;;
            'socket:['*)
                rpd_inode=${rpd_file#socket:?}
                rpd_inode=${rpd_inode%]}
                case $rpd_ports in *" $rpd_inode "*) rpd_serves=${rpd_serves:-port} ;; esac
                case $rpd_doors in *" $rpd_inode "*) rpd_serves=${rpd_serves:-door} ;; esac
                ;;
            /*)
                case $rpd_line in l?w*) ;; *) continue ;; esac
                # A deleted file brings nobody anything, and the job's log is everybody's.
                case $rpd_file in *' (deleted)' | "$rpd_log" | "$rpd_real_log") continue ;; esac
                rpd_below "$rpd_file" || continue
                if [ "$rpd_number" -le 2 ]; then rpd_std="writes below $rpd_place"; else rpd_use=${rpd_use:-writes below $rpd_place}; fi
                ;;
        esac
    done <<RPD_FILES
$(ls -l "/proc/$1/fd" 2>/dev/null)
RPD_FILES
    # A server that logs into a result's folder does not end because somebody waits for it.
    if [ -z "$rpd_use" ] && [ -z "$rpd_serves" ]; then rpd_use=$rpd_std; fi
}

# FILE: whether it lies in one of the places where results are written; sets rpd_place.
rpd_below() {
    while IFS= read -r rpd_place; do
        [ -n "$rpd_place" ] || continue
        case $1 in "$rpd_place" | "${rpd_place%/}"/*) return 0 ;; esac
    done <<RPD_PLACES
$rpd_places
RPD_PLACES
    return 1
}

# The places as the kernel names them, too.
rpd_find_places() {
    rpd_real_log=$(readlink -f "$rpd_log" 2>/dev/null)
    rpd_places=$(printf '%s\n' "$rpd_results" | while IFS= read -r rpd_place; do
        [ -n "$rpd_place" ] || continue
        printf '%s\n' "$rpd_place"
        readlink -f "$rpd_place" 2>/dev/null
    done)
}

# PID: whether it was told to outlive the script: it does not hear a hangup (nohup), or has a session of its own (setsid),
# or the script says disown, of which no process keeps a trace.
rpd_is_told_to_stay() {
    [ -z "$rpd_disowns" ] || return 0
    if rpd_stat "$1" && [ "$rpd_session" != "$rpd_leader" ] && [ "$rpd_session" != "$rpd_boss_session" ]; then return 0; fi
    rpd_ignores_hangup "$1" && ! rpd_ignores_hangup "$$"
}

rpd_ignores_hangup() {
    while read -r rpd_a rpd_b; do
        [ "$rpd_a" = SigIgn: ] || continue
        case $rpd_b in *[13579bdf]) return 0 ;; *) return 1 ;; esac
    done 2>/dev/null <"/proc/$1/status"
    return 1
}

# Sets rpd_work to those that are work, each by the topmost process above it, and rpd_waits to why, for people.
rpd_judge() {
    rpd_listens=' ' rpd_above=' ' rpd_maybe=' '
    rpd_find_listening
    for rpd_one in $rpd_left$rpd_unknown; do
        rpd_name_of "$rpd_one"
        if rpd_is_multiplexer; then
            if rpd_is_used "$rpd_one"; then rpd_add_work "$rpd_one" 'keeps a terminal session'; fi
            continue
        fi
        case $rpd_name in
            tmux:\ client* | tail | tee | watch | top | htop) continue ;;
            nvidia-* | nvtop | nvitop | nv-hostengine | dcgm* | gpustat | gpu_stats | wandb* | tensorboard) continue ;;
            vmstat | iostat | mpstat | pidstat | sar | dstat | inotifywait | cron | crond | atd | rsyslogd) continue ;;
        esac
        rpd_read_files "$rpd_one"
        case $rpd_serves in files | port) rpd_listens="$rpd_listens$rpd_one "; rpd_mark_above "$rpd_one" ;; esac
        if [ -n "$rpd_use" ]; then rpd_add_work "$rpd_one" "$rpd_use"
        elif [ -z "$rpd_serves" ]; then rpd_maybe="$rpd_maybe$rpd_one "
        fi
    done
    for rpd_one in $rpd_maybe; do
        case $rpd_above in *" $rpd_one "*) continue ;; esac
        if rpd_is_told_to_stay "$rpd_one" && ! rpd_is_of_a_server "$rpd_one" && ! rpd_awaits_typing "$rpd_one"; then
            rpd_add_work "$rpd_one" 'was told to outlive the script'
        fi
    done
}

# PID of a multiplexer: whether anything runs in it but shells that wait for somebody to type. Such a shell stays when what
# was typed into it is done.
rpd_is_used() {
    for rpd_below in $rpd_left; do
        rpd_parent_of "$rpd_below"
        while [ "$rpd_up_to" != none ] && [ "$rpd_up_to" != "$1" ]; do rpd_parent_of "$rpd_up_to"; done
        [ "$rpd_up_to" = "$1" ] || continue
        rpd_awaits_typing "$rpd_below" || return 0
    done
    return 1
}

# PID: whether it is a shell with nothing to run but what somebody types.
rpd_awaits_typing() {
    rpd_name_of "$1"
    case $rpd_name in bash | sh | dash | zsh | fish | ksh | mksh | ash | tcsh | csh) ;; *) return 1 ;; esac
    case $(tr '\000' ' ' 2>/dev/null <"/proc/$1/cmdline") in
        *' -l ' | *' -i ' | *' --login ') return 0 ;;
        *' '?*) return 1 ;;
    esac
}

# Whoever has started a server only waits for it.
rpd_mark_above() {
    rpd_parent_of "$1"
    while [ "$rpd_up_to" != none ]; do
        case $rpd_left$rpd_unknown in *" $rpd_up_to "*) rpd_above="$rpd_above$rpd_up_to " ;; *) break ;; esac
        rpd_parent_of "$rpd_up_to"
    done
}

# What a server has started is a part of it.
rpd_is_of_a_server() {
    rpd_parent_of "$1"
    while [ "$rpd_up_to" != none ]; do
        case $rpd_listens in *" $rpd_up_to "*) return 0 ;; esac
        case $rpd_left$rpd_unknown in *" $rpd_up_to "*) ;; *) return 1 ;; esac
        rpd_parent_of "$rpd_up_to"
    done
    return 1
}

# PID WHY: told by the one that it descends from, which stays the same while its helpers come and go.
rpd_add_work() {
    rpd_top=$1
    rpd_parent_of "$1"
    while case $rpd_left$rpd_unknown in *" $rpd_up_to "*) ;; *) false ;; esac; do
        rpd_top=$rpd_up_to
        rpd_parent_of "$rpd_top"
    done
    case $rpd_work in *" $rpd_top "*) return 0 ;; esac
    rpd_work="$rpd_work$rpd_top "
    rpd_name_of "$rpd_top"
    case $rpd_waits in
        *,*,*) rpd_more=$((rpd_more + 1)) ;;
        *) rpd_waits="${rpd_waits:+$rpd_waits, }$rpd_name ($rpd_top) $2" ;;
    esac
}

# Sets rpd_ends to what is left of the launch and is to end. Who serves files is spared: results may lie in what it has
# mounted. rpd_known_kind holds those that were looked at, rpd_spared the spared ones; both begin as a blank.
rpd_find_ends() {
    rpd_find_left
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

# Somebody ends what is left of the launch. The wrapper stays until it is gone: without it a process that has hidden well is
# not found any more. Where that somebody does not get to it, it does so itself.
rpd_stand_by() {
    rpd_get "$rpd_job/stopped" >/dev/null
    rpd_until=$(($(rpd_uptime) + ${rpd_value:-0} + 3)) rpd_known_kind=' ' rpd_spared=' '
    while :; do
        rpd_find_ends
        [ "$rpd_ends" != ' ' ] || return 0
        [ "$(rpd_uptime)" -le "$rpd_until" ] || break
        rpd_nap 0.1
    done
    rpd_end_left 1
}

# Called when the script has ended with rpd_code: waits while something of it is work, ends the rest, writes down both.
rpd_see_to_left() {
    [ -n "$rpd_background" ] || [ -f "$rpd_job/stopped" ] || return 0
    rpd_find_places
    rpd_disowns=
    grep -qw disown "$rpd_script" 2>/dev/null && rpd_disowns=1
    rpd_began=$(rpd_uptime) rpd_shown='' rpd_pause=0.1 rpd_left=' ' rpd_calm=0
    while [ ! -f "$rpd_job/stopped" ]; do
        rpd_find_left
        [ "$rpd_left$rpd_unknown" != '  ' ] || return 0
        rpd_passed=$(($(rpd_uptime) - rpd_began))
        rpd_work=' ' rpd_waits='' rpd_more=0
        case $rpd_background in
            never) ;;
            always) for rpd_one in $rpd_left; do rpd_add_work "$rpd_one" 'is still there'; done ;;
            *) [ "$rpd_code" -ne 0 ] || rpd_judge ;;
        esac
        # Many a process needs a moment to end.
        if [ "$rpd_passed" -ge "$rpd_settle" ]; then
            if [ "$rpd_work" = ' ' ]; then
                # Between two commands of a script there is nothing for a moment.
                rpd_calm=$((rpd_calm + 1))
                [ -n "$rpd_shown" ] && [ "$rpd_calm" -lt 4 ] || break
                rpd_nap 0.2
                continue
            fi
            rpd_calm=0
            if [ "$rpd_work" != "$rpd_shown" ]; then
                rpd_shown=$rpd_work
                [ "$rpd_more" -eq 0 ] || rpd_waits="$rpd_waits, and $rpd_more more"
                rpd_write "$rpd_job/body" "$rpd_code" && rpd_write "$rpd_job/waits" "$rpd_waits"
            fi
            if [ "$rpd_passed" -gt 120 ]; then rpd_pause=5; elif [ "$rpd_passed" -gt 10 ]; then rpd_pause=1; fi
        fi
        rpd_nap "$rpd_pause"
    done 2>/dev/null
    if [ -f "$rpd_job/stopped" ]; then
        # A wait that was cut off is no good end.
        [ "$rpd_left" = ' ' ] || [ "$rpd_code" -ne 0 ] || rpd_code=143
        rpd_stand_by
        return 0
    fi
    rpd_find_left
    rpd_count "$rpd_left"
    [ "$rpd_counted" -eq 0 ] || rpd_write "$rpd_job/left" "$rpd_counted $rpd_names"
    rpd_count "$rpd_unknown"
    [ "$rpd_counted" -eq 0 ] || rpd_write "$rpd_job/unknown" "$rpd_counted $rpd_names"
    [ -n "$rpd_keeps_left" ] || rpd_end_left 5
}

# " PID PID ": sets rpd_counted, and rpd_names to the first of them.
rpd_count() {
    rpd_counted=0 rpd_names=
    for rpd_one in $1; do
        rpd_stat "$rpd_one" || continue
        rpd_counted=$((rpd_counted + 1))
        rpd_name_of "$rpd_one"
        [ "$rpd_counted" -gt 5 ] || rpd_names="${rpd_names:+$rpd_names, }$rpd_name ($rpd_one)"
    done
    [ "$rpd_counted" -le 5 ] || rpd_names="$rpd_names, ..."
}
