#!/bin/sh
# SPDX-License-Identifier: MIT
# What busybox httpd runs for a directory without index.html: /metrics/ is one,
# because it can't run a program at /metrics.

# answer STATUS BODY [HEADER]: with its length; to HEAD without the body.
answer() {
	printf 'Status: %s\r\nContent-Type: text/plain\r\nConnection: close\r\n%bContent-Length: %s\r\n\r\n' \
		"$1" "${3-}" "$((${#2} + 1))"
	[ "$REQUEST_METHOD" = HEAD ] || printf '%s\n' "$2"
}

case $REQUEST_URI in
/metrics/ | /metrics/\?*) exec ./metrics ;;
esac
case $REQUEST_METHOD in
GET | HEAD) answer '404 Not Found' 'here are /metrics and /cgi-bin/lookup' ;;
*) answer '405 Method Not Allowed' 'only GET and HEAD are answered here' 'Allow: GET, HEAD\r\n' ;;
esac
