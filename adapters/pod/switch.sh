# The dead-man's switch. It releases this pod from inside with the key RunPod gave it, and never ends.
# This text also stands in the pod's start command: no single quotes, no secrets, short names; comments and indents are
# taken out. It needs RUNPOD_POD_ID, RUNPOD_API_KEY and, for another cloud, RPD_API_URL in its environment.
#   <home>/orders  line 1 "<generation> <limit> <action> <silence>", line 2 the claim folder, line 3 the owner heartbeat
#   <home>/loop    "<pid> <start> start|ssh" of the loop at work
# Before there are orders RPD_LIMIT_AT (UTC seconds) holds, with RPD_LIMIT_ACTION (stop).
rpd_l=$(printf "\nx"); rpd_l=${rpd_l%x}

# FOLDER: where the pod's orders lie: on the volume if it can be written to, since they have to outlive a restart, and can
# move one file over another, since they are replaced while they are read. Where a loop has begun it stays.
rpd_home() {
    for d in "$1/.rpd" /dev/shm/rpd /tmp/.rpd; do
        d=$d/pod-$RUNPOD_POD_ID
        if mkdir -p "$d" && [ -w "$d" ] && { [ -f "$d/loop" ] || { true >"$d/a$$" && true >"$d/b$$" && mv -f "$d/a$$" "$d/b$$"; }; }; then
            rm -f "$d/b$$"
            echo "$d"
            return
        fi
        rm -f "$d/a$$" "$d/b$$"
    done
} 2>/dev/null

