# Removes files of secrets, also half written ones, and sees that none is left.

# NUMBER DESTINATION
rpd_unplace() {
    rpd_kept=$(rpd_memory_path "$1")
    [ -z "$rpd_kept" ] || rm -f "$rpd_kept" "$rpd_kept.rpd-tmp"
    rm -f "$2" "$2.rpd-tmp"
    for rpd_one in "$2" "$2.rpd-tmp" ${rpd_kept:+"$rpd_kept" "$rpd_kept.rpd-tmp"}; do
        if [ -e "$rpd_one" ] || [ -L "$rpd_one" ]; then rpd_fail path_refused "$rpd_one is still there"; fi
    done
}

rpd_main() {
    rpd_own
    rpd_unplace_all 2>/dev/null
    echo removed=1
}

rpd_main
