# The shell that runs the job's script where the job file names none: bash or sh. With pipefail a pipe has failed when any
# part of it has, so that a crash does not hide behind `| tee`. A shell that does not know it runs the script without.
# ARGUMENT...: what stands before the shell.
rpd_exec_script() {
    rpd_shell=$(command -v bash || command -v sh)
    if BASH_ENV='' ENV='' "$rpd_shell" -o pipefail -c : >/dev/null 2>&1; then
        rpd_exec_session "$@" "$rpd_shell" -o pipefail "$rpd_script"
    else
        rpd_exec_session "$@" "$rpd_shell" "$rpd_script"
    fi
}
