#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# dns-nsupdate: publishes records by dynamic update (RFC 2136) signed with a TSIG key.
# All changes go in one transaction: a reader sees the old records or the new, never half.
#
# Settings:
#	KEY_FILE  the TSIG key, as tsig-keygen(8) prints it; readable by rotated-worker only
#	SERVER    the primary server; without it, the one in the zone's SOA record
#	PORT      its port (53)
#	ZONE      the zone to update, if it is not the mail domain itself
#	TIMEOUT   seconds to wait for the server (30)
#
# At the server, let the key change the DKIM subtree only, as in BIND:
#	update-policy { grant KEYNAME subdomain _domainkey.example.com. TXT; };

# shellcheck disable=SC2034  # read in hook-lib.sh
hook_name=dns-nsupdate
# shellcheck source=hooks/hook-lib.sh
. "${0%/*}/hook-lib"

hook_settings() {
	key=${ROTATED_SETTING_KEY_FILE-}
	server=${ROTATED_SETTING_SERVER-}
	port=${ROTATED_SETTING_PORT:-53}
	zone=${ROTATED_SETTING_ZONE-}
	limit=${ROTATED_SETTING_TIMEOUT:-30}

	hook_need nsupdate bind9-dnsutils
	[ -n "$key" ] || hook_config "KEY_FILE is not set; add: setting = KEY_FILE=/path/of/key"
	[ -r "$key" ] || hook_config "the key file $key can not be read"
	case $port$limit in
	*[!0-9]*) hook_config "PORT and TIMEOUT are numbers" ;;
	esac
	case $limit in
	0*) hook_config "TIMEOUT is a number of seconds" ;; # sh would read 010 as eight
	esac
	case $server$zone in
	*[!A-Za-z0-9.:_-]*) hook_config "SERVER is an address or a name, ZONE a name" ;;
	esac
}

# `zone` is always said: to find it out, nsupdate would ask the resolver for the record's name.
script() {
	[ -z "$server" ] || printf 'server %s %s\n' "$server" "$port"
	printf 'zone %s\n' "${zone:-$hook_zone}"
	while IFS=$TAB read -r op name ttl text; do
		case $op in
		set)
			printf 'update delete %s TXT\n' "$name"
			printf 'update add %s %s TXT %s\n' "$name" "$ttl" "$text"
			;;
		absent)
			printf 'update delete %s TXT\n' "$name"
			;;
		esac
	done <"$hook_changes"
	printf 'send\n'
}

hook_describe() {
	script
}

hook_check() {
	: # the settings are right; whether the key is, only an update can tell
}

# What nsupdate says, by its words: its exit status is 2 for all of these.
judge() {
	case $1 in
	*REFUSED* | *NOTAUTH* | *BADKEY* | *BADSIG* | *"TSIG error"*)
		hook_denied "the server refuses: $1"
		;;
	*NOTZONE* | *"could not read key"* | *"syntax error"* | *"bad name"* | *FORMERR*)
		hook_config "$1"
		;;
	*)
		hook_temporary "$1"
		;;
	esac
}

hook_apply() {
	script >"$hook_dir/script"
	if timeout --foreground -k 5 $((limit + 10)) nsupdate -t "$limit" -k "$key" "$hook_dir/script" \
		>"$hook_dir/said" 2>&1; then
		hook_results ok ""
		return
	fi
	judge "$(tr -s '[:space:][:cntrl:]' ' ' <"$hook_dir/said" | cut -c1-400)"
}

hook_main "$@"
