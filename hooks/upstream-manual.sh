#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# upstream-manual: for providers whose secrets only a person can make. Answers "pending" and, if
# COMMAND is set, tells somebody; the secret comes through `rotatectl upstream set`, and that
# the old one is gone is seen by trying it.
#
# Settings:
#	COMMAND  run when there is something to do, split at blanks, without a shell; what is to
#	         be done is on its standard input. To open a ticket or send a mail. (none)

# shellcheck disable=SC2034  # read in upstream-lib.sh
hook_name=upstream-manual
# shellcheck disable=SC2034
hook_verbs="create set finish revoke list"
# shellcheck source=hooks/upstream-lib.sh
. "${0%/*}/upstream-lib"

hook_settings() {
	command=${ROTATED_SETTING_COMMAND-}
}

ask() { # WHAT
	# shellcheck disable=SC2086  # splitting at blanks is what COMMAND is documented to do
	[ -z "$command" ] || printf '%s\n' "$1" | timeout --foreground -k 5 60 $command >&2 ||
		hook_temporary "COMMAND failed"
}

up_create() {
	ask "Please make a login for $up_name at the provider ($up_server), and give its secret to:
  rotatectl upstream set ${up_name%.*} --user NAME"
	hook_pending "a person must make a login for $up_name at the provider"
}

up_set() { :; }

up_finish() { :; }

up_revoke() {
	ask "Please delete the login $up_user ($up_name) at the provider ($up_server).
There is nothing to report back: rotated tries it by itself."
	hook_pending "a person must delete the login $up_user at the provider"
}

up_list() {
	printf '{"credentials":[]}\n'
}

hook_main "$@"
