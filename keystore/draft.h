/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A keyring to come: everything that changes slots, roots or epochs takes a copy of what is
 * open, changes that, and writes it. The keystore goes over to it when it is on the disk, was
 * read back and opens; until then nothing here has changed.
 */
#ifndef KEYSTORE_DRAFT_H
#define KEYSTORE_DRAFT_H

#include "keystore/internal.h"

/* In memory of keys_alloc(): copying one is a mistake. */
struct ring_draft {
	struct keyring ring;
	struct auth_keys auth;
	struct issuer_keys issuer;
	bool has_issuer; /* else ISSUER is sealed, and slots must stay as they are */
	struct roots roots;
};

/* A copy of what is open: AUTH has to be. -ENOMEM. The keys of META from before are left out as
 * soon as nothing needs them. */
must_check int draft_new(struct keystore *ks, struct ring_draft **ret, struct report *report);

/* NULL is allowed. Wipes. */
void draft_free(struct ring_draft *d);
DEFINE_CLEANUP(struct ring_draft, draft_free)
#define cleanup_draft cleanup_(draft_freep)

/* Draws new roots and wraps them for every slot. Needs both tiers, and no transaction. */
must_check int draft_rotate(struct keystore *ks, struct ring_draft *d, struct report *report);

/* Where the MAC key of a slot of TIERS is kept. */
struct slot_macs *draft_macs(struct ring_draft *d, enum keystore_tier tiers);

/*
 * Makes D the keyring, as the next generation: keyring.prev is what was before. After a failure
 * the keystore is as it was; the disk is too, or, where that too has failed, one generation
 * ahead, which opens as well and which the next write replaces. META has still to be committed.
 */
must_check int draft_write(struct keystore *ks, const struct ring_draft *d,
			   struct report *report);

#endif
