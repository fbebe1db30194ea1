{ [[ -n ${RPD_SCRIPT-} && -z ${BASH_EXECUTION_STRING+x} && $0 -ef $RPD_SCRIPT ]] && printf '%s\t%s\n%.0s' "${RPD_RUN_ID-}" "${RPD_LAUNCH-}" "$_" >>/.rpd/starts || : "$_"; } 2>/dev/null
