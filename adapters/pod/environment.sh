# The environment of the container's first process, which a session over SSH lacks.

# Whether the first process is the pod's: where the pod has no process namespace it is somebody else's.
rpd_first_is_ours() {
    [ -r "/proc/$rpd_init/environ" ] && tr '\000' '\n' 2>/dev/null <"/proc/$rpd_init/environ" | grep -q '^RUNPOD_POD_ID='
}

# NAME: its value in the container's environment, else in the file the start script leaves, else in this session. That
# file is read, never run: values are written there unescaped.
rpd_container_value() {
    rpd_value=
    [ -r "/proc/$rpd_init/environ" ] &&
        rpd_value=$(tr '\000' '\n' 2>/dev/null <"/proc/$rpd_init/environ" | sed -n "s/^$1=//p" | head -n 1)
    if [ -z "$rpd_value" ] && [ -r /etc/rp_environment ]; then
        rpd_value=$(sed -n "s/^export $1=//p" /etc/rp_environment | tail -n 1)
        rpd_value=${rpd_value#[\"\']}
        rpd_value=${rpd_value%[\"\']}
    fi
    if [ -z "$rpd_value" ]; then eval "rpd_value=\${$1-}"; fi
    printf '%s' "$rpd_value"
}

# Exports all of it here. Values may hold newlines, so those change places with the NUL that ends a value. What a shell
# keeps for itself is left out, and so is the pod's key: a job must not act on its own pod.
rpd_import_environment() {
    unset RUNPOD_API_KEY
    rpd_first_is_ours || return 0
    rpd_separator=$(printf '\036')
    rpd_newline='
'
    while IFS= read -r rpd_pair; do
        rpd_name=${rpd_pair%%=*}
        case $rpd_name in
            '' | [0-9]* | *[!A-Za-z0-9_]* | rpd_* | _ | IFS | PWD | OLDPWD | SHLVL | OPTIND | PPID | UID | EUID | LINENO) continue ;;
            GROUPS | FUNCNAME | DIRSTACK | RANDOM | SECONDS | BASHOPTS | SHELLOPTS | BASH_VERSINFO | RUNPOD_API_KEY) continue ;;
        esac
        rpd_value=${rpd_pair#*=}
        while :; do
            case $rpd_value in
                *"$rpd_separator"*) rpd_value=${rpd_value%%"$rpd_separator"*}$rpd_newline${rpd_value#*"$rpd_separator"} ;;
                *) break ;;
            esac
        done
        export "$rpd_name=$rpd_value"
    done <<RPD_ENVIRONMENT
$(tr '\n\000' '\036\n' <"/proc/$rpd_init/environ")
RPD_ENVIRONMENT
}

# FILE ARGUMENT...: runs a script of ours detached, in a session of its own, with the container's environment and
# rpd_exports on top. Its own tools are found on this session's path, whatever path is exported to what it runs.
rpd_spawn() {
    rpd_tools=$PATH
    # No brackets: yash would wait for those in a process of its own, which keeps this session's streams open.
    {
        rpd_import_environment
        rpd_exports
        rpd_path=$PATH
        PATH=$rpd_tools
        rpd_exec_session sh "$1" "$rpd_path" "$@"
    } </dev/null >/dev/null 2>&1 &
}
