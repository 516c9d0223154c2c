#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# upstream-ses: the SMTP interface of Amazon SES. A login there is an access key of an IAM user;
# the password is derived from its secret and the region. IAM allows two keys for a user, which
# is what a rotation needs: give this user no other.
#
# Settings:
#	IAM_USER   whose access keys they are; it may send mail and nothing else
#	REGION     region of the SMTP endpoint, as in eu-west-1
#	AWS        the command-line interface, split at blanks (aws). What it needs to log in
#	           itself is for it to find; it may manage the keys of IAM_USER and nothing else
#	EXCLUSIVE  yes: keys of IAM_USER that rotated does not know are deleted before one is
#	           made. They are what an interrupted try left behind (no)
#	TIMEOUT    seconds that one call may take (60)

# shellcheck disable=SC2034  # read in upstream-lib.sh
hook_name=upstream-ses
# shellcheck disable=SC2034
hook_verbs="create set finish revoke list"
# shellcheck source=hooks/upstream-lib.sh
. "${0%/*}/upstream-lib"

hook_settings() {
	iam_user=${ROTATED_SETTING_IAM_USER-}
	region=${ROTATED_SETTING_REGION-}
	aws=${ROTATED_SETTING_AWS:-aws}
	exclusive=${ROTATED_SETTING_EXCLUSIVE:-no}
	limit=${ROTATED_SETTING_TIMEOUT:-60}
	[ -n "$iam_user" ] || hook_config "IAM_USER is not set"
	case $region in
	'' | *[!a-z0-9-]*) hook_config "REGION is not set to a region, as in eu-west-1" ;;
	esac
	case $exclusive in
	yes | no) ;;
	*) hook_config "EXCLUSIVE is yes or no" ;;
	esac
	command -v "${aws%% *}" >/dev/null || hook_config "${aws%% *} is missing"
}

iam() { # VERB ARGUMENT...
	# shellcheck disable=SC2086  # splitting at blanks is what AWS is documented to do
	timeout --foreground -k 5 "$limit" $aws iam "$@" --user-name "$iam_user" --output text </dev/null
}

up_create() {
	made=$(iam create-access-key --query 'AccessKey.[AccessKeyId,SecretAccessKey]') ||
		hook_temporary "the access key was not made"
	# The two are divided by a tab.
	IFS=$(printf '\t') read -r id key <<-END
		$made
	END
	made=
	if [ -z "$id" ] || [ -z "$key" ]; then
		hook_temporary "what aws printed is no access key"
	fi
	password=$(printf '%s\n' "$key" | "${0%/*}/hook-upstream" ses "$region") ||
		hook_config "the password can not be derived"
	key=
	printf '%s\n%s\n%s\n' "$password" "$id" "$id" | hook_made
}

up_set() { :; } # it is in force as soon as it is made, or a little later

up_finish() { :; }

up_revoke() {
	case $up_credential in
	'') exit 0 ;; # nothing was ever made
	esac
	said=$(iam delete-access-key --access-key-id "$up_credential" 2>&1) && exit 0
	case $said in
	*NoSuchEntity*) exit 0 ;;
	*AccessDenied*) hook_denied "it may not delete $up_credential" ;;
	*) hook_temporary "the access key was not deleted" ;;
	esac
}

up_list() {
	listed=$(iam list-access-keys --query 'AccessKeyMetadata[].AccessKeyId') ||
		hook_temporary "the access keys can not be listed"
	sep=
	printf '{"credentials":['
	for id in $listed; do
		version=null
		case " $up_known " in
		*" $id "*) ;;
		*) [ "$exclusive" = no ] || version=$up_version ;;
		esac
		printf '%s{"version":%s,"id":"%s"}' "$sep" "$version" "$id"
		sep=,
	done
	printf ']}\n'
}

hook_main "$@"
