#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# dns-zonefile: keeps the records in a file of their own, which the zone takes in with
#	$INCLUDE /var/lib/rotated-zones/example.com.inc
# and then makes the name server read the zone again. For servers with plain zone files, such
# as NSD and Knot. Only the records of a job are touched; others in the file stay.
#
# Settings:
#	FILE       the file; it may be missing at first, its directory must be writable for us
#	RELOAD     the command that makes the server read the zone, split at blanks, run without
#	           a shell: "knotc zone-reload example.com" or "nsd-control reload example.com"
#	ZONE_FILE  the zone file whose SOA serial is to be raised, if the server wants that. In it
#	           the serial is the number before the one comment that begins "; serial".
#	           Without ZONE_FILE nothing is raised: right for Knot with
#	           `zonefile-load: difference-no-serial`, and for one that is reloaded by force.
#	TIMEOUT    seconds that RELOAD may take (60)

# shellcheck disable=SC2034  # read in hook-lib.sh
hook_name=dns-zonefile
# shellcheck source=hooks/hook-lib.sh
. "${0%/*}/hook-lib"

hook_settings() {
	file=${ROTATED_SETTING_FILE-}
	reload=${ROTATED_SETTING_RELOAD-}
	zone_file=${ROTATED_SETTING_ZONE_FILE-}
	limit=${ROTATED_SETTING_TIMEOUT:-60}

	case $file$zone_file in
	/*) ;;
	*) hook_config "FILE is not set to an absolute path; add: setting = FILE=/path" ;;
	esac
	[ -n "$file" ] || hook_config "FILE is not set"
	[ -w "${file%/*}/" ] || hook_config "the directory ${file%/*} is not writable"
	[ -z "$zone_file" ] || [ -r "$zone_file" ] || hook_config "$zone_file can not be read"
	[ -z "$zone_file" ] || [ -w "${zone_file%/*}/" ] ||
		hook_config "the directory ${zone_file%/*} is not writable"
	[ -n "$reload" ] || hook_config "RELOAD is not set; add: setting = RELOAD=command"
	case $limit in
	0* | *[!0-9]*) hook_config "TIMEOUT is a number of seconds" ;;
	esac
}

# Prints the file as it should be: what it holds, without the names of the job, then the job's.
new_content() {
	printf '; kept by rotated (dns-zonefile); changes of TXT records here are lost\n'
	if [ -e "$file" ]; then
		awk -F '\t' 'NR == FNR { if ($1 != "zone") gone[tolower($2)] = 1; next }
			/^;/ { next }
			!(tolower($1) in gone)' "$hook_changes" "$file" || return 1
	fi
	while IFS=$TAB read -r op name ttl text; do
		[ "$op" = set ] || continue
		printf '%s\t%s\tIN\tTXT\t%s\n' "$name" "$ttl" "$text"
	done <"$hook_changes"
}

# Puts the file NEW in the place of OLD: after a crash there is one or the other, whole.
replace() { # NEW OLD
	[ ! -e "$2" ] || chmod --reference="$2" "$1" || return 1
	sync "$1" && mv -f "$1" "$2" && sync "${2%/*}"
}

# One more than it was. Prints nothing and fails if there is not exactly one marked line.
raise_serial() {
	awk '{
		at = match($0, /[0-9]+[ \t]*;[ \t]*[Ss]erial/)
		if (at) {
			rest = substr($0, at)
			match(rest, /[0-9]+/)
			n = substr(rest, 1, RLENGTH) + 1
			if (n > 4294967295) n = 1
			$0 = substr($0, 1, at - 1) sprintf("%.0f", n) substr(rest, RLENGTH + 1)
			found++
		}
		print
	} END { exit found != 1 }' "$zone_file"
}

hook_describe() {
	new_content
}

hook_check() {
	[ -z "$zone_file" ] || raise_serial >/dev/null ||
		hook_config "$zone_file has not exactly one line marked \"; serial\""
}

# The serial goes first. If we are stopped between the two, the file still differs, and the
# next try raises it again; the other way round the server would never notice.
write_files() {
	new_content >"$new" || hook_temporary "$file can not be read"
	if [ -e "$file" ] && cmp -s "$new" "$file"; then
		rm -f "$new"
		return
	fi
	if [ -n "$zone_file" ]; then
		raise_serial >"$zone_file.new" ||
			hook_config "$zone_file has not exactly one line marked \"; serial\""
		replace "$zone_file.new" "$zone_file" ||
			hook_temporary "$zone_file can not be written"
	fi
	replace "$new" "$file" || hook_temporary "$file can not be written"
}

hook_apply() {
	new=$file.new
	# in a shell of its own: an `exec 9>>` that fails would end this one, with a status of its own
	(exec 9>>"$file.lock") || hook_config "$file.lock can not be written"
	exec 9>>"$file.lock"
	flock -w 30 9 || hook_temporary "another one is at work on $file"
	write_files
	# Also when nothing changed: the last try may have ended before this.
	# shellcheck disable=SC2086  # splitting at blanks is what RELOAD is documented to do
	(set -f && exec timeout --foreground -k 5 "$limit" $reload) >"$hook_dir/said" 2>&1 9>&- ||
		hook_temporary "RELOAD failed: $(tr -s '[:space:][:cntrl:]' ' ' <"$hook_dir/said" | cut -c1-400)"
	hook_results ok ""
}

hook_main "$@"
