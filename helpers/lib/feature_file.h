/* SPDX-License-Identifier: MIT */
/* What attach.sh wrote down of the features: on, degraded or off, and why. */
#ifndef CONNPIN_LIB_FEATURE_FILE_H
#define CONNPIN_LIB_FEATURE_FILE_H

#include <stdbool.h>

/* Whether there is such a file: RUN_DIR/features. */
bool features_are_known(void);

/*
 * Whether the feature NAME is off, so that what it would count is not known. False where
 * nothing says so.
 */
bool feature_is_off(const char *name);

/* CALL for each of them, in the order of the file; a reason may be "". */
void each_feature(void (*call)(const char *name, const char *state, const char *hook,
			       const char *reason));

#endif
