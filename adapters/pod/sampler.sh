# Samples the pod while the job runs, one JSON line per interval, and describes it at both ends. Runs beside the job, in the
# wrapper; whatever it lacks is left out (null), and nothing it does can end the job.

# COMMAND...: with a limit, so that a driver that hangs hangs nobody else.
rpd_within() { if rpd_has timeout; then timeout -s KILL 10 "$@"; else "$@"; fi; }

rpd_gpu_values() {
    rpd_has nvidia-smi || return 0
    rpd_within nvidia-smi --query-gpu=index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw \
        --format=csv,noheader,nounits 2>/dev/null | sed 's/^/gpu /'
}

# What the container may use and does, where it is limited; else the machine's.
rpd_memory_values() {
    for rpd_pair in /sys/fs/cgroup/memory.current:/sys/fs/cgroup/memory.max \
        /sys/fs/cgroup/memory/memory.usage_in_bytes:/sys/fs/cgroup/memory/memory.limit_in_bytes; do
        rpd_used=$(rpd_get "${rpd_pair%:*}") rpd_most=$(rpd_get "${rpd_pair#*:}")
        case $rpd_used:$rpd_most in *[!0-9:]* | :* | *:) continue ;; esac
        [ "${#rpd_most}" -lt 16 ] || continue
        printf 'memory %s %s\n' "$rpd_used" "$rpd_most"
        return
    done
    sed -n 's/^MemTotal: *\([0-9]*\) kB/memtotal \1/p; s/^MemAvailable: *\([0-9]*\) kB/memavailable \1/p' /proc/meminfo 2>/dev/null
}

rpd_values() {
    rpd_gpu_values
    sed -n 's/^cpu  */cpu /p' /proc/stat 2>/dev/null
    rpd_memory_values
    df -P -k "$rpd_workdir" 2>/dev/null | sed -n '2s/^/disk /p'
    sed -n 's/^ *\([^: ]*\): */net \1 /p' /proc/net/dev 2>/dev/null
    rpd_work_values
}

# What the pod itself does. /proc/stat tells of the whole machine, which others share; the processes that are seen here are
# the pod's. What a process has used stays in the sum when it ends: whoever waits for it inherits it.
rpd_work_values() {
    sed 's/^/uptime /' /proc/uptime 2>/dev/null
    cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) (.*) /process \1 /p'
    cat /proc/[0-9]*/io 2>/dev/null | sed -n 's/^read_bytes: /io /p; s/^write_bytes: /io /p'
    printf 'log %s\n' "$(rpd_size "$rpd_log")"
}

# One row; rpd_before keeps the counters of the processor, and of each process, for the next one. What the sampler itself
# uses is left out; the wrapper inherits what the job has used. Nobody here inherits from a process whose parent does not
# wait, or is outside the container. Then the sum goes back, and what each process has added counts.
rpd_sample() {
    [ "$(rpd_size "$rpd_telemetry/metrics.jsonl")" -lt 67108864 ] || return 0
    rpd_stat "$$"
    rpd_row=$({ printf '%s\n' "$rpd_before"; rpd_values; } | awk -v own="$rpd_session" -v wrapper="$$" -v at="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v launch="$rpd_launch" '
        function number(text) { gsub(/^ +| +$/, "", text); return text ~ /^-?[0-9]+(\.[0-9]+)?$/ ? text : "null" }
        $1 == "before" { has_before = 1; busy_before = $2; all_before = $3; sum_before = $4; up_before = $5 }
        $1 == "had" { had[$2] = $3 }
        $1 == "gpu" {
            line = $0; sub(/^gpu /, "", line); count = split(line, v, ",")
            if (count < 6) next
            one = sprintf("{\"index\":%s,\"util_pct\":%s,\"mem_used_mb\":%s,\"mem_total_mb\":%s,\"temp_c\":%s,\"power_w\":%s}",
                number(v[1]), number(v[2]), number(v[3]), number(v[4]), number(v[5]), number(v[6]))
            if (!gpus) first = sprintf("\"gpu_util_pct\":%s,\"gpu_mem_used_mb\":%s,\"gpu_mem_total_mb\":%s,\"gpu_temp_c\":%s,",
                number(v[2]), number(v[3]), number(v[4]), number(v[5]))
            gpus = gpus (gpus ? "," : "") one
        }
        $1 == "cpu" { busy = $2 + $3 + $4 + $7 + $8; all = 0; for (i = 2; i <= 9; i++) all += $i }
        $1 == "memory" { used = int($2 / 1048576); total = int($3 / 1048576) }
        $1 == "memtotal" { total = int($2 / 1024) }
        $1 == "memavailable" { used = total - int($2 / 1024) }
        $1 == "disk" { disk_total = $3 * 1024; disk_used = $4 * 1024 }
        $1 == "uptime" { up = $2 }
        $1 == "process" && ($6 != own || $2 == wrapper) {
            ticks = $14 + $15 + $16 + $17
            sum += ticks
            if (ticks > had[$2 ":" $22]) added += ticks - had[$2 ":" $22]
            kept = kept "had " $2 ":" $22 " " ticks "\n"
        }
        $1 == "io" { moved += $2; has_io = 1 }
        $1 == "log" { log_bytes = $2 }
        $1 == "net" && $2 != "lo" { received += $3; sent += $11; has_net = 1 }
        END {
            cpu = cores = "null"
            if (has_before && all > all_before) cpu = sprintf("%.1f", 100 * (busy - busy_before) / (all - all_before))
            if (sum >= sum_before) added = sum - sum_before
            if (up_before != "" && up > up_before) cores = sprintf("%.3f", added / 100 / (up - up_before))
            printf "{\"ts_utc\":\"%s\",\"launch\":%s,%s\"gpus\":[%s],\"cpu_user_pct\":%s,", at, launch, first, gpus, cpu
            printf "\"host_mem_used_mb\":%s,\"host_mem_total_mb\":%s,", used == "" ? "null" : used, total == "" ? "null" : total
            printf "\"workspace_disk_used_bytes\":%s,", disk_used == "" ? "null" : sprintf("%.0f", disk_used)
            printf "\"workspace_disk_total_bytes\":%s,", disk_total == "" ? "null" : sprintf("%.0f", disk_total)
            printf "\"cpu_cores\":%s,\"disk_io_bytes\":%s,", cores, has_io ? sprintf("%.0f", moved) : "null"
            printf "\"log_bytes\":%s,", log_bytes == "" ? "null" : log_bytes
            printf "\"net_rx_bytes\":%s,", has_net ? sprintf("%.0f", received) : "null"
            printf "\"net_tx_bytes\":%s}\n", has_net ? sprintf("%.0f", sent) : "null"
            printf "before %.0f %.0f %.0f %s\n%s", busy, all, sum, up, kept
        }' 2>/dev/null)
    case $rpd_row in
        '{'*"$rpd_line_end"*) rpd_before=${rpd_row#*"$rpd_line_end"}; printf '%s\n' "${rpd_row%%"$rpd_line_end"*}" >>"$rpd_telemetry/metrics.jsonl" ;;
    esac
}

# start|end. Its parts do not wait for each other.
rpd_snapshot() {
    case $rpd_captures in *nvidia_smi*) rpd_has nvidia-smi && rpd_within nvidia-smi >"$rpd_telemetry/nvidia_smi_$1.txt" 2>&1 & ;; esac
    # The end tells of what the job has met: a GPU that fell off the bus, a process that was killed for its memory.
    case $rpd_captures in *dmesg*) rpd_within dmesg 2>/dev/null | tail -n 200 >"$rpd_telemetry/dmesg_tail.txt" & ;; esac
    case $1$rpd_captures in start*remote_env*) rpd_describe & ;; esac
    wait
}

