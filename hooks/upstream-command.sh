#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# upstream-command: runs commands of the site, one for each verb. What is not secret comes as
# arguments after those that the setting has: NAME USER CREDENTIAL ("-" for none). The secret
# is the one line on standard input of SET and TEST, and never an argument.
#
# Settings, each a command that is split at blanks and run without a shell:
#	CREATE   makes a login for USER and prints lines: its secret, the user if it is another,
#	         the provider's own name for it. Without CREATE, rotated makes the secret
#	SET      makes the provider take the secret. Called again after trouble
#	TEST     exits 0 if the secret is accepted, 77 if it is refused, 75 if nobody can say;
#	         only where there is no server= to try it at
#	FINISH   the login NAME is in use, and older ones are about to go
#	REVOKE   deletes the login; one that is not there is no failure
#	LIST     prints lines VERSION CREDENTIAL of the logins that CREATE has made
#	TIMEOUT  seconds that one may take (100)
# Of CREATE and SET one must be there, and REVOKE.

# shellcheck disable=SC2034  # read in upstream-lib.sh
hook_name=upstream-command
# shellcheck disable=SC2034
hook_verbs="create set test finish revoke list"
# shellcheck source=hooks/upstream-lib.sh
. "${0%/*}/upstream-lib"

hook_settings() {
	limit=${ROTATED_SETTING_TIMEOUT:-100}
	case $limit in
	0* | *[!0-9]*) hook_config "TIMEOUT is a number of seconds" ;;
	esac
	[ -n "${ROTATED_SETTING_CREATE-}${ROTATED_SETTING_SET-}" ] ||
		hook_config "neither CREATE nor SET is set"
	[ -n "${ROTATED_SETTING_REVOKE-}" ] || hook_config "REVOKE is not set"
}

# What it prints is for us; what it says on standard error goes to the log.
run() { # COMMAND
	# shellcheck disable=SC2086  # splitting at blanks is what the settings are documented to do
	timeout --foreground -k 5 "$limit" $1 "$up_name" "${up_user:--}" "${up_credential:--}"
}

# The exit codes of the contract are passed on; any other failure may pass.
ended() { # STATUS WHAT
	case $1 in
	0) ;;
	75 | 77 | 78) hook_end "$1" "$2 ended with $1" ;;
	*) hook_temporary "$2 failed ($1)" ;;
	esac
}

up_create() {
	[ -n "${ROTATED_SETTING_CREATE-}" ] || hook_end 64 "there is no CREATE: rotated makes it"
	made=$(run "$ROTATED_SETTING_CREATE" </dev/null)
	ended $? CREATE
	printf '%s\n' "$made" | hook_made
}

up_set() {
	[ -n "${ROTATED_SETTING_SET-}" ] || exit 0
	printf '%s\n' "$up_secret" | run "$ROTATED_SETTING_SET" >&2
	ended $? SET
}

up_test() {
	[ -n "${ROTATED_SETTING_TEST-}" ] || hook_end 64 "there is no TEST"
	printf '%s\n' "$up_secret" | run "$ROTATED_SETTING_TEST" >&2
	ended $? TEST
}

up_finish() {
	[ -n "${ROTATED_SETTING_FINISH-}" ] || exit 0
	run "$ROTATED_SETTING_FINISH" </dev/null >&2
	ended $? FINISH
}

up_revoke() {
	run "$ROTATED_SETTING_REVOKE" </dev/null >&2
	ended $? REVOKE
}

up_list() {
	[ -n "${ROTATED_SETTING_LIST-}" ] || exit 0
	listed=$(run "$ROTATED_SETTING_LIST" </dev/null)
	ended $? LIST
	sep=
	printf '{"credentials":['
	while read -r version id rest; do
		case $version$id$rest in
		*[\"\\]*) hook_config "LIST printed a quote" ;;
		esac
		case ${version:-x} in
		*[!0-9]*) continue ;;
		esac
		[ -z "$id" ] || printf '%s{"version":%s,"id":"%s"}' "$sep" "$version" "$id"
		sep=,
	done <<-END
		$listed
	END
	printf ']}\n'
}

hook_main "$@"