# METHOD PATH|URL BODY: prints the answer, and on a line of its own the status; nothing where no client got one. The key
# goes to the client through a pipe, the environment or (wget takes no pipe) a private file, never as an argument.
rpd_http() {
    u=${RPD_API_URL:-https://api.runpod.io/v2}; u=${u%/}$2
    case $2 in http*) u=$2 ;; esac
    if command -v curl >/dev/null; then
        r=$(printf "header = \"Authorization: Bearer %s\"\n" "$RUNPOD_API_KEY" | curl -K - -s -m 20 -A rpd-switch -X "$1" ${3:+-H "Content-Type: application/json" -d "$3"} -w "\n%{http_code}" "$u")
        case ${r##*"$rpd_l"} in [1-5]??) echo "$r"; return ;; esac
    fi
    if command -v python3 >/dev/null; then
        r=$(RUNPOD_API_KEY=$RUNPOD_API_KEY python3 -c "import os,sys,urllib.request as r
class P(r.HTTPErrorProcessor): http_response=https_response=lambda s,q,a:a
_,m,u,b=sys.argv
h={\"Authorization\":\"Bearer \"+os.environ[\"RUNPOD_API_KEY\"],\"User-Agent\":\"rpd-switch\",\"Content-Type\":\"application/json\"}
a=r.build_opener(P).open(r.Request(u,b.encode() or None,h,method=m),timeout=20)
print(a.read().decode(),a.status,sep=\"\n\")" "$1" "$u" "$3")
        case ${r##*"$rpd_l"} in [1-5]??) echo "$r"; return ;; esac
    fi
    if command -v wget >/dev/null; then
        t=/dev/shm/.rpd.$$
        [ -w /dev/shm ] || t=/tmp/.rpd.$$
        (umask 077; set -C; rm -f $t; printf "header = Authorization: Bearer %s\n" "$RUNPOD_API_KEY" >$t)
        r=$(wget --config=$t -q -T 20 -t 1 -U rpd-switch --method="$1" ${3:+--header="Content-Type: application/json" --body-data="$3"} --save-headers --content-on-error -O - "$u")
        rm -f $t
        s=${r#HTTP/* }; s=${s%%[!0-9]*}
        case $s in [1-5]??) echo "$r$rpd_l$s" ;; esac
    fi
} 2>/dev/null

# runpodctl, which must not hang for ever.
rpd_tool() { if command -v timeout; then timeout -s KILL 60 runpodctl "$@"; else runpodctl "$@"; fi; }

# stop|terminate: asks every way there is until one says yes.
rpd_release() {
    i=$RUNPOD_POD_ID g=Stop v=stop o=stop
    if [ "$1" = terminate ]; then
        g=Terminate v=delete o=remove
        r=$(rpd_http DELETE "/pods/$i")
    else
        r=$(rpd_http POST "/pods/$i/action" "{\"action\":\"stop\"}")
    fi
    case ${r##*"$rpd_l"} in 2??) return ;; esac
    if [ -z "$RPD_API_URL" ]; then
        r=$(rpd_http POST https://api.runpod.io/graphql "{\"query\":\"mutation{pod$g(input:{podId:\\\"$i\\\"})$([ $g = Stop ] && echo {id})}\"}")
        case $r in *errors*) ;; *2??) return ;; esac
    fi
    rpd_tool pod $v "$i" || rpd_tool $o pod "$i"
} >/dev/null 2>&1

# PID START: whether that process lives.
rpd_is() {
    read -r x 2>/dev/null <"/proc/$1/stat" || return 1
    x=${x##*) }
    case $x in Z*) return 1 ;; esac
    y=$2
    set -- $x
    [ "${20}" = "$y" ]
}

# FILE: the same of the process it names.
rpd_at() { [ -f "$1" ] && read -r p t x <"$1" && rpd_is "$p" "$t"; } 2>/dev/null

# The claim folder's job has ended: it left an exit code, or it started and nothing of it lives.
rpd_over() {
    [ -f "$1/rc" ] && return
    [ -d "$1/gate" ] && [ -f "$1/pid" ] && ! rpd_at "$1/pid" && ! rpd_at "$1/job"
}

# When this pod was started, by the provider, in UTC seconds; nothing when it does not say.
rpd_since() {
    r=$(rpd_http GET "/pods/$RUNPOD_POD_ID")
    case $r in *\"startedAt\":*) r=${r#*\"startedAt\":} ;; *) return ;; esac
    r=${r#*\"}
    case $r in ????-??-??[T\ ]??:??:??*) ;; *) return ;; esac
    s=${r%"${r#???????????????????}"}
    date -u -d "${s%[T ]*} ${s#*[T ]}" +%s 2>/dev/null
}

# FOLDER start|ssh: the loop. A limit that was past when it began may be an old one, left by an earlier start of the pod:
# when the provider says that the pod was started after it, or does not say, there is a grace to be given new orders.
rpd_switch() {
    trap "" HUP INT TERM
    read -r me x </proc/self/stat
    x=${x##*) }
    k=$2 v=$1
    set -- $x
    me="$me ${20} $k"
    b=$(date +%s) e= h= z= w=
    while :; do
        [ -d "$h" ] || h=$(rpd_home "$v")
        read -r m 2>/dev/null <"$h/loop" || m=
        if [ "$m" != "$me" ] && { [ $k = start ] || ! rpd_at "$h/loop"; }; then
            echo "$me" >"$h/loop.$k" && mv -f "$h/loop.$k" "$h/loop"
        fi
        l=$RPD_LIMIT_AT a=${RPD_LIMIT_ACTION:-stop} q= j= f= g=
        [ -f "$h/orders" ] && { read -r g l a q; read -r j; read -r f; } <"$h/orders"
        n=$(date +%s) due=
        case $l in "" | *[!0-9]*) ;; *)
            if [ "$n" -ge "$l" ]; then
                due=1
                if [ "$l" -le "$b" ]; then
                    [ -n "$z" ] || z=$(rpd_since)
                    [ "${z:-$((l + 1))}" -le "$l" ] || [ "$n" -ge $((b + ${RPD_SWITCH_GRACE:-600})) ] || due=
                fi
            fi ;;
        esac
        if [ -n "$q" ] && rpd_over "$j"; then
            e=${e:-$n} t=
            [ -f "$f" ] && read -r t <"$f"
            case $t in "" | *[!0-9]*) ;; *) w=$t ;; esac
            [ "${w:-0}" -gt "$e" ] || w=$e
            [ $((n - w)) -lt "$q" ] || due=1
        else
            e=
        fi
        [ -z "$due" ] || (rpd_release "$a")
        sleep "${RPD_SWITCH_INTERVAL:-30}"
    done
}
