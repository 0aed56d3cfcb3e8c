/* SPDX-License-Identifier: MIT */
/* What a scraper would rather have (RFC 9110, 12.5.1). */
#ifndef CONNPIN_LIB_HTTP_ACCEPT_H
#define CONNPIN_LIB_HTTP_ACCEPT_H

#include <stdbool.h>

#define OPENMETRICS "application/openmetrics-text"

/*
 * Whether ACCEPT, a header of that name or NULL, asks for OpenMetrics: it is named, and no
 * less welcome than plain text. Whoever takes anything gets plain text.
 */
bool accepts_openmetrics(const char *accept);

#endif
