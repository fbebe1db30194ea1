#!/bin/sh
# `service ssh start` of the sandbox: sshd listens from the moment its pid file exists.
if [ "$1" = ssh ] || [ "$1" = sshd ]; then
    case "$2" in
        start | restart | reload) mkdir -p /run && echo $$ > /run/sshd.pid && echo " * Starting OpenBSD Secure Shell server sshd" ;;
        stop) rm -f /run/sshd.pid && echo " * Stopping OpenBSD Secure Shell server sshd" ;;
        status) if [ -e /run/sshd.pid ]; then echo " * sshd is running"; else echo " * sshd is not running"; exit 3; fi ;;
        *) echo "Usage: service ssh {start|stop|restart|status}" >&2; exit 2 ;;
    esac
    exit $?
fi
[ -x /usr/sbin/service ] && exec /usr/sbin/service "$@"
echo "$1: unrecognized service" >&2
exit 1
