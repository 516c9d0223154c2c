#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""For each invariant of the engine, an engine that breaks it: the random histories find it, or what is
known of the standby."""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import mutants  # noqa: E402

ENGINE = "rotated/engine/"
MUTANTS = [
    ("1: a version that begins with a secret nobody made", ENGINE + "item.c",
     "{ .state = ENGINE_PLANNED, .created", "{ .state = ENGINE_STAGED, .created"),
    ("1: publishing what is not sealed yet", ENGINE + "step.c",
     "!v->is_applied ? ENGINE_ACTION_CREATE", "!v->is_applied ? ENGINE_ACTION_PUBLISH"),
    ("2: the old version stays active beside the new one", ENGINE + "moves.c",
     "\tif (old)\n\t\tstep_enter(s, old, ENGINE_RETIRING);\n", ""),
    ("2: the old version retires when the new one is published", ENGINE + "events.c",
     "\tstep_enter(s, v, ENGINE_VISIBLE);\n",
     "\tstruct engine_version *old = engine_version_find_phase(s->item, ENGINE_CURRENT);\n"
     "\tif (old)\n\t\tstep_enter(s, old, ENGINE_RETIRING);\n\tstep_enter(s, v, ENGINE_VISIBLE);\n"),
    ("3: an overlap of half the time", ENGINE + "step.c", "\t\treturn policy->overlap;", "\t\treturn policy->overlap / 2;"),
    ("3: what retires is withdrawn at once", ENGINE + "moves.c",
     "step_enter(s, old, ENGINE_RETIRING);", "step_enter(s, old, ENGINE_WITHDRAWING);"),
    ("3: what fails to be published is erased, though a server may show it", ENGINE + "events.c",
     "\tv->is_revoked = true;\n\tstep_enter(s, v, ENGINE_WITHDRAWING);\n\tif (s->item->replaced",
     "\tstep_erase(s, v, \"replaced\");\n\tif (s->item->replaced"),
    ("4: waits by the wall clock", ENGINE + "clocks.c", "return wall < boot ? wall : boot;", "return wall;"),
    ("4: days that the machine was off count for an overlap", ENGINE + "clocks.c",
     "difference(from->boot, to->boot) : to->boot;", "difference(from->boot, to->boot) : wall;"),
    ("4: a date is believed that nobody set", ENGINE + "clocks.c",
     "is_same_boot(from, to) || !from->is_synced || !to->is_synced", "is_same_boot(from, to)"),
    ("4: a wait goes on where the one before it ended", ENGINE + "moves.c", "\tv->age = 0;\n", ""),
    ("4: the soak begins with the hook's word", ENGINE + "events.c",
     "\t\tv->is_applied = true;\n\t\tv->asked = 0;\n",
     "\t\tv->is_applied = true;\n\t\tv->asked = 0;\n\t\tif (v->state == ENGINE_PUBLISHING)\n"
     "\t\t\tstep_enter(s, v, ENGINE_VISIBLE);\n"),
    ("4: the soak is as long as the schedule of the config, whatever servers remember", ENGINE + "clocks.c",
     "!policy->is_soak_observed ||", "policy->soak ||"),
    ("5: a hook that timed out is taken for one that did nothing", ENGINE + "events.c",
     "{\n\tv->is_applied = true;\n\tv->asked = ENGINE_ASKS_PER_HOOK;", "{\n\tv->is_applied = false;\n\tv->asked = 0;"),
    ("6: a held item goes on", ENGINE + "step.c", "if (!item->is_held && item->retry_in == 0)", "if (item->retry_in == 0)"),
    ("6: an item that has lost its job never begins another", ENGINE + "events.c",
     "\tassert(v);\n\tstep_end_job(s);\n", "\tassert(v);\n"),
    ("6: the wait of a trouble outlives the recovery", ENGINE + "moves.c", "\ts->item->retry_in = 0;\n\ts->item->trouble_since",
     "\ts->item->retry_in = USEC_NEVER;\n\ts->item->trouble_since"),
    ("7: in use after one look", ENGINE + "events.c", "\t\tif (v->state == ENGINE_SOAKED)\n\t\t\tstep_promote(s, v);",
     "\t\tif (v->state != ENGINE_VISIBLE)\n\t\t\tstep_promote(s, v);"),
    ("7: in use when the soak is over, without another look", ENGINE + "step.c",
     "\t\tstep_enter(s, v, ENGINE_SOAKED);\n", "\t\tstep_promote(s, v);\n"),
    ("a selector that comes twice", ENGINE + "item.c", "if (day <= item->last_day)", "if (day < item->last_day)"),
    ("two jobs at a time", ENGINE + "step.c", "if (engine_kind_has_steps(s->item->kind) && s->item->job.type == ENGINE_ACTION_NONE)",
     "if (engine_kind_has_steps(s->item->kind))"),
    ("a standby that is used before it is wanted", ENGINE + "item.c", "!item->is_due && engine_find_phase", "item->is_due && engine_find_phase"),
    ("what is revoked without room for the next gets none", ENGINE + "events.c", "\tif (step_plan(s) < 0)\n\t\ts->item->is_due = true;",
     "\tignore_result(step_plan(s));"),
    ("a stored item that forgets what was asked", ENGINE + "codec.c", "item->is_held = flags & ITEM_IS_HELD;", ""),
]


def main():
    here = sorted(os.path.relpath(path, mutants.TOP)
                  for folder in (ENGINE, "rotated/schedule/")
                  for path in glob.glob(os.path.join(mutants.TOP, folder, "*.c")))
    base = ["buf", "clock", "fs", "report", "spread", "text"]
    suite = mutants.Suite(common=[*here, *("base/%s.c" % name for name in base)],
                          tests={name: [name + ".c"] for name in ("tests/unit/test-engine-standby", "tests/unit/test-engine-histories")},
                          libraries=mutants.flags("cmocka", "libsodium"))
    return mutants.run(suite, MUTANTS)


if __name__ == "__main__":
    sys.exit(main())
