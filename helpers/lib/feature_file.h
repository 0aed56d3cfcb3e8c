/* SPDX-License-Identifier: MIT */
/*
 * The file RUN_DIR/features, in which attach.sh wrote down for each feature whether it is on,
 * degraded or off, and why. It is read once.
 */
#ifndef CONNPIN_LIB_FEATURE_FILE_H
#define CONNPIN_LIB_FEATURE_FILE_H

#include <stdbool.h>

/* Whether there is such a file, with a feature in it. */
bool features_are_known(void);

/*
 * Whether the file says that the feature NAME is off. Then what it would count is to be left
 * out of the metrics.
 */
bool feature_is_off(const char *name);

/* Call CALL for each feature, in the order of the file. The reason is "" when it is on. */
void each_feature(void (*call)(const char *name, const char *state, const char *hook,
			       const char *reason));

#endif
