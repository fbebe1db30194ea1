# Puts files of secrets in their places: the content in memory where there is some, and a link to it at the destination.
# rpd_secret_<n> prints the content of the n-th, base64.

rpd_decode() {
    if rpd_has base64; then base64 -d
    elif rpd_has openssl; then openssl base64 -d -A
    else python3 -c 'import base64, sys; sys.stdout.buffer.write(base64.b64decode(sys.stdin.buffer.read()))'
    fi
}

# FILE MODE NUMBER BYTES: the content, whole or not at all.
rpd_write_secret() {
    rm -f "$1.rpd-tmp" && : >"$1.rpd-tmp" && rpd_chmod 600 "$1.rpd-tmp" &&
        "rpd_secret_$3" | rpd_decode >"$1.rpd-tmp" && [ "$(rpd_size "$1.rpd-tmp")" -eq "$4" ] &&
        rpd_chmod "$2" "$1.rpd-tmp" && rpd_replace "$1.rpd-tmp" "$1"
}

# DRAFT LINK: a link takes the place of whatever is there; where nothing is moved over a file, that goes first.
rpd_put_link() { mv -f "$1" "$2" 2>/dev/null || { rm -f "$2" && mv -f "$1" "$2"; }; }

# NUMBER DESTINATION MODE BYTES
rpd_place() {
    [ ! -d "$2" ] || { echo "$2 is a folder" >&2; return 1; }
    mkdir -p "$(dirname "$2")" || return 1
    rpd_kept=$(rpd_memory_path "$1")
    if [ -n "$rpd_kept" ] && rpd_write_secret "$rpd_kept" "$3" "$1" "$4" 2>/dev/null; then
        rm -f "$2.rpd-tmp" && ln -s "$rpd_kept" "$2.rpd-tmp" && rpd_put_link "$2.rpd-tmp" "$2"
    else
        [ -z "$rpd_kept" ] || rm -f "$rpd_kept" "$rpd_kept.rpd-tmp"
        rpd_on_disk=1
        rpd_write_secret "$2" "$3" "$1" "$4"
    fi
}

rpd_main() {
    umask 077
    rpd_has base64 || rpd_has openssl || rpd_has python3 || rpd_fail no_tool 'base64, openssl or python3 is needed for secrets'
    rpd_own
    rpd_on_disk=
    rpd_place_all 2>"$rpd_folder/.place.$$" || {
        rpd_error=$(cat "$rpd_folder/.place.$$" 2>/dev/null)
        rm -f "$rpd_folder/.place.$$"
        rpd_fail path_refused "${rpd_error:-a secret could not be written whole}"
    }
    rm -f "$rpd_folder/.place.$$"
    if [ -n "$rpd_on_disk" ]; then echo memory=0; else echo memory=1; fi
}

rpd_main
