/* SPDX-License-Identifier: MIT */
/* Which format of metrics a scraper prefers: the header Accept (RFC 9110, 12.5.1). */
#ifndef CONNPIN_LIB_HTTP_ACCEPT_H
#define CONNPIN_LIB_HTTP_ACCEPT_H

#include <stdbool.h>

#define OPENMETRICS "application/openmetrics-text"

/*
 * Whether ACCEPT, the value of that header or NULL, asks for OpenMetrics: it names it, with a
 * weight that is not less than that of plain text. A client that takes anything gets plain
 * text.
 */
bool accepts_openmetrics(const char *accept);

#endif
