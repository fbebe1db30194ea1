# Pushes files of this pod to a bucket and prints what lies there then: the tool's name in a line, and its listing.
# rpd_root holds the files of rpd_names, one a line; with rpd_single only that one, and rpd_to is its own place. rpd_to is
# `s3://...`, `gs://...` or a remote of rclone's; rpd_is_all says that nothing of rpd_root is left out.

# What a URL does not say comes from the environment, as the AWS tools know it; a remote of rclone's has a config of its own.
rpd_rclone_place() {
    case $rpd_to in
        s3://*)
            rpd_to=:s3:${rpd_to#s3://}
            export RCLONE_S3_ENV_AUTH="${RCLONE_S3_ENV_AUTH:-true}" RCLONE_S3_PROVIDER="${RCLONE_S3_PROVIDER:-AWS}"
            # A bucket that is not there is a mistake, and keys for one need not make others.
            export RCLONE_S3_NO_CHECK_BUCKET="${RCLONE_S3_NO_CHECK_BUCKET:-true}"
            rpd_region=${RCLONE_S3_REGION:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
            rpd_endpoint=${RCLONE_S3_ENDPOINT:-${AWS_ENDPOINT_URL_S3:-${AWS_ENDPOINT_URL:-}}}
            [ -z "$rpd_region" ] || export RCLONE_S3_REGION="$rpd_region"
            [ -z "$rpd_endpoint" ] || export RCLONE_S3_ENDPOINT="$rpd_endpoint"
            ;;
        gs://*)
            rpd_to=:gcs:${rpd_to#gs://}
            export RCLONE_GCS_ENV_AUTH="${RCLONE_GCS_ENV_AUTH:-true}"
            export RCLONE_GCS_NO_CHECK_BUCKET="${RCLONE_GCS_NO_CHECK_BUCKET:-true}"
            ;;
    esac
}

rpd_by_rclone() {
    rpd_rclone_place
    unset RCLONE_LINKS
    export RCLONE_COPY_LINKS=true  # the names that it gets are those of files, and of links to be pushed as files
    if [ -n "$rpd_single" ]; then
        rclone copyto "$rpd_root/$rpd_single" "$rpd_to" >&2 || exit 5
    else
        rclone copy --files-from-raw "$rpd_list" "$rpd_root" "$rpd_to" >&2 || exit 5
    fi
    echo rclone
    rclone lsjson -R --files-only --no-modtime --no-mimetype "$rpd_to" || exit 6
}

rpd_by_aws() {
    if [ -n "$rpd_single" ]; then
        aws s3 cp --no-progress "$rpd_root/$rpd_single" "$rpd_to" >&2 || exit 5
    elif [ -n "$rpd_is_all" ]; then
        aws s3 cp --recursive --no-follow-symlinks --no-progress "$rpd_root" "$rpd_to" >&2 || exit 5
    else
        while IFS= read -r rpd_one; do
            aws s3 cp --no-progress "$rpd_root/$rpd_one" "$rpd_to/$rpd_one" </dev/null >&2 || exit 5
        done <"$rpd_list"
    fi
    echo aws
    # It ends with 1 where there is nothing.
    aws s3 ls --recursive "$rpd_to" || [ $? -eq 1 ] || exit 6
}

rpd_main() {
    rpd_import_environment
    rpd_exports
    rpd_sources >&2  # what it prints is no answer of the tool, and how it ends stops no job either
    rpd_is_s3=
    case $rpd_to in s3://*) rpd_is_s3=1 ;; esac
    rpd_list=$(mktemp) || exit 4
    trap 'rm -f "$rpd_list"' EXIT
    rpd_names >"$rpd_list" || exit 4
    if rpd_has rclone; then rpd_by_rclone
    elif [ -n "$rpd_is_s3" ] && rpd_has aws; then rpd_by_aws
    elif [ -n "$rpd_is_s3" ]; then exit 9
    else exit 8
    fi
}

rpd_main
