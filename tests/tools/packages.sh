# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034
# For quickstart and runtests (POSIX sh, sourced): installs what is missing of a list of Debian
# packages, without any of them starting a service.

packages_build='gcc make autoconf automake libtool pkg-config autoconf-archive libc6-dev
	libsodium-dev liblmdb-dev libsystemd-dev libjansson-dev libssl-dev libsasl2-dev libldap-dev
	libcurl4-openssl-dev ca-certificates'

packages_sudo() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

packages_missing() {
	for p; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] ||
			printf '%s ' "$p"
	done
}

# invoke-rc.d asks this file; 101 means "do not". What was there before comes back.
packages_forbid_services() {
	packages_saved=
	if [ -e /usr/sbin/policy-rc.d ]; then
		packages_saved=/usr/sbin/policy-rc.d.before-rotated.$$
		packages_sudo mv /usr/sbin/policy-rc.d "$packages_saved"
	fi
	printf '#!/bin/sh\nexit 101\n' | packages_sudo tee /usr/sbin/policy-rc.d >/dev/null
	packages_sudo chmod 755 /usr/sbin/policy-rc.d
}

packages_allow_services() {
	if [ -n "$packages_saved" ]; then
		packages_sudo mv "$packages_saved" /usr/sbin/policy-rc.d
	else
		packages_sudo rm -f /usr/sbin/policy-rc.d
	fi
}

packages_apt() {
	packages_sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" </dev/null
}

# Asks nobody and nothing when all is there, so that a second run works without a network.
# $1 is the log; its end is shown after a failure.
packages_install() { # LOG PACKAGE...
	log=$1
	shift
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	echo "installing: $missing"
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		echo "this needs root or sudo: apt-get install $missing" >&2
		return 1
	fi
	packages_forbid_services || return 1
	# a signal must not leave the file behind
	trap 'packages_allow_services; exit 130' HUP INT TERM
	result=0
	# shellcheck disable=SC2086  # a list of words
	{ packages_apt update && packages_apt install --no-install-recommends $missing; } \
		>"$log" 2>&1 || result=1
	trap - HUP INT TERM
	packages_allow_services
	[ "$result" = 0 ] || tail -n 30 "$log" >&2
	return "$result"
}

# Unpacks packages into a folder of their own, for what cannot be installed beside something else
# (sendmail beside Postfix). Their dependencies are not followed. Done once.
packages_unpack() { # FOLDER PACKAGE...
	folder=$1
	shift
	[ ! -e "$folder/.complete" ] || return 0
	rm -rf "$folder" "$folder.debs"
	mkdir -p "$folder" "$folder.debs" || return 1
	(
		cd "$folder.debs" || exit 1
		# a machine that was never updated knows no package yet
		apt-get -q download "$@" || { packages_apt update && apt-get -q download "$@"; } ||
			exit 1
		for deb in ./*.deb; do
			dpkg-deb -x "$deb" "$folder" || exit 1
		done
	) >"$folder.log" 2>&1 || { tail -n 5 "$folder.log" >&2; return 1; }
	rm -rf "$folder.debs"
	: >"$folder/.complete"
}
