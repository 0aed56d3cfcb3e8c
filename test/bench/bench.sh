#!/bin/sh
# SPDX-License-Identifier: MIT
#
# bench.sh: what connpin costs, beside something else measured in the same run.
#
# Each row is a ratio of two things that took turns: the median of the ratios within
# a round, so it is not quite that of the two medians beside it. "control" is the
# second thing against itself: how far it is from 1.00 is how far a ratio may be
# off. A missed goal is told in the row and fails nothing; what can't be measured
# at all makes the exit status 1.
#
# It attaches to a cgroup of its own, under names of its own, and disturbs no
# installation; but while another one is attached, "bare" is not bare.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
. "$ROOT/scripts/lib.sh"
. "$ROOT/scripts/mounts.sh"

BENCH=$ROOT/.output/test/bench
EXPORTER_LISTEN=127.0.0.1:9389
NGINX_PORT=9387
# What the scripts and the helpers read.
PIN_DIR=/sys/fs/bpf/connpin_bench
RUN_DIR=/run/connpin_bench
LISTEN=127.0.0.1:9388
CONN_V4_ENTRIES=65536
CONN_V6_ENTRIES=16384
PIN_GROUP=connpin
OTHERS=${PIN_DIR}_others # programs to compare ours with

usage() {
	cat <<-END
		usage: bench.sh [instructions]

		Measure and print the table. Needs root, and make tests. Takes twelve minutes.
		instructions: what the programs cost alone, in a machine of which each nanosecond
		is an instruction, as instructions.sh starts it.

		Exit status: 0 all measured, 1 something could not be, 2 misuse, 3 not possible.
	END
}

# --- rows --------------------------------------------------------------------

NOT_MEASURED=0

not_measured() {
	printf '%-40s not measured: %s\n' "$1" "$2"
	NOT_MEASURED=1
}

heading() {
	printf '%-40s %7s %7s  %-17s %s\n' "$1" ratio control goal 'medians'
}

# field COLUMN NAME: of the line about NAME that a program printed last.
field() {
	awk -v name="$2" -v column="$1" '$1 == name { print $column }' "$WORK/samples"
}

# row TITLE NAME FIRST [most|least GOAL]: NAME against FIRST.
row() {
	awk -v title="$1" -v ratio="$(field 3 "$2")" -v control="$(field 3 control)" \
		-v ns="$(field 2 "$2")" -v first_ns="$(field 2 "$3")" \
		-v sense="${4-}" -v goal="${5-}" -v unit="$UNIT" '
		function time(ns) {
			if (unit != "ns")
				return sprintf("%.0f", ns)
			if (ns < 100000)
				return sprintf("%.2f us", ns / 1000)
			return sprintf("%.3f ms", ns / 1000000)
		}
		BEGIN {
			if (sense == "most")
				verdict = goal (ratio <= goal + 0 ? " met" : " missed")
			else if (sense == "least")
				verdict = goal (ratio >= goal + 0 ? " met" : " missed")
			printf "%-40s %7s %7.2f  %-17s %s / %s\n", title,
				sprintf(ratio < 100 ? "%.2f" : "%.0f", ratio), control,
				verdict == "" ? "-" : "goal " verdict, time(ns), time(first_ns)
		}'
}

# quotient_row TITLE NAME OTHER GOAL: of the ratios that both have to the first.
quotient_row() {
	awk -v title="$1" -v ratio="$(field 3 "$2")" -v other="$(field 3 "$3")" -v goal="$4" '
		BEGIN {
			printf "%-40s %7.2f %7s  %-17s quotient of two above\n", title, ratio / other,
				"", "goal " goal (ratio / other <= goal + 0 ? " met" : " missed")
		}'
}

# sample PROGRAM ARGUMENT...: what it prints goes where field finds it.
sample() {
	sample_program=$1
	shift
	"$BENCH/$sample_program" "$@" >"$WORK/samples" 2>"$WORK/error"
}

why() {
	head -n 1 "$WORK/error"
}

