# Sees that uv has the interpreter rpd_version, and pins it in the folder rpd_project if there is one. Where uv is missing
# it is brought. Runs as the command of a step: what it printed last says how it went.

rpd_has() { command -v "$1" >/dev/null 2>&1; }

rpd_stop() {
    printf '%s\n' "$1"
    exit 1
}

# A folder on PATH that takes a new file, so that every later step and the job find it there.
rpd_find_bin() {
    rpd_old_ifs=$IFS
    IFS=:
    set -f
    for rpd_dir in /usr/local/bin $PATH; do
        case :$PATH: in *":$rpd_dir:"*) ;; *) continue ;; esac
        case $rpd_dir in /*) ;; *) continue ;; esac
        if [ -d "$rpd_dir" ] && [ -w "$rpd_dir" ]; then
            rpd_bin=$rpd_dir
            break
        fi
    done
    set +f
    IFS=$rpd_old_ifs
    [ -n "$rpd_bin" ]
}

# COMMAND...: fetches uv's installer with it, and runs that.
rpd_install_by() {
    rpd_has "$1" || { rpd_why="$rpd_why no $1,"; return 1; }
    "$@" && env UV_INSTALL_DIR="$rpd_bin" UV_NO_MODIFY_PATH=1 INSTALLER_NO_MODIFY_PATH=1 sh "$rpd_installer" && rpd_has uv &&
        return 0
    rpd_why="$rpd_why $1 failed,"
    return 1
}

rpd_pip() { "$rpd_python" -m pip install --quiet --disable-pip-version-check --timeout 15 --retries 1 "$@" uv; }

# pip puts it beside the interpreter, which need not be on PATH. Newer systems want to be told that theirs may be changed.
rpd_install_by_pip() {
    for rpd_python in python3 python ''; do
        if [ -n "$rpd_python" ] && rpd_has "$rpd_python"; then break; fi
    done
    [ -n "$rpd_python" ] || { rpd_why="$rpd_why no python"; return 1; }
    if rpd_pip || rpd_pip --break-system-packages; then
        rpd_has uv || ln -sf "$("$rpd_python" -c 'import uv; print(uv.find_uv_bin())')" "$rpd_bin/uv"
        rpd_has uv && return 0
    fi
    rpd_why="$rpd_why $rpd_python -m pip failed"
    return 1
}

rpd_bring_uv() {
    rpd_bin='' rpd_why=''
    rpd_find_bin || rpd_stop "uv is missing in the pod, and no folder on PATH can be written to put it there: $PATH"
    rpd_url=https://astral.sh/uv/install.sh
    rpd_installer=$(mktemp) || rpd_stop 'uv is missing in the pod, and there is no room for its installer'
    rpd_install_by curl -fsSL --connect-timeout 15 --max-time 60 -o "$rpd_installer" "$rpd_url" ||
        rpd_install_by wget -q -T 15 -t 2 -O "$rpd_installer" "$rpd_url" ||
        rpd_install_by_pip ||
        rpd_stop "uv is missing in the pod and could not be installed:$rpd_why; install it in setup, or take an image with it"
    rm -f "$rpd_installer"
}

rpd_has uv || rpd_bring_uv
uv --version || rpd_stop "uv in the pod does not run: $(command -v uv)"
uv python install "$rpd_version" || rpd_stop "uv could not install Python $rpd_version"
if [ -d "$rpd_project" ]; then
    cd "$rpd_project" && uv python pin "$rpd_version" || rpd_stop "uv could not pin Python $rpd_version in $rpd_project"
fi
rpd_found=$(uv python find "$rpd_version") || rpd_stop "uv does not find Python $rpd_version after it was installed"
rpd_said=$("$rpd_found" --version 2>&1) || rpd_stop "$rpd_found does not run: $rpd_said"
case $rpd_said. in
    "Python $rpd_version."*) printf '%s\n' "$rpd_said" ;;
    *) rpd_stop "uv was asked for Python $rpd_version, and $rpd_found is $rpd_said" ;;
esac
