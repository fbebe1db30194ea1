# Where the content of the n-th secret of this run lies: in memory, so that it ends with the container; empty where the pod
# has no such folder.
rpd_memory_path() {
    if [ -d /dev/shm ] && [ -w /dev/shm ]; then printf '/dev/shm/rpd-%s-secret-%s' "$rpd_run" "$1"; fi
}