# --- processes ---------------------------------------------------------------

# In the tracked cgroup.
hold_connections() {
	(
		echo 0 >"$CGROUP/cgroup.procs"
		exec "$BENCH/connections" 5000
	) >"$WORK/ports" 2>"$WORK/error" &
	HOLDER=$!
	tries=100
	until [ -s "$WORK/ports" ]; do
		kill -0 "$HOLDER" 2>/dev/null || return 1
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
	read -r sport dport <"$WORK/ports"
}

process_rows() {
	heading 'a whole process, one CPU'
	if ! hold_connections; then
		not_measured 'conn-lookup / empty program' "$(why)"
		not_measured 'ss -tnp / conn-lookup' "$(why)"
		return 0
	fi
	lookup="$HELPERS/conn-lookup 127.0.0.1 $sport $dport"
	# shellcheck disable=SC2086 # words
	if sample processes 2000 empty "$BENCH/empty" -- control "$BENCH/empty" -- \
		pid $lookup -q -- lookup $lookup; then
		row 'conn-lookup -q / empty program' pid empty most 1.15
		row 'conn-lookup / empty program' lookup empty
	else
		not_measured 'conn-lookup / empty program' "$(why)"
	fi
	# shellcheck disable=SC2086 # words
	if ! ss=$(command -v ss); then
		not_measured 'ss -tnp / conn-lookup, 10,000 sockets' 'apt-get install iproute2'
	elif sample processes 15 lookup $lookup -- control $lookup -- \
		ss "$ss" -Htnp "sport = :$sport and dport = :$dport"; then
		row 'ss -tnp / conn-lookup, 10,000 sockets' ss lookup least 300
	else
		not_measured 'ss -tnp / conn-lookup, 10,000 sockets' "$(why)"
	fi
	if sample processes 200 empty "$BENCH/empty" -- control "$BENCH/empty" -- \
		metrics "$HELPERS/tcp-metrics"; then
		row 'tcp-metrics / empty, 10,000 sockets' metrics empty
	else
		not_measured 'tcp-metrics / empty, 10,000 sockets' "$(why)"
	fi
	stop "$HOLDER"
	HOLDER=
}

# --- questions ---------------------------------------------------------------

