/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may do what with the files of the index: the vault writes, the door's group reads. */
#ifndef KEYSTORE_INDEX_MODES_H
#define KEYSTORE_INDEX_MODES_H

#include <sys/types.h>

#include "base/cleanup.h"
#include "base/report.h"

enum { INDEX_DIR_MODE = 0750, INDEX_DATA_MODE = 0640, INDEX_LOCK_MODE = 0660 };

/* Gives DIR and the files in it to GROUP ((gid_t)-1: leaves that) with their modes. */
must_check int index_set_modes(const char *dir, gid_t group, struct report *report);

#endif
