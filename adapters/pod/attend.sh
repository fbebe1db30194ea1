# The owner of a session is here: marks this owner, and renews the lease that the switch looks at.

rpd_own
rpd_error=$(mkdir -p "$rpd_folder/switch" 2>&1) || rpd_fail path_refused "$rpd_error"
rpd_write "$rpd_folder/switch/owner" "$(rpd_now)" || rpd_fail path_refused 'the lease of the owner could not be written'
printf 'here=1\n'
