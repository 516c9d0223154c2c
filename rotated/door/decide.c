/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/decide.h"

/*
 * A verifier question is answered with a verifier whoever is asked for: a refusal at this point
 * would tell a stranger which logins exist. A decoy lets nobody in.
 */
static struct door_verdict decide_verifier(const struct identity_answer *a)
{
	struct door_verdict v = { .outcome = DOOR_ACCEPT, .verifier = a->verifier };

	if (a->verdict == IDENTITY_NOTFOUND)
		v.reason = "unknown login";
	else if (a->verdict == IDENTITY_REJECT)
		v.reason = "login not in force";
	else
		v.identity = a->identity;
	if (!a->verifier[0])
		return (struct door_verdict){ .outcome = DOOR_LATER, .reason = "no verifier" };
	return v;
}

static struct door_verdict decide_password(const struct identity_answer *a)
{
	if (a->verdict == IDENTITY_OK)
		return (struct door_verdict){ .outcome = DOOR_ACCEPT, .identity = a->identity };
	return (struct door_verdict){
		.outcome = DOOR_REFUSE,
		.reason = a->verdict == IDENTITY_REJECT ? "wrong password" : "unknown login",
	};
}

struct door_verdict door_decide(const struct door_request *q, const struct identity_answer *a)
{
	if (a->verdict == IDENTITY_UNAVAIL)
		return (struct door_verdict){ .outcome = DOOR_LATER, .reason = "unavailable" };
	return q->password ? decide_password(a) : decide_verifier(a);
}
