/* SPDX-License-Identifier: MIT */
/*
 * The two directories that a helper has to find by itself, where no script has told it of
 * the settings: that of the pins and that of what attach.sh wrote down; and what a user runs,
 * which depends on the directory of the helper.
 */
#ifndef CONNPIN_LIB_DIRECTORIES_H
#define CONNPIN_LIB_DIRECTORIES_H

#define PIN_DIR_DEFAULT "/sys/fs/bpf/connpin"
#define RUN_DIR_DEFAULT "/run/connpin"

/* A path of this length or more is too long for a directory. */
#define DIRECTORY_BYTES 512

/*
 * PIN_DIR: that of the environment; else the default one, if it is there; else that of the
 * file of settings, which is $CONNPIN_CONF or /etc/connpin.conf (make's SYSCONFDIR); else
 * the default one. So a look-up on most hosts reads no file. Decided once.
 */
const char *pin_dir(void);

/* RUN_DIR: that of the environment, of the file of settings, or the default. Decided once. */
const char *run_dir(void);

/*
 * What messages tell the user to run: "connpin attach", or "scripts/attach.sh" when this
 * helper is that of a checkout. scripts/lib.sh decides in the same way.
 */
const char *attach_command(void);
const char *status_command(void);

#endif
