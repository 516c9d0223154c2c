#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# dns-knotc: publishes records through Knot's control socket, in one transaction of the zone.
#
# Settings:
#	SOCKET   the control socket (Knot's own default)
#	CONFIG   knot.conf, instead of SOCKET
#	ZONE     the zone, if it is not the mail domain itself
#	TIMEOUT  seconds for each step (30)

# shellcheck disable=SC2034  # read in hook-lib.sh
hook_name=dns-knotc
# shellcheck source=hooks/hook-lib.sh
. "${0%/*}/hook-lib"

hook_settings() {
	limit=${ROTATED_SETTING_TIMEOUT:-30}
	config=${ROTATED_SETTING_CONFIG-}
	socket=${ROTATED_SETTING_SOCKET-}
	hook_need knotc knot
	[ -z "$config" ] || [ -r "$config" ] || hook_config "CONFIG=$config can not be read"
	case $limit in
	0* | *[!0-9]*) hook_config "TIMEOUT is a number of seconds" ;;
	esac
	case ${ROTATED_SETTING_ZONE-} in
	-* | *[!A-Za-z0-9._-]*) hook_config "ZONE is a name" ;;
	esac
}

knot() {
	if [ -n "$config" ]; then
		set -- -c "$config" "$@"
	elif [ -n "$socket" ]; then
		set -- -s "$socket" "$@"
	fi
	timeout --foreground -k 5 $((limit + 5)) knotc -t "$limit" "$@" </dev/null >"$hook_dir/said" 2>&1
}

said() {
	tr -s '[:space:][:cntrl:]' ' ' <"$hook_dir/said" | cut -c1-400
}

# "no such record" is the state we want. The name in question may hold other types.
unset_text() { # NAME
	knot zone-unset "$zone" "$1" TXT && return
	case $(said) in
	*"no such node"* | *"no such record"* | *"not exists"*) return 0 ;;
	esac
	return 1
}

change() {
	while IFS=$TAB read -r op name ttl text; do
		[ "$op" != zone ] || continue
		unset_text "$name" || return 1
		[ "$op" = absent ] || knot zone-set "$zone" "$name" "$ttl" TXT "$text" || return 1
	done <"$hook_changes"
}

hook_describe() {
	while IFS=$TAB read -r op name ttl text; do
		[ "$op" != zone ] || continue
		printf 'zone-unset %s TXT\n' "$name"
		[ "$op" = absent ] || printf 'zone-set %s %s TXT %s\n' "$name" "$ttl" "$text"
	done <"$hook_changes"
}

hook_check() {
	knot status || hook_temporary "knotc: $(said)"
}

fail() {
	why=$(said)
	knot zone-abort "$zone" # or the next transaction could not begin
	case $why in
	*"not permitted"* | *"permission denied"* | *"denied"*) hook_denied "knotc: $why" ;;
	*"no such zone"*) hook_config "knotc: $why" ;;
	esac
	hook_temporary "knotc: $why"
}

hook_apply() {
	zone=${ROTATED_SETTING_ZONE:-$hook_zone}
	# One of ours that was killed may have left its transaction open; the worker runs one hook
	# for a zone at a time.
	knot zone-begin "$zone" || { knot zone-abort "$zone" && knot zone-begin "$zone"; } || fail
	trap 'knot zone-abort "$zone"; exit 75' HUP INT TERM
	change || fail
	knot zone-commit "$zone" || fail
	hook_results ok ""
}

hook_main "$@"