# 20 processes of 2,000 destinations each, and all of them asked for ten times in random
# order: a rate is asked for, and a process that starts for 40,000 takes a third of it.
query_rows() {
	heading '400,000 questions, each'
	ASKED=
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		(
			echo 0 >"$CGROUP/cgroup.procs"
			exec "$ROOT/.output/test/ways" spread 2000
		) <"$WORK/hold" >"$WORK/spread.$i" 2>"$WORK/error" &
		ASKED="$ASKED $!"
	done
	exec 8>"$WORK/hold"
	tries=100
	until [ "$(cat "$WORK"/spread.* | wc -l)" -eq 20 ] || [ "$tries" -eq 0 ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
	"$HELPERS/conn-list" -p udp --dst-port 9 | cut -d ' ' -f 1-4 >"$WORK/once"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		shuf "$WORK/once"
	done >"$WORK/questions"
	if sample queries 15 "$WORK/questions" "$HELPERS/conn-lookup" "$PIN_DIR/maps/conn_to_pid_v4" \
		"$PIN_GROUP"; then
		row 'a system call for each / conn-lookup -' syscalls batch least 4
		row 'conn-lookup - unprivileged / conn-lookup -' unprivileged batch
	else
		not_measured 'a system call for each / conn-lookup -' "$(why)"
	fi
	exec 8>&-
	for pid in $ASKED; do
		wait "$pid" || true
	done
}

# --- scrapes -----------------------------------------------------------------

stop() {
	kill "$1" 2>/dev/null || return 0
	wait "$1" 2>/dev/null || true
}

# scrape_row CPUS TITLE: servers and client on these CPUs.
scrape_row() {
	if ! taskset -c "$1" "$ROOT/scripts/serve.sh" -b 2>"$WORK/error"; then
		not_measured "$2" "$(tail -n 1 "$WORK/error")"
		return 0
	fi
	taskset -c "$1" prometheus-node-exporter --collector.disable-defaults --collector.netstat \
		--web.listen-address="$EXPORTER_LISTEN" >"$WORK/exporter" 2>&1 &
	EXPORTER=$!
	set -- "$1" "$2" exporter "${EXPORTER_LISTEN##*:}" /metrics node_netstat_Tcp_ActiveOpens \
		ours "${LISTEN##*:}" /cgi-bin/metrics tcp_active_connections_total
	tries=50
	until "$BENCH/requests" 1 "$3" "$4" "$5" "$6" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || break
		sleep 0.1
	done
	if sample requests 300 "$3" "$4" "$5" "$6" control "$4" "$5" "$6" \
		"$7" "$8" "$9" "${10}"; then
		row "$2" ours exporter most 1.00
	else
		not_measured "$2" "$(why)"
	fi
	"$HELPERS/tcp-metrics" >"$WORK/scrape"
	SCRAPED=$(wc -c <"$WORK/scrape")
	SCRAPED_CGROUPS=$(grep -c '^tcp_cgroup_active_connections_total' "$WORK/scrape")
	note_memory_of_server
	EXPORTER_MEMORY=$(resident "$EXPORTER")
	stop "$EXPORTER"
	EXPORTER=
	"$ROOT/scripts/serve.sh" -k 2>/dev/null
}

# resident PID
resident() {
	sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$1/status"
}

# Of httpd and of its parent, which watches over it.
note_memory_of_server() {
	read -r server <"$RUN_DIR/httpd.pid"
	SERVER_MEMORY="$(resident "$(pgrep -P "$server")") and $(resident "$server")"
}

scrape_rows() {
	heading 'a scrape, a connection each'
	if ! command -v prometheus-node-exporter >/dev/null; then
		not_measured '/metrics / node_exporter' \
			'apt-get install --no-install-recommends prometheus-node-exporter'
		if "$ROOT/scripts/serve.sh" -b 2>"$WORK/error"; then
			note_memory_of_server
			"$ROOT/scripts/serve.sh" -k 2>/dev/null
		fi
		return 0
	fi
	cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
	scrape_row "${cpus%%[-,]*}" '/metrics / node_exporter, one CPU'
	scrape_row "$cpus" '/metrics / node_exporter, any CPU'
	printf '%-40s %d bytes  goal 20000 %s\n' 'a default scrape' "$SCRAPED" \
		"$([ "$SCRAPED" -lt 20000 ] && echo met || echo missed)"
	"$ROOT/.output/test/traffic" cgroups "$CGROUP" 256 2>"$WORK/error" ||
		not_measured '256 cgroups' "$(why)"
	scrape_row "${cpus%%[-,]*}" '256 cgroups / node_exporter, one CPU'
	scrape_row "$cpus" '256 cgroups / node_exporter, any CPU'
	printf '%-40s %d bytes, %d cgroups\n' 'a scrape with 256 cgroups' "$SCRAPED" "$SCRAPED_CGROUPS"
}

# --- attachments -------------------------------------------------------------

# pins_of SET: its programs.
pins_of() {
	case $1 in
	# tcp_live runs when somebody reads it, and only then; udp_connect, for UDP sockets
	# that connect, and nobody does here.
	everything)
		echo "$OTHERS"/everything/* "$PIN_DIR"/udp_asked/* "$PIN_DIR"/ipv6_blocker/* "$PIN_DIR"/tcp_monitor/* \
			"$PIN_DIR"/accepted/* "$PIN_DIR"/other_ip/* "$PIN_DIR"/other_families/*
		;;
	# Without what accepts, without ends of connections and without other sockets.
	outbound)
		echo "$OTHERS"/outbound_alone/* "$PIN_DIR"/udp_asked/* "$PIN_DIR"/ipv6_blocker/* "$PIN_DIR"/tcp_monitor/*
		;;
	tracker) echo "$PIN_DIR"/port_tracker/* "$PIN_DIR"/udp_asked/* ;;
	senders) echo "$PIN_DIR"/port_tracker/* ;;
	monitor) echo "$OTHERS"/events_alone/* "$PIN_DIR"/tcp_monitor/* ;;
	plain) echo "$OTHERS"/plain_tracker/* ;;
	empty) echo "$OTHERS"/empty_hooks/* ;;
	esac
}

# show_runs SET...: where the time goes, program by program.
show_runs() {
	for set; do
		# Instructions go without a word: they are in the heading.
		awk -v set="$set" -v unit="${UNIT%instructions}" '$1 == "runs" && $2 == set {
			line = line sprintf("%s %s %.0f x %d %s", line == "" ? "" : ",", $3, $4, $5, unit)
		} END { if (line != "") printf "  (%s:%s)\n", set, line }' "$WORK/samples"
	done
}

# nginx as Debian builds it, with a new connection for each request.
nginx_rows() {
	heading 'a request to nginx, attached / bare'
	if ! command -v nginx >/dev/null; then
		not_measured 'nginx: everything' 'apt-get install --no-install-recommends nginx-light'
		return 0
	fi
	mkdir "$WORK/nginx"
	cat >"$WORK/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		pid $WORK/nginx/pid;
		error_log $WORK/nginx/error;
		events { worker_connections 512; }
		http {
			access_log off;
			client_body_temp_path $WORK/nginx/body;
			proxy_temp_path $WORK/nginx/proxy;
			fastcgi_temp_path $WORK/nginx/fastcgi;
			uwsgi_temp_path $WORK/nginx/uwsgi;
			scgi_temp_path $WORK/nginx/scgi;
			server {
				listen 127.0.0.1:$NGINX_PORT;
				location / { return 200 "connpin"; }
			}
		}
	END
	(
		echo 0 >"$CGROUP/cgroup.procs"
		exec nginx -c "$WORK/nginx.conf"
	) >"$WORK/error" 2>&1 &
	NGINX=$!
	tries=50
	until [ -s "$WORK/nginx/pid" ] || [ "$tries" -eq 0 ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
	attached_rows "http:$NGINX_PORT" 'nginx' 1.02 everything empty
	stop "$NGINX"
	NGINX=
}

# attached_rows OPERATION TITLE GOAL SET...: each set against nothing attached. The
# process that is measured joins the cgroup; this script stays out of it.
attached_rows() {
	operation=$1
	title=$2
	goal=$3
	shift 3
	sets='bare -- control'
	for set; do
		sets="$sets -- $set $(pins_of "$set")"
	done
	# shellcheck disable=SC2086 # words
	if ! (
		echo 0 >"$CGROUP/cgroup.procs"
		sample attached "$operation" "$ROUNDS" "$CGROUP" $sets
	); then
		not_measured "$title" "$(why)"
		return 0
	fi
	for set; do
		case $set in
		everything) row "$title: everything" "$set" bare ${goal:+most "$goal"} ;;
		plain) row "$title: a plain tracker" "$set" bare ;;
		senders) row "$title: without udp_asked" senders bare ;;
		empty) row "$title: empty programs" "$set" bare ;;
		outbound) row "$title: no accept, no end" outbound bare ;;
		monitor) row "$title: tcp_monitor alone" "$set" bare most 1.06 ;;
		*) row "$title: $set" "$set" bare ;;
		esac
	done
	case "$operation $* " in
	tcp*' everything '*' plain '*) quotient_row "$title: everything / a plain tracker" everything plain 1.05 ;;
	esac
	show_runs "$@"
	awk '$1 == "known" {
		printf "  (%.0f %% of the source ports had been used with that address before)\n",
			100 * $2 / $3 }' "$WORK/samples"
}

# An agent: tcplife of libbpf-tools prints each connection with its process when that ends.
# (tcpconnect, which prints it at the start, wants kprobes.) It wants tracefs, mounted for
# it alone.
agent_rows() {
	heading 'CPU time, with that of an agent / bare'
	if ! command -v tcplife >/dev/null; then
		not_measured 'TCP, new key: tcplife runs' 'apt-get install --no-install-recommends libbpf-tools'
		return 0
	fi
	# shellcheck disable=SC2046,SC2016 # words; of another shell
	if ! (
		echo 0 >"$CGROUP/cgroup.procs"
		sample attached tcp 60 "$CGROUP" bare -- control -- \
			agent + unshare --mount sh -c 'mount -t tracefs tracefs /sys/kernel/tracing; exec tcplife' -- \
			everything $(pins_of everything)
	); then
		not_measured 'TCP, new key: tcplife runs' "$(why)"
		return 0
	fi
	row 'TCP, new key: tcplife runs' agent bare
	row 'TCP, new key: everything, in its turn' everything bare
	AGENT_MEMORY="$(field 2 agent_kB) kB"
}

# load_with_maps OBJECT DIRECTORY WITHOUT: all the maps of port_tracker, but for those that
# the pattern WITHOUT names.
load_with_maps() {
	# shellcheck disable=SC1091 # built
	. "$OBJECTS/inventory"
	inventory object port_tracker
	arguments=
	# shellcheck disable=SC2154 # inventory() sets it
	for map in ${found#* }; do
		echo "$map" | grep -qxE "${3:-none}" || arguments="$arguments map name $map pinned $PIN_DIR/maps/$map"
	done
	# shellcheck disable=SC2086 # words
	bpftool prog loadall "$1" "$OTHERS/$2" $arguments
}

# attach.sh attaches what counts by sock_ops to the root alone. The third of the settings
# makes the programs that are traced leave to it what it counts.
load_events() {
	load_with_maps "$OBJECTS/port_tracker.bpf.o" everything '' &&
		load_with_maps "$BENCH/outbound_alone.bpf.o" outbound_alone 'conn_identity_in' &&
		load_with_maps "$BENCH/events_alone.bpf.o" events_alone 'conn_.*|tracker_metrics' &&
		bpftool map update pinned "$PIN_DIR/maps/tcp_settings" key 0 0 0 0 \
			value 0 1 0 0 44 1 0 0 1 0 0 0 0 0 0 0
}

load_others() {
	mkdir "$OTHERS" &&
		bpftool prog loadall "$BENCH/plain_tracker.bpf.o" "$OTHERS/plain_tracker" \
			pinmaps "$OTHERS/maps" &&
		bpftool prog loadall "$BENCH/empty_hooks.bpf.o" "$OTHERS/empty_hooks" &&
		"$BENCH/fill" "$PIN_DIR/maps/conn_to_pid_v4" "$OTHERS/maps/plain_conns" &&
		load_events
}

attachment_rows() {
	if [ "$UNIT" = ns ]; then
		heading 'CPU time, attached / bare'
	else
		heading "instructions, attached / bare, Linux $(uname -r)"
	fi
	if ! load_others 2>"$WORK/error"; then
		not_measured 'attached / bare' "$(why)"
		return 0
	fi
	# This takes the tracing programs off; the program below attaches and detaches. It takes
	# off what it is to attach, and the programs of attach.sh may not be among that.
	rm -f "$PIN_DIR"/links/*
	for hook in sock_ops:sockops sendmsg4:sendmsg4 sendmsg6:sendmsg6; do
		bpftool cgroup detach "$CGROUP" "${hook%:*}" pinned "$PIN_DIR/port_tracker/handle_${hook#*:}"
	done
	attached_rows tcp 'TCP, new key' 1.12 everything outbound tracker monitor plain empty
	attached_rows tcp-known 'TCP, known key' 1.10 everything outbound tracker monitor plain empty
	attached_rows refused 'TCP refused' 1.14 everything tracker monitor plain
	attached_rows udp-same 'UDP, same key' 1.09 everything tracker plain empty
	attached_rows udp-new 'UDP, new socket' 1.13 everything tracker plain empty
	attached_rows serve-same 'UDP server, same client' '' everything senders plain empty
	attached_rows serve-new 'UDP server, new client' '' everything senders plain empty
	[ "$UNIT" = ns ] || return 0
	nginx_rows
	agent_rows
}

# --- memory ------------------------------------------------------------------

memory_rows() {
	printf 'memory\n'
	for map in "$PIN_DIR"/maps/*; do
		printf '%s ' "${map##*/}"
		bpftool map show pinned "$map" | sed -n 's/.*memlock \([0-9]*\)B.*/\1/p'
	done | awk '
		function row(title, bytes) {
			printf "%-42s %d bytes  goal 8388608 %s\n", title, bytes,
				bytes <= 8388608 ? "met" : "missed"
		}
		$1 == "conn_identity" { identity = $2; next }
		$1 ~ /^tcp_/ { metrics += $2; next }
		{ rest += $2 }
		END {
			row("memlock of conn_identity", identity)
			row("memlock of the other connection maps", rest)
			row("memlock of the maps of the metrics", metrics)
		}'
	printf '%-42s %s\n' 'busybox httpd, run-httpd (VmRSS)' \
		"${SERVER_MEMORY-not measured}"
	printf '%-42s %s\n' prometheus-node-exporter "${EXPORTER_MEMORY-not measured}"
	printf '%-42s %s\n' 'tcplife, after some hundred connections' "${AGENT_MEMORY-not measured}"
}

