# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# What the shipped hooks of rotated-upstream/1 share. A hook names itself in hook_name and its
# verbs in hook_verbs, and brings hook_settings and a function up_VERB for each.
#
# Secrets are in shell variables and pipes only: printf is a builtin of sh, so nothing of them
# is in an argument or in the environment of any process.

set -u
set -f

hook_end() { # STATUS MESSAGE
	printf '%s: %s\n' "${hook_name:?}" "$2" >&2
	exit "$1"
}
hook_temporary() { hook_end 75 "$1"; }
hook_denied() { hook_end 77 "$1"; }
hook_config() { hook_end 78 "$1"; }

# The job's fields; see hook-upstream.c.
# shellcheck disable=SC2034  # for the hooks
hook_read_job() {
	fields=$("${0%/*}/hook-upstream" fields) || hook_config "the job can not be read"
	{
		IFS= read -r up_version
		IFS= read -r up_name
		IFS= read -r up_server
		IFS= read -r up_user
		IFS= read -r up_credential
		IFS= read -r up_secret
		IFS= read -r up_known
	} <<-END
		$fields
	END
	fields=
}

hook_made() { # reads lines: secret, user, credential
	"${0%/*}/hook-upstream" made || hook_config "what was made can not be told"
}

hook_pending() { # DETAIL
	printf '{"status":"pending","detail":"%s"}\n' "$1"
}

hook_main() { # VERB
	case " ${hook_verbs:?} check capabilities " in
	*" ${1:-none} "*) ;;
	*) hook_end 64 "unknown verb; it knows $hook_verbs check capabilities" ;;
	esac
	if [ "$1" = capabilities ]; then
		list=
		for verb in ${hook_verbs} check capabilities; do
			list="$list${list:+,}\"$verb\""
		done
		printf '{"contract":"rotated-upstream/1","hook":"%s","verbs":[%s]}\n' \
			"$hook_name" "$list"
		exit 0
	fi
	hook_settings
	[ "$1" = check ] && exit 0
	hook_read_job
	"up_$1"
}
