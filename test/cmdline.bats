#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Command lines longer than what an answer holds: 4,096 bytes.

load helper

setup_file() {
	attach
}

teardown_file() {
	detach
}

setup() {
	start_server 127.0.0.1
	REST=" connect 127.0.0.1 $PORT"
}

teardown() {
	stop_all
}

# connect_as NAME: a process that is called so connects; its command line is NAME and REST.
connect_as() {
	NUMBER=$((${NUMBER-0} + 1))
	start "client-$NUMBER" bash -c 'exec -a "$1" "$0" connect 127.0.0.1 "$2"' "$TRAFFIC" "$1" "$PORT"
}

# of LENGTH [CHARACTER [FRONT]]: FRONT, and so many times CHARACTER.
of() {
	printf '%s' "${3-}"
	printf "%$1s" '' | sed "s/ /${2-x}/g"
}

json() {
	"$HELPERS/conn-lookup" -j 127.0.0.1 "$(client_port)" "$PORT"
}

@test "conn-lookup (command line of 4,096 bytes) has all of it, and no word of a cut" {
	name=$(of $((4096 - ${#REST})))
	connect_as "$name"
	run -0 json
	[[ $output = *"\"cmdline\":\"$name$REST\",\"ppid\":"* ]]
	run -0 "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" "$PORT"
	[[ $output = *"cmdline: $name$REST"$'\n'"ppid:"* ]]
	# Longer than what was recorded, and it begins with that.
	run -0 setpriv --reuid 65534 --regid connpin --clear-groups "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" "$PORT"
	[[ $output = *"cmdline: $name$REST"$'\n'"ppid:"* ]]
}

@test "conn-lookup (command line of 4,097 bytes) has its beginning, and says so" {
	name=$(of $((4097 - ${#REST})))
	connect_as "$name"
	cut=$name${REST%?}
	run -0 json
	[[ $output = *"\"cmdline\":\"$cut\",\"cmdline_truncated\":true,\"ppid\":"* ]]
	run -0 "$HELPERS/conn-lookup" 127.0.0.1 "$(client_port)" "$PORT"
	[[ $output = *"cmdline: $cut"$'\n'"cmdline_truncated: true"$'\n'"ppid:"* ]]
	# Twice, from the process's entry and from what was kept of it.
	question="tcp 127.0.0.1 $(client_port) $PORT"
	printf '%s\n' "$question" "$question" | "$HELPERS/conn-lookup" - >"$BATS_TEST_TMPDIR/answers"
	[ "$(grep -c "\"cmdline\":\"$cut\",\"cmdline_truncated\":true," "$BATS_TEST_TMPDIR/answers")" -eq 2 ]
	run -0 "$HELPERS/conn-lookup" -j --no-cmdline 127.0.0.1 "$(client_port)" "$PORT"
	[[ $output = *'"cmdline":null,"ppid":'* ]]
}

@test "conn-lookup (cut in the middle of a character) leaves that out, and no other" {
	# Of 2, 3 and 4 bytes; the cut is at each place of them.
	while read -r character bytes; do
		for front in '' a aa aaa; do
			connect_as "$(of 2100 "$character" "$front")"
			whole=$(((4096 - ${#front}) / bytes))
			run -0 json
			[[ $output = *"\"cmdline\":\"$(of "$whole" "$character" "$front")\",\"cmdline_truncated\":true,"* ]]
		done
	done <<-'END'
		é 2
		€ 3
		😀 4
	END
}

@test "conn-lookup (command line filled up with NUL) is not cut" {
	# As setproctitle() leaves it: a name, and nothing in the rest of its room.
	start client /usr/bin/python3 -c 'import ctypes, os, socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
with open("/proc/self/stat") as file:
    begin, end = map(int, file.read().rsplit(")", 1)[1].split()[45:47])

ctypes.memset(begin + 6, 0, end - begin - 6)
print(os.getpid(), sock.getsockname()[1], flush=True)
sys.stdin.read()' "$PORT" "$(of 20000)"
	run -0 json
	[[ $output = *'"cmdline":"/usr/b","ppid":'* ]]
}
