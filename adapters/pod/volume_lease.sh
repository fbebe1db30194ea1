# Destinations on a volume that other pods mount: each has a folder <leases>/<key>.<n> with the file "holder" (run, epoch,
# pod, its name, the place), and "over" once it is given up. The highest n counts. A folder comes into being with all that
# it holds, by one move, and only one of two can make it; the newest is never removed, so that no number comes twice.

# KEY: sets rpd_number to the highest one, 0 where there is none.
rpd_newest() {
    rpd_number=0
    for rpd_dir in "$rpd_leases/$1".*; do
        case ${rpd_dir##*.} in '' | *[!0-9]*) continue ;; esac
        [ "${rpd_dir##*.}" -le "$rpd_number" ] || rpd_number=${rpd_dir##*.}
    done
}

# FOLDER: sets rpd_its_run, rpd_its_pod, rpd_its_name and rpd_its_place; false where nobody holds it.
rpd_read_holder() {
    rpd_its_run='' rpd_its_pod='' rpd_its_name='' rpd_its_place=''
    [ ! -f "$1/over" ] || return 1
    {
        IFS= read -r rpd_its_run
        IFS= read -r rpd_rest
        IFS= read -r rpd_its_pod
        IFS= read -r rpd_its_name
        IFS= read -r rpd_its_place
    } 2>/dev/null <"$1/holder" || return 1
    [ -n "$rpd_its_run" ]
}

# FOLDER: whether another holds it, as far as is known here. One pod serves one run at a time.
rpd_is_held() {
    rpd_read_holder "$1" || return 1
    [ "$rpd_its_run" != "$rpd_run" ] && [ "$rpd_its_pod" != "$rpd_pod" ] || return 1
    case " $rpd_gone " in *" ${1##*/} "*) return 1 ;; esac
}

# FOLDER
rpd_tell_holder() {
    rpd_told=1
    printf 'holder=%s %s %s %s %s\n' "${1##*/}" "$rpd_its_run" "${rpd_its_pod:--}" "${rpd_its_name:--}" "$rpd_its_place"
}

# KEY PLACE
rpd_take() {
    rpd_newest "$1"
    rpd_last=$rpd_leases/$1.$rpd_number
    if [ "$rpd_number" -gt 0 ] && rpd_is_held "$rpd_last"; then rpd_tell_holder "$rpd_last"; return 0; fi
    rpd_before=$rpd_number
    rpd_mine=$rpd_leases/$1.$((rpd_number + 1))
    rpd_draft=$rpd_leases/draft-$rpd_run-$$
    mkdir -p "$rpd_draft" &&
        rpd_put "$rpd_draft/holder" "$rpd_run
$rpd_epoch
$rpd_pod
$rpd_pod_name
$2" && mv "$rpd_draft" "$rpd_mine" || return 1
    # Onto a folder that another has made meanwhile it was moved as something in it.
    rm -rf "${rpd_mine:?}/${rpd_draft##*/}"
    rpd_newest "$1"
    rpd_last=$rpd_leases/$1.$rpd_number
    if rpd_is_held "$rpd_last"; then rpd_tell_holder "$rpd_last"; return 0; fi
    rpd_taken="$rpd_taken $1.$rpd_number"
    [ "$rpd_before" -eq 0 ] || rm -rf "$rpd_leases/$1.$rpd_before" || :
}

# KEY PLACE: tells of whoever holds what lies in it, or what it lies in.
rpd_look_around() {
    for rpd_lease in "$rpd_leases"/*.*; do
        rpd_is_held "$rpd_lease" || continue
        case $rpd_its_place/ in "$2"/*) ;; *) case $2/ in "$rpd_its_place"/*) ;; *) continue ;; esac ;; esac
        rpd_key=${rpd_lease##*/}
        rpd_newest "${rpd_key%.*}"
        [ "${rpd_key##*.}" -eq "$rpd_number" ] || continue
        rpd_tell_holder "$rpd_lease"
    done
    return 0
}

# Each is taken before the others are looked at: of two that come at once, one at least sees the other.
rpd_take_all() {
    rpd_own
    rpd_told='' rpd_taken=''
    rpd_error=$(mkdir -p "$rpd_leases" 2>&1) || rpd_fail path_refused "$rpd_error"
    rpd_places rpd_take 2>/dev/null || rpd_fail path_refused "$rpd_leases cannot be written"
    [ -n "$rpd_told" ] || rpd_places rpd_look_around
    if [ -n "$rpd_told" ]; then
        for rpd_key in $rpd_taken; do true >"$rpd_leases/$rpd_key/over"; done
    fi
    echo leases=1
}

rpd_drop_all() {
    rpd_own
    for rpd_lease in "$rpd_leases"/*.*; do
        rpd_read_holder "$rpd_lease" || continue
        if [ "$rpd_its_run" = "$rpd_run" ]; then true >"$rpd_lease/over"; fi
    done
    echo leases=1
}
