#!/bin/sh
# nvidia-smi of the sandbox: answers for idle GPUs that are not there. The first lines are filled in per pod.
gpu_name='@GPU_NAME@'
gpu_count=@GPU_COUNT@
gpu_mib=@GPU_MIB@
gpu_token='@GPU_TOKEN@'
driver=570.124.06

query= header=1 units=1 list=0 only= every= apps=0
while [ $# -gt 0 ]; do
    case "$1" in
        -L | --list-gpus) list=1 ;;
        --query-gpu=*) query=${1#*=} ;;
        --query-compute-apps=* | --query-accounted-apps=*) apps=1; query=${1#*=} ;;
        --format=*)
            case ",${1#*=}," in *,noheader,*) header=0 ;; esac
            case ",${1#*=}," in *,nounits,*) units=0 ;; esac
            ;;
        -i | --id) only=$2; shift ;;
        -i=* | --id=*) only=${1#*=} ;;
        -l | --loop) every=${2:-5}; [ $# -gt 1 ] && shift ;;
        -l=* | --loop=*) every=${1#*=} ;;
        -lms | --loop-ms) every=$(awk "BEGIN { print ${2:-1000} / 1000 }"); [ $# -gt 1 ] && shift ;;
        -lms=* | --loop-ms=*) every=$(awk "BEGIN { print ${1#*=} / 1000 }") ;;
    esac
    shift
done

if [ "$gpu_count" -eq 0 ]; then
    echo "No devices were found"
    exit 6
fi

answer() {
    awk -v query="$query" -v header=$header -v units=$units -v only="$only" -v name="$gpu_name" -v count=$gpu_count \
        -v mib=$gpu_mib -v token="$gpu_token" -v driver=$driver -v now="$(date '+%Y/%m/%d %H:%M:%S.000')" '
    function value(field, i) {
        if (field == "timestamp") return now
        if (field == "name" || field == "gpu_name") return name
        if (field == "index") return i
        if (field == "count") return count
        if (field == "uuid" || field == "gpu_uuid") return sprintf("GPU-%s-0000-0000-0000-%012d", token, i)
        if (field == "pci.bus_id" || field == "gpu_bus_id") return sprintf("00000000:%02X:00.0", i + 1)
        if (field == "driver_version") return driver
        if (field == "compute_cap") return "9.0"
        if (field == "pstate") return "P8"
        if (field == "persistence_mode") return "Enabled"
        if (field == "compute_mode") return "Default"
        if (field in fixed) return fixed[field] (units && field in unit ? " " unit[field] : "")
        return ""
    }
    BEGIN {
        fixed["memory.total"] = mib; fixed["memory.used"] = 1; fixed["memory.free"] = mib - 1; fixed["memory.reserved"] = 0
        fixed["utilization.gpu"] = 0; fixed["utilization.memory"] = 0; fixed["fan.speed"] = 0
        fixed["temperature.gpu"] = 31; fixed["temperature.memory"] = 35
        fixed["power.draw"] = "52.10"; fixed["power.limit"] = "400.00"; fixed["power.max_limit"] = "400.00"
        fixed["clocks.sm"] = 210; fixed["clocks.gr"] = 210; fixed["clocks.mem"] = 1593; fixed["clocks.max.sm"] = 1980
        n = split("memory.total memory.used memory.free memory.reserved", names, " ")
        for (k = 1; k <= n; k++) unit[names[k]] = "MiB"
        n = split("utilization.gpu utilization.memory fan.speed", names, " ")
        for (k = 1; k <= n; k++) unit[names[k]] = "%"
        n = split("power.draw power.limit power.max_limit", names, " ")
        for (k = 1; k <= n; k++) unit[names[k]] = "W"
        n = split("clocks.sm clocks.gr clocks.mem clocks.max.sm", names, " ")
        for (k = 1; k <= n; k++) unit[names[k]] = "MHz"
        n = split(query, fields, ",")
        line = ""
        for (k = 1; k <= n; k++) {
            gsub(/^ +| +$/, "", fields[k])
            if (value(fields[k], 0) == "") {
                printf "Field \"%s\" is not a valid field to query.\n\n", fields[k]
                exit 2
            }
            line = line (k > 1 ? ", " : "") fields[k] (fields[k] in unit ? " [" unit[fields[k]] "]" : "")
        }
        if (header) print line
        for (i = 0; i < count; i++) {
            if (only != "" && only != i) continue
            line = ""
            for (k = 1; k <= n; k++) line = line (k > 1 ? ", " : "") value(fields[k], i)
            print line
        }
    }'
}

table() {
    rule="+-----------------------------------------------------------------------------------------+"
    date '+%a %b %e %H:%M:%S %Y'
    echo "$rule"
    printf '| NVIDIA-SMI %-18s Driver Version: %-18s CUDA Version: 12.8      |\n' "$driver" "$driver"
    echo "$rule"
    i=0
    while [ "$i" -lt "$gpu_count" ]; do
        printf '| %3d  %-30s |   %6dMiB / %6dMiB |      %3d%%      Default       |\n' "$i" "$gpu_name" 1 "$gpu_mib" 0
        i=$((i + 1))
    done
    echo "$rule"
}

while :; do
    if [ "$list" -eq 1 ]; then
        i=0
        while [ "$i" -lt "$gpu_count" ]; do
            printf 'GPU %d: %s (UUID: GPU-%s-0000-0000-0000-%012d)\n' "$i" "$gpu_name" "$gpu_token" "$i"
            i=$((i + 1))
        done
    elif [ "$apps" -eq 1 ]; then
        [ "$header" -eq 1 ] && echo "$query" | sed 's/, */, /g'
    elif [ -n "$query" ]; then
        answer || exit $?
    else
        table
    fi
    [ -n "$every" ] || exit 0
    sleep "$every"
done