# --- instructions ------------------------------------------------------------

# In a machine where fentry is not refused.
instruction_rows() {
	if ! "$ROOT/test/bench/instructions.sh" 2>"$WORK/error"; then
		not_measured 'instructions, attached / bare' "$(why)"
	fi
}

# --- all ---------------------------------------------------------------------

HOLDER=
EXPORTER=
NGINX=

clean_up() {
	trap '' HUP INT TERM
	[ -z "$HOLDER" ] || stop "$HOLDER"
	[ -z "$EXPORTER" ] || stop "$EXPORTER"
	[ -z "$NGINX" ] || stop "$NGINX"
	"$ROOT/scripts/serve.sh" -k 2>/dev/null || true
	rm -rf "$OTHERS"
	"$ROOT/scripts/detach.sh" 2>"$WORK/error" || cat "$WORK/error" >&2
	tries=50
	until rmdir "$CGROUP" 2>/dev/null; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || {
			note "cannot remove $CGROUP"
			break
		}
		sleep 0.1
	done
	rm -rf "$WORK" "$RUN_DIR"
}

prepare() {
	CGROUP=
	find_cgroup
	CGROUP=$CGROUP/connpin_bench
	export PIN_DIR RUN_DIR LISTEN CGROUP CONN_V4_ENTRIES CONN_V6_ENTRIES
	if [ -n "$(bpftool prog show name handle_sockops)" ]; then
		note "connpin is attached on this host: bare is not bare, ratios come out too low"
	fi
	WORK=$(mktemp -d)
	mkfifo "$WORK/hold"
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	mkdir -p "$CGROUP"
	for script in attach.sh 'ipv6-block.sh on'; do
		# shellcheck disable=SC2086 # a name and an argument
		"$ROOT/scripts/"$script >/dev/null 2>"$WORK/error" || {
			cat "$WORK/error" >&2
			die "$script failed"
		}
	done
}

main() {
	answer_help "$@"
	ROUNDS=250
	UNIT=ns
	case $#,${1-} in
	0,) ;;
	1,instructions)
		ROUNDS=8
		UNIT=instructions
		;;
	*) misuse "unexpected argument $1" ;;
	esac
	need_root
	need_built
	need_commands bpftool busybox taskset
	[ -x "$BENCH/attached" ] || die "the programs are not built: run make tests"
	prepare
	if [ "$UNIT" != ns ]; then
		attachment_rows
		return "$NOT_MEASURED"
	fi
	process_rows
	query_rows
	scrape_rows
	attachment_rows
	memory_rows
	instruction_rows
	return "$NOT_MEASURED"
}

main "$@"
