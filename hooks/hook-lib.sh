# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# What the shipped DNS hooks share; each says `. "${0%/*}/hook-lib"` and then `hook_main "$@"`.
# A hook names itself in hook_name, and brings four functions:
#
#	hook_settings	checks ROTATED_SETTING_*; ends with hook_config if one is wrong
#	hook_apply	makes the changes in the file $hook_changes so (see hook-changes.c)
#	hook_check	looks whether hook_apply could work, and changes nothing
#	hook_describe	prints, for --dry-run, what hook_apply would do
#
# The contract is in rotated-hooks(7). Exit: 0 done, 64 unknown verb, 75 try again, 77 not
# permitted, 78 set up wrongly.

set -u
hook_pending=${hook_pending:-false}
TAB=$(printf '\t')

hook_end() { # STATUS MESSAGE
	printf '%s: %s\n' "${hook_name:?}" "$2" >&2
	exit "$1"
}
hook_temporary() { hook_end 75 "$1"; }
hook_denied() { hook_end 77 "$1"; }
hook_config() { hook_end 78 "$1"; }

hook_need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null || hook_config "$1 is missing: apt-get install $2"
}

# Everything temporary lives in one directory that goes away however the hook ends.
hook_begin() {
	hook_dir=$(mktemp -d) || hook_temporary "no temporary directory"
	trap 'rm -rf "$hook_dir"' EXIT
	trap 'exit 75' HUP INT TERM
	hook_changes=$hook_dir/changes
	"${0%/*}/hook-changes" >"$hook_changes" || hook_config "the job can not be read"
	IFS=$TAB read -r _ hook_zone hook_id hook_dry_run <"$hook_changes" ||
		hook_config "the job is empty"
	export hook_zone hook_id
}

# One result for every name, with the same STATUS and DETAIL.
hook_results() {
	sep=
	printf '{"results":['
	while IFS=$TAB read -r op name _; do
		[ "$op" = zone ] && continue
		printf '%s{"name":"%s","status":"%s","detail":"%s"}' "$sep" "$name" "$1" "$2"
		sep=,
	done <"$hook_changes"
	printf ']}\n'
}

hook_main() { # VERB
	case ${1-} in
	capabilities)
		printf '{"contract":"rotated-dns/1","hook":"%s","verbs":["apply","check","capabilities"],"pending":%s}\n' \
			"$hook_name" "$hook_pending"
		;;
	check)
		hook_settings
		hook_begin
		hook_check
		;;
	apply)
		hook_settings
		hook_begin
		if [ "$hook_dry_run" = 1 ]; then
			hook_describe >&2
		else
			hook_apply
		fi
		;;
	*)
		hook_end 64 "unknown verb; usage: ${hook_name:?} apply|check|capabilities <job.json"
		;;
	esac
}
