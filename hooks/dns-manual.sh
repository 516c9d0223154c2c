#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# dns-manual: for zones that only a person can change. Writes what is to be done to a file, and
# answers "pending"; rotated goes on by itself as soon as DNS shows it.
#
# Settings:
#	DIR      where the files go, one a zone: DIR/example.com.txt
#	COMMAND  run when there is something to do, split at blanks, without a shell; the file's
#	         name is added at the end. To open a ticket or send a mail. (none)

# shellcheck disable=SC2034  # read in hook-lib.sh
hook_name=dns-manual
# shellcheck disable=SC2034
hook_pending=true
# shellcheck source=hooks/hook-lib.sh
. "${0%/*}/hook-lib"

hook_settings() {
	dir=${ROTATED_SETTING_DIR-}
	command=${ROTATED_SETTING_COMMAND-}
	case $dir in
	/*) ;;
	*) hook_config "DIR is not set to an absolute path; add: setting = DIR=/path" ;;
	esac
	[ -w "$dir/" ] || hook_config "the directory $dir is not there or not writable"
}

hook_describe() {
	printf 'Please change the zone %s so:\n' "$hook_zone"
	while IFS=$TAB read -r op name ttl text; do
		case $op in
		set) printf '\n%s must have exactly this one TXT record:\n  %s %s IN TXT %s\n' \
			"$name" "$name" "$ttl" "$text" ;;
		absent) printf '\n%s must have no TXT record.\n' "$name" ;;
		esac
	done <"$hook_changes"
	printf '\nThere is nothing to report back: rotated looks at DNS by itself.\n'
}

hook_check() {
	:
}

hook_apply() {
	file=$dir/${hook_zone%.}.txt
	hook_describe >"$hook_dir/text"
	if ! cmp -s "$hook_dir/text" "$file"; then
		{ cp "$hook_dir/text" "$file.new" && mv -f "$file.new" "$file"; } ||
			hook_temporary "$file can not be written"
		# shellcheck disable=SC2086  # splitting at blanks is what COMMAND is documented to do
		[ -z "$command" ] || (set -f && exec timeout --foreground -k 5 60 $command "$file") >&2 || {
			# the next try must not find it done: nobody has been told
			mv -f "$file" "$file.new"
			hook_temporary "COMMAND failed"
		}
	fi
	hook_results pending "a person must change the zone"
}

hook_main "$@"
