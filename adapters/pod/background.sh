# What becomes of what the job's script leaves behind when it ends (left.sh finds it): which of it is work to wait for, and
# what is ended.

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
                case $rpd_number:$rpd_file in
                    [012]:* | *.log) rpd_std="writes below $rpd_place" ;;
                    *) rpd_use=${rpd_use:-writes below $rpd_place} ;;
                esac
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
    case $2 in 'was told to outlive the script') ;; *) rpd_sign=1 ;; esac
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
    rpd_began=$(rpd_uptime) rpd_shown='' rpd_pause=0.1 rpd_left=' ' rpd_calm=0 rpd_calm_pause=0.05 rpd_sign='' rpd_works=
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
                # Between two commands of a script there is nothing for a moment, and a launcher that ends hides the work.
                rpd_calm=$((rpd_calm + 1))
                [ "$rpd_calm" -lt 4 ] || break
                rpd_nap "$rpd_calm_pause"
                continue
            fi
            rpd_calm=0
            if [ "$rpd_work" != "$rpd_shown" ]; then
                rpd_shown=$rpd_work rpd_calm_pause=0.2
                [ "$rpd_more" -eq 0 ] || rpd_waits="$rpd_waits, and $rpd_more more"
                rpd_write "$rpd_job/body" "$rpd_code" && rpd_write "$rpd_job/waits" "$rpd_waits"
            fi
            # Whoever has shown once that it works need not show it all the time.
            if [ "$rpd_works" != "${rpd_sign:-0}" ]; then
                rpd_works=${rpd_sign:-0}
                rpd_write "$rpd_job/works" "$rpd_works"
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
