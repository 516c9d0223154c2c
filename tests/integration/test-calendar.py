#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Calendar expressions mean what systemd says they mean: thousands of them, made by chance from a
seed, are told to systemd-analyze(1) and to our own parser. What is refused, the normalized form and
the next times have to be the same, but for the differences that rotated.conf(5) lists; those are
asserted. CALENDAR_SEED=N: other expressions. ROTATED_LONG=1: many more."""

import bisect
import collections
import os
import random
import re
import subprocess
import zoneinfo
from datetime import datetime, timedelta, timezone

from harness import Results, build_path, need_programs

SEED = int(os.environ.get("CALENDAR_SEED", "5"))
BATCHES = 3000 if os.environ.get("ROTATED_LONG") else 120
BATCH, COUNT = 40, 5
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LAST = 7258118400  # 2200-01-01
GAVE_UP = ("", [])
# Both ways of summer time, half an hour of it, changes at midnight, a negative one, a day left out, none at
# all, and changes that follow the moon.
ZONES = (
    "Europe/Berlin America/New_York Australia/Lord_Howe America/Havana Asia/Beirut Europe/Dublin "
    "Pacific/Apia Asia/Kolkata Africa/Casablanca America/Santiago Africa/Cairo Pacific/Chatham "
    "America/Nuuk Antarctica/Troll Asia/Gaza UTC Etc/GMT+5 CET"
).split()
WEEKDAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
ENDINGS = {"Tue": "sday", "Wed": "nesday", "Thu": "rsday", "Sat": "urday"}
WORDS = (
    "minutely hourly daily weekly monthly quarterly semiannually semi-annually biannually bi-annually "
    "yearly annually anually Weekly DAILY"
).split()

results = Results()


# ---- expressions ----


def number(r, low, high, width):
    if r.random() < 0.02:
        low, high = low - 1 if low else 0, high + 2
    return f"{r.randint(low, high):0{r.choice((1, width))}d}"


def second(r):
    fraction = r.choice(("", "", "", ".5", ".25", ".123456", ".9999994", ".0000005", "."))
    return number(r, 0, 59, 2) + fraction


def part(r, one, span):
    text = one(r)
    form = r.random()
    if form < 0.25:
        values = [text, one(r)]
        if r.random() < 0.9 and all(re.fullmatch(r"[0-9.]+", v) for v in values):
            values.sort(key=lambda v: float(v.rstrip(".") or 0))
        text = "..".join(values)
    if r.random() < 0.25:
        text += f"/{r.randint(0 if r.random() < 0.05 else 1, r.choice((3, span, span)))}"
        if one is second and r.random() < 0.3:
            text += r.choice((".5", ".000001", ".3"))
    return text


def chain(r, one, span, star=0.4):
    if r.random() < star:
        return "*"
    return ",".join(part(r, one, span) for _ in range(r.choice((1, 1, 1, 2, 3))))


def year(r):
    if r.random() < 0.1:
        return number(r, 0, 99, 2)
    return str(r.choice((r.randint(2020, 2040), r.randint(1970, 2199), 2024, 2026, 2027, 2100, 2199)))


def date(r):
    month = chain(r, lambda r: number(r, 1, 12, 2), 6)
    before = r.choice("---~")
    last = 31 if before == "-" else 28
    day = chain(r, lambda r: number(r, 1, last, 2), 10)
    if r.random() < 0.1:
        month, day = r.choice((("2", "29"), ("02", "30"), ("*", "31"), ("2,4", "31"), ("2", "28..29")))
    text = month + before + day
    return chain(r, year, 5, 0.6) + "-" + text if r.random() < 0.7 else text


def time(r):
    text = chain(r, lambda r: number(r, 0, 23, 2), 12, 0.25)
    text += ":" + chain(r, lambda r: number(r, 0, 59, 2), 30, 0.25)
    return text + ":" + chain(r, second, 20, 0.2) if r.random() < 0.6 else text


def weekdays(r):
    def one():
        day = r.choice(WEEKDAYS)
        return r.choice((day, day, day.lower(), day + ENDINGS.get(day, "day")))

    def item():
        if r.random() < 0.6:
            return one()
        low, high = sorted((r.randrange(7), r.randrange(7)), reverse=r.random() < 0.05)
        return WEEKDAYS[low] + r.choice(("..", "..", "-")) + WEEKDAYS[high]

    return ",".join(item() for _ in range(r.choice((1, 1, 2, 3)))) + ("," if r.random() < 0.05 else "")


def mutate(r, text):
    for _ in range(r.choice((1, 1, 2))):
        at = r.randrange(len(text) + 1)
        how = r.random()
        if how < 0.4:
            text = text[:at] + text[at + 1 :]
        elif how < 0.8:
            text = text[:at] + r.choice(" -~:./,*@0123456789MonUTC") + text[at:]
        else:
            text = text[:at] + text[at : at + 3] * 2 + text[at + 3 :]
    return text


def expression(r, zone_share):
    form = r.random()
    if form < 0.04:
        text = r.choice(WORDS)
    elif form < 0.07:
        text = f"@{r.choice((0, 1, 951782400, 1790000000, 7258118399, 7258118400, r.randrange(LAST)))}"
    else:
        parts = [weekdays(r)] if r.random() < 0.3 else []
        if r.random() < 0.6:
            parts.append(date(r))
        if not parts or r.random() < 0.75:
            parts.append(time(r))
        text = r.choice((" ", " ", " ", "  ")).join(parts)
    if r.random() < zone_share:
        text += " " + r.choice(ZONES + ["UTC", "utc", "Europe/Nowhere", "Europe"])
    if r.random() < 0.15:
        text = mutate(r, text)
    return text


# ---- base times ----


def offset(name, at):
    return int((EPOCH + timedelta(seconds=at)).astimezone(zoneinfo.ZoneInfo(name)).utcoffset().total_seconds())


def changes(name):
    """When the zone changes its offset, with by how much, from 1970 to 2199."""
    found = []
    for week in range(0, LAST, 7 * 86400):
        low, high = week, week + 7 * 86400
        before, after = offset(name, low), offset(name, high)
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if offset(name, middle) == before:
                low = middle
            else:
                high = middle
        found.append((high, after - before))
    return found


CHANGES = {name: changes(name) for name in ZONES}


def twice(zone, at):
    """(BEGIN, END) if the wall shows at AT, in seconds, what it has shown before."""
    i = bisect.bisect(CHANGES[zone], (at, LAST)) - 1
    begin, by = CHANGES[zone][i] if i >= 0 else (at, 0)
    return (begin, begin - by) if begin <= at < begin - by else None


def base_time(r, zone):
    form = r.random()
    if form < 0.5 and CHANGES[zone]:
        return r.choice(CHANGES[zone])[0] + r.choice((0, -1, 1, r.randint(-7200, 7200), r.randint(-90000, 90000)))
    if form < 0.65:
        leap = datetime(r.choice((2024, 2028, 2096, 2100, 2000)), 2, 28, tzinfo=timezone.utc)
        return int((leap - EPOCH).total_seconds()) + r.randint(-86400, 3 * 86400)
    if form < 0.75:
        end = datetime(r.randint(1971, 2199), 12, 31, tzinfo=timezone.utc)
        return int((end - EPOCH).total_seconds()) + r.randint(0, 2 * 86400)
    return r.randint(0, LAST)


# ---- the two that are asked ----


def ask_systemd(zone, base, expressions, count=COUNT):
    """By expression: None if it is refused, else its normalized form and the times in seconds,
    or GAVE_UP."""
    done = subprocess.run(
        ["systemd-analyze", "calendar", f"--base-time=@{base}", f"--iterations={count}", "--"] + expressions,
        env={"PATH": os.environ["PATH"], "TZ": zone, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    blocks = []
    for line in done.stdout.splitlines():
        name, _, value = line.partition(": ")
        name = name.strip()
        if name == "Original form":
            blocks.append([value, None, []])
        elif name == "Normalized form":
            if not blocks or blocks[-1][1]:
                blocks.append([value, None, []])  # it was written so
            blocks[-1][1] = value
        elif name in ("Next elapse", "(in UTC)") or name.startswith("Iter. #"):
            if value.endswith(" UTC"):
                at = datetime.strptime(value[4:], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
                blocks[-1][2].append(int((at - EPOCH).total_seconds()))
    gave_up = set(re.findall("^Failed to determine next elapse for '(.*)': ", done.stderr, re.M))
    refused = set(re.findall("^Failed to parse calendar specification '(.*)': ", done.stderr, re.M))
    told = {text: (form, times) for text, form, times in blocks}

    def answer(text):
        if text in refused:
            return None
        return GAVE_UP if text in gave_up else told[text.rstrip()]

    return {text: answer(text) for text in expressions}


def ask_ours(zone, base, expressions):
    """The same, with the error instead of None."""
    lines = "".join(f"{base * 1000000} {COUNT} {text}\n" for text in expressions)
    done = subprocess.run(
        [build_path("tests/tools/calendar-tell")],
        env={"PATH": os.environ["PATH"], "TZ": zone},
        input=lines,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = {}
    for text, answer in zip(expressions, done.stdout.split("\n.\n"), strict=False):
        first, *times = answer.split("\n")
        word, _, rest = first.partition(" ")
        told[text] = rest if word == "no" else (rest, [int(t) // 1000000 for t in times if t != "never"])
    return told


# ---- what may differ ----


def counts_back_too_far(form):
    """systemd takes three days more off the limit of 28 for each further value."""
    days = re.search(r"~([0-9.,/]+)", form)
    values = days.group(1).split(",") if days else []
    return any(
        int(number) > 28 - 3 * i for i, value in enumerate(values) for number in value.split("/")[0].split("..")
    )


def zone_of(form, zone):
    last = form.rpartition(" ")[2]
    return last if last in ZONES else zone


def is_abbreviation(text, zone):
    """The last word is what the local zone calls itself at some time."""
    return zone in ("CET", "Europe/Berlin") and text.upper().endswith((" CET", " CEST"))


def is_skipped(zone, text, at):
    """systemd left out AT, but names it when it is asked right before."""
    told = ask_systemd(zone, f"{at - 1}.999999", [text], 1)[text]
    return told is not GAVE_UP and told[1] == [at]


def agrees_in_utc(where, base, text, ours):
    """Where no clock changes, systemd shows the same on the wall."""
    text = text.rpartition(" ")[0] if text.rpartition(" ")[2] in ZONES else text
    told = ask_systemd("UTC", base + offset(where, base), [text])[text]
    return told not in (None, GAVE_UP) and told[1] == [at + offset(where, at) for at in ours]


def compare_times(zone, where, text, theirs, ours):
    kind, i, j = None, 0, 0
    while i < len(ours) and (j < len(theirs) or len(theirs) < COUNT):
        want = theirs[j] if j < len(theirs) else LAST
        begin, end = twice(where, want) or (0, 0)
        if ours[i] == want:
            j += 1
        elif end and want - ours[i] == end - begin:
            # on the first of a month, it takes the second of the two hours
            return "first of a month"
        elif ours[i] < want and is_skipped(zone, text, ours[i]):
            kind = "skipped"
        else:
            return ""
        i += 1
    return kind if j == len(theirs) or i == COUNT else ""


def compare(zone, base, text, theirs, ours):
    """None when they agree; the difference that is allowed; or "" when it is not."""
    if theirs is None or isinstance(ours, str):
        if theirs is None and isinstance(ours, str):
            return None
        return "from the end" if theirs is None and counts_back_too_far(ours[0]) else ""
    if ours == theirs:
        return None
    if theirs is GAVE_UP:
        return "gave up" if all(is_skipped(zone, text, at) for at in ours[1][:2]) else ""
    if ours[0] != theirs[0]:
        return ""
    where = zone_of(ours[0], zone)
    if twice(where, base):
        begin, end = twice(where, base)
        later = ask_systemd(zone, f"{end - 1}.999999", [text])[text]
        return "second hour" if later == ours else ""
    kind = compare_times(zone, where, text, theirs[1], ours[1])
    if kind == "" and "~" in ours[0] and agrees_in_utc(where, base, text, ours[1]):
        return "end of month"
    return kind


# Each difference that rotated.conf(5) tells of, at a place that shows it.
DIFFERENCES = (
    ("second hour", "UTC", 1792890600, "02:30 Europe/Berlin"),
    ("second hour", "Europe/Dublin", 1351386972, "*:47"),
    ("first of a month", "America/Havana", 3345148256, "*-11-*  *:*"),
    ("skipped", "Asia/Beirut", 4883387217, "4/9:47:20"),
    ("gave up", "Africa/Cairo", 5564239199, "*-*-* 09/12:49..56"),
    ("gave up", "Europe/Berlin", 4709235599, "*-5/6-24"),
    ("end of month", "Europe/Dublin", 1269719879, "Sat,Sun,Wed *~21,10/2,20"),
    ("from the end", "UTC", 1795459200, "*-*~06,26"),
)


def differences_are_the_ones_that_are_told():
    for kind, zone, base, text in DIFFERENCES:
        theirs, ours = ask_systemd(zone, base, [text])[text], ask_ours(zone, base, [text])[text]
        results.equal(compare(zone, base, text, theirs, ours), kind, f"{text!r} in {zone} differs: {kind}")
    for text in ("12:00 CET", "12:00 cest"):
        theirs = ask_systemd("Europe/Berlin", 1774738800, [text])[text]
        results.equal(theirs[1], [], f"{text!r} never elapses for systemd in Berlin")
    ours = ask_ours("Europe/Berlin", 1795459200, ["12:00 CET", "12:00 CEST"])
    same = ask_systemd("UTC", 1795459200, ["12:00 CET"])["12:00 CET"]
    results.equal(ours["12:00 CET"], same, "CET is the zone of that name, wherever we are")
    results.check("time zone" in ours["12:00 CEST"], "CEST is no zone", ours)
    leap = "12:00 right/Europe/Berlin"
    results.check("leap seconds" in ask_ours("UTC", 1795459200, [leap])[leap], "leap seconds are not counted")


def compare_batch(r, n, counts):
    zone = "UTC" if n % 3 == 0 else r.choice(ZONES)
    base = max(0, base_time(r, zone if zone != "UTC" else r.choice(ZONES)))
    texts = [expression(r, 0.5 if zone == "UTC" else 0.05) for _ in range(BATCH)]
    texts = [t for t in dict.fromkeys(texts) if t and not is_abbreviation(t, zone)]
    theirs, ours = ask_systemd(zone, base, texts), ask_ours(zone, base, texts)
    for text in texts:
        kind = compare(zone, base, text, theirs[text], ours[text])
        counts["refused"] += theirs[text] is None
        counts["times"] += len(theirs[text][1]) if theirs[text] else 0
        counts[kind or "same"] += kind != ""
        if kind == "":
            results.check(
                False,
                f"TZ={zone} @{base} {text!r} means what systemd says",
                f"systemd {theirs[text]}\nours {ours[text]}\nCALENDAR_SEED={SEED}",
            )


def main():
    need_programs("systemd-analyze")
    differences_are_the_ones_that_are_told()
    r = random.Random(SEED)
    counts = collections.Counter()
    failed = results.failed
    for n in range(BATCHES):
        compare_batch(r, n, counts)
    print(f"# seed {SEED}: {dict(counts)}")
    results.equal(results.failed, failed, f"{counts['same']} expressions and {counts['times']} times are the same")
    few = counts["refused"] < BATCHES * BATCH / 5 or counts["times"] < BATCHES * BATCH
    results.check(not few, "enough of them were refused, and enough elapsed", counts)
    results.exit()


main()
