#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154
# For quickstart (sourced): the others that rotated deals with, each a real server with a private
# folder below $root, on loopback only: a name server, a mail provider, a directory. Their
# processes are added to $pids.

start_name_server() { # uses $port
	mkdir "$root"/dns/{run,db}
	: >"$root/dns/example.com.inc"
	cat >"$root/dns/example.com.zone" <<-END
		\$ORIGIN example.com.
		\$TTL 1
		@ SOA ns1 hostmaster ( 1 3600 600 604800 1 )
		@ NS ns1
		ns1 A 127.0.0.1
		\$INCLUDE $root/dns/example.com.inc
	END
	cat >"$root/dns/knot.conf" <<-END
		server:
		    listen: 127.0.0.1@$port
		    rundir: "$root/dns/run"
		control:
		    listen: "$root/dns/knot.sock"
		database:
		    storage: "$root/dns/db"
		log:
		  - target: stderr
		    any: warning
		zone:
		  - domain: example.com
		    storage: "$root/dns"
		    file: example.com.zone
		    zonefile-sync: -1
		    zonefile-load: difference-no-serial
		    journal-content: all
	END
	knotd -c "$root/dns/knot.conf" >"$root/log/knotd.log" 2>&1 &
	pids+=($!)
	await "the name server" knotc -s "$root/dns/knot.sock" zone-status example.com
}

# --- the provider: a Postfix with accounts of its own, in the sasldb of libsasl2 -------------

# What the provider's console would do, for the hook upstream-command: VERB NAME USER CREDENTIAL.
write_provider_console() {
	cat >"$root/provider/console" <<-END
		#!/bin/sh
		# \$1 verb, \$2 name of the version, \$3 user
		set -eu
		here=$root/provider
		db() { saslpasswd2 -f "\$here/sasldb2" -u provider.example "\$@"; chown postfix "\$here/sasldb2"; }
		case \$1 in
		create)
			secret=\$(head -c 24 /dev/urandom | base64)
			printf '%s' "\$secret" | db -p -c "\$3"
			: >"\$here/accounts/\${2##*.}"
			printf '%s\n' "\$secret" ;;
		revoke)
			db -d "\$3" 2>/dev/null || :
			rm -f "\$here/accounts/\${2##*.}" ;;
		list)
			cd "\$here/accounts"
			for f in *; do [ ! -e "\$f" ] || echo "\$f \$f"; done ;;
		esac
	END
	chmod 755 "$root/provider/console"
}

write_provider() { # uses $provider_port
	local here=$root/provider folder
	mkdir -p "$here"/{conf/sasl,queue,data,accounts}
	for folder in active bounce corrupt defer deferred flush hold incoming saved trace private; do
		mkdir -m 700 "$here/queue/$folder"
		chown postfix "$here/queue/$folder"
	done
	mkdir -m 755 "$here/queue/pid"
	install -d -m 710 -o postfix -g postdrop "$here/queue/public"
	install -d -m 1730 -o postfix -g postdrop "$here/queue/maildrop"
	chown postfix "$here/data"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=provider.example -addext subjectAltName=IP:127.0.0.1 \
		-keyout "$here/conf/key.pem" -out "$here/conf/cert.pem" 2>/dev/null
	cp "$here/conf/cert.pem" "$root/etc/rotated/provider.pem"
	printf nothing | saslpasswd2 -f "$here/sasldb2" -u provider.example -p -c nobody
	chown postfix "$here/sasldb2"
	cat >"$here/conf/sasl/smtpd.conf" <<-END
		pwcheck_method: auxprop
		auxprop_plugin: sasldb
		sasldb_path: $here/sasldb2
		mech_list: PLAIN LOGIN
	END
	cat >"$here/conf/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $here/queue
		data_directory = $here/data
		maillog_file = $root/log/provider.log
		maillog_file_prefixes = $root
		cyrus_sasl_config_path = $here/conf/sasl
		smtpd_sasl_local_domain = provider.example
		myhostname = provider.example
		mydestination =
		alias_maps =
		default_transport = discard:
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4
		smtpd_peername_lookup = no
		smtpd_sasl_auth_enable = yes
		smtpd_tls_auth_only = yes
		smtpd_tls_security_level = may
		smtpd_tls_cert_file = $here/conf/cert.pem
		smtpd_tls_key_file = $here/conf/key.pem
		smtpd_relay_restrictions = permit_sasl_authenticated, reject
	END
	cat >"$here/conf/master.cf" <<-END
		127.0.0.1:$provider_port inet n - n - - smtpd
		tlsmgr unix - - n 1000? 1 tlsmgr
		anvil unix - - n - 1 anvil
		rewrite unix - - n - - trivial-rewrite
		proxymap unix - - n - - proxymap
		postlog unix-dgram n - n - 1 postlogd
	END
}

start_provider() {
	mkdir -p "$root/provider"
	write_provider_console
	write_provider
	# master ends its children as a process group, and leads one only in a session of its own
	setsid /usr/lib/postfix/sbin/master -c "$root/provider/conf" -d >"$root/log/master.log" 2>&1 &
	pids+=($!)
	await "the provider" bash -c ": <>/dev/tcp/127.0.0.1/$provider_port"
}

# --- the directory --------------------------------------------------------------------------

start_directory() { # sets $ldapi
	local here=$root/ldap
	ldapi=ldapi://${here//\//%2F}%2Fldapi
	mkdir -p "$here/db"
	cat >"$here/slapd.conf" <<-END
		include /etc/ldap/schema/core.schema
		include /etc/ldap/schema/cosine.schema
		include $top/examples/ldap/rotated.schema
		modulepath /usr/lib/ldap
		moduleload back_mdb
		moduleload syncprov
		pidfile $here/pid
		argsfile $here/args
		authz-regexp "gidNumber=.*,cn=peercred,cn=external,cn=auth" "cn=admin,dc=example"
		database mdb
		maxsize 16777216
		suffix "dc=example"
		rootdn "cn=admin,dc=example"
		directory $here/db
		index objectClass,entryUUID,entryCSN eq
		overlay syncprov
	END
	slapadd -q -w -f "$here/slapd.conf" -b dc=example 2>"$root/log/slapd.log" <<-END
		dn: dc=example
		objectClass: dcObject
		objectClass: organization
		dc: example
		o: example

		dn: ou=services,dc=example
		objectClass: organizationalUnit
		ou: services
	END
	slapd -f "$here/slapd.conf" -h "$ldapi" -d none >>"$root/log/slapd.log" 2>&1 &
	pids+=($!)
	await "the directory" ldapwhoami -Q -Y EXTERNAL -H "$ldapi"
}
