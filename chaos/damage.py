"""Stores that were hit: a bit is flipped or the file is cut, and whoever opens it may refuse, but not lie."""

import json
import pathlib
import random
import shutil

from agency import Coordinator

TRIALS = 4


def try_damaged_stores(stage, folder, seed):
    """Violations. The coordinator has been stopped; each trial opens a damaged copy of its store."""
    dice = random.Random(f"{seed}/damage")
    original = pathlib.Path(stage.nodes["coordinator"].store.removeprefix("sqlite:"))
    ends = {}
    with open(folder / "history.jsonl", encoding="utf-8") as lines:
        for event in map(json.loads, lines):
            if event["op"] == "final" and event["type"] == "ok":
                ends[event["gid"]] = event["status"]
    sample = dice.sample(sorted(ends), min(2000, len(ends)))
    violations, outcomes = [], []
    for trial in range(TRIALS):
        place = folder / f"damaged-{trial}"
        place.mkdir()
        copy = place / "entente.db"
        shutil.copy(original, copy)
        what = hit(copy, dice, cut=trial % 2 == 1)
        outcome, wrong = look(stage, place, copy, ends, sample)
        outcomes.append(f"{what}: {outcome}")
        violations += [f"I10: {what}: {each}" for each in wrong]
    print("damaged stores:", *outcomes, sep="\n  ")
    return violations


def hit(copy, dice, cut):
    size = copy.stat().st_size
    at = dice.randrange(100, size)
    with open(copy, "r+b") as file:
        if cut:
            file.truncate(at)
            return f"cut after {at} of {size} bytes"
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << dice.randrange(8))]))
        return f"a bit flipped at {at} of {size}"


def look(stage, place, copy, ends, sample):
    try:
        coordinator = Coordinator(stage.build, place, {}, ("--store-identity", "keep"), grpc="off", store=f"sqlite:{copy}")
    except RuntimeError as error:
        told = "store" in str(error)
        return "refused to start", [] if told else [f"it did not start, and did not say why: {error}"]
    wrong, refused = [], 0
    try:
        for gid in sample:
            try:
                status, document = coordinator.http.request("GET", f"/v1/transactions/{gid}")
            except OSError:
                code = coordinator.process.popen.wait(timeout=30)
                return f"stopped with code {code}", wrong if code == 3 else [*wrong, f"it ended with code {code}"]
            if status == 200 and document["status"] == ends[gid]:
                continue
            refused += status >= 500
            if status < 500:
                wrong.append(f"{gid} was {ends[gid]} and is answered {status} {document}")
    finally:
        coordinator.process.stop()
    return f"started; {refused} of {len(sample)} transactions were refused, the others as before", wrong[:10]
