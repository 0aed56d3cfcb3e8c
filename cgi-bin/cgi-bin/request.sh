# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# request.sh: what the CGI scripts share: answers, who may ask, the query string.
# Without the run bit: httpd does not run it, nor does it show it.
#
# Nothing of the request is run, expanded or echoed: each value must consist of
# the few characters that an address, a port or a protocol can have.

answer() {
	printf 'Status: %s\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\r\n%s\n' "$1" "$2"
	exit 0
}

fail() {
	answer "$1" "{\"error\":\"$2\"}"
}

bad() {
	fail '400 Bad Request' "$1"
}

check_method() {
	[ "$REQUEST_METHOD" = GET ] || fail '405 Method Not Allowed' 'only GET is answered here'
}

# Of clients on this host alone. A page of somewhere else whose name was made to lead here
# is asked for by that name (DNS rebinding): a browser on this host must use an address or
# our own name. The unit of systemd shows no /proc/sys.
check_host() {
	host=${HTTP_HOST-}
	case $host in
	'' | localhost | localhost:* | \[*) return 0 ;;
	*[!0-9.:]*) ;;
	*) return 0 ;;
	esac
	read -r own 2>/dev/null </proc/sys/kernel/hostname || own=$(uname -n)
	[ "${host%:*}" = "$own" ] || fail '403 Forbidden' 'ask by address or as localhost'
}

# This host itself, and the networks of the setting LOOKUP_ALLOW.
check_client() {
	case $REMOTE_ADDR in
	127.* | ::1 | '[::1]' | ::ffff:127.* | '[::ffff:127.'*)
		check_host
		return 0
		;;
	esac
	client=${REMOTE_ADDR#[}
	# shellcheck disable=SC2086 # a list of networks
	if [ -z "$LOOKUP_ALLOW" ] || ! ../../helpers/address-in "${client%]}" $LOOKUP_ALLOW 2>/dev/null; then
		fail '403 Forbidden' 'lookups are answered to this host only: see LOOKUP_ALLOW'
	fi
}

# A value into $value: clients may write ':' and '.' as %3A and %2E.
decode() {
	value=$2
	[ ${#value} -le 96 ] || bad "parameter $1 is too long"
	while :; do
		case $value in
		*%3[Aa]*) value=${value%%%3[Aa]*}:${value#*%3[Aa]} ;;
		*%2[Ee]*) value=${value%%%2[Ee]*}.${value#*%2[Ee]} ;;
		*) break ;;
		esac
	done
	case $value in
	'') bad "parameter $1 is missing" ;;
	*[!0-9A-Za-z.:]*) bad "parameter $1 has a character that it can't have" ;;
	esac
}

# parse_query NAME...: a call of "parameter NAME VALUE", a function of the script, for
# each one that is given. Another name, or one given twice, is refused.
parse_query() {
	names=$*
	known=" $names "
	seen=' '
	set -f
	IFS='&'
	for pair in $QUERY_STRING; do
		name=${pair%%=*}
		case $pair in
		*[!a-z]*=* | =*) name= ;;
		*=*) ;;
		*) name= ;;
		esac
		case $known in
		*" $name "*) ;;
		*) bad "unknown parameter: known are $names" ;;
		esac
		case $seen in
		*" $name "*) bad "parameter $name is repeated" ;;
		esac
		seen="$seen$name "
		decode "$name" "${pair#*=}"
		parameter "$name" "$value"
	done
	unset IFS
}