rpd_describe() {
    rpd_has python3 && rpd_within python3 -m pip freeze >"$rpd_telemetry/pip_freeze.txt" 2>/dev/null &
    { uname -a; rpd_within python3 --version; } >"$rpd_telemetry/remote_env.txt" 2>&1
    # Names alone: what a variable holds is the job's own.
    env | sed -n '/^RPD_SAMPLER=/d; s/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1=***/p' | sort >>"$rpd_telemetry/remote_env.txt"
    wait
}

# PID of the wrapper: until it says that the job has ended (TERM), or is gone. The first snapshot and the first sample are
# there before the job counts as started, the last ones before it counts as ended.
rpd_sample_on() {
    rpd_line_end='
'
    rpd_before='' rpd_over='' rpd_sleeper=none
    trap 'rpd_over=1' TERM
    mkdir -p "$rpd_telemetry" || return
    rpd_snapshot start
    rpd_sample
    rpd_write "$rpd_job/sampled" 1
    rpd_next=$(($(rpd_uptime) + rpd_sample_seconds))
    while [ -z "$rpd_over" ] && kill -0 "$1" 2>/dev/null; do
        if [ "$(rpd_uptime)" -ge "$rpd_next" ]; then
            rpd_sample
            rpd_next=$((rpd_next + rpd_sample_seconds))
        fi
        sleep 1 &
        rpd_sleeper=$!
        wait "$rpd_sleeper"
    done
    kill "$rpd_sleeper" 2>/dev/null
    rpd_sample
    rpd_snapshot end
}

# The longest that anybody waits for a snapshot: a driver that hangs must hang nobody else.
rpd_await_sampler() {
    rpd_until=$(($(rpd_uptime) + 15))
    while rpd_stat "$rpd_sampler" && [ ! -f "$rpd_job/$1" ] && [ "$(rpd_uptime)" -lt "$rpd_until" ]; do rpd_nap 0.05; done
}

rpd_begin_samples() {
    rpd_sampler=
    [ -n "$rpd_sample_seconds" ] || return 0
    rpd_telemetry=$rpd_folder/telemetry
    # Nobody takes what it starts for the job's.
    { exec 9>&-; export RPD_SAMPLER="$rpd_run"; rpd_sample_on "$$"; } </dev/null >/dev/null 2>&1 &
    rpd_sampler=$!
    rpd_await_sampler sampled
}

rpd_end_samples() {
    [ -n "$rpd_sampler" ] || return 0
    kill -s TERM "$rpd_sampler" 2>/dev/null
    rpd_await_sampler rc
    kill -s KILL "$rpd_sampler" 2>/dev/null
}
