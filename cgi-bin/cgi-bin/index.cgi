#!/bin/sh
# SPDX-License-Identifier: MIT
# What busybox httpd runs for a directory without index.html: /metrics/ is one,
# because it can't run a program at /metrics.

case $REQUEST_URI in
/metrics/ | /metrics/\?*) exec ./metrics ;;
esac
printf 'Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nhere are /metrics and /cgi-bin/lookup\n'
