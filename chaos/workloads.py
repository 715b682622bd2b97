"""What is run under trouble: definitions of every mode and their nestings, drawn orders, and clients that die.

Each order says what has to be so afterwards; see order_of().
"""

import http.client
import json
import random
import threading
import time

ACCOUNTS = {"bank-a": [f"a{n}" for n in range(4)], "bank-b": [f"b{n}" for n in range(4)]}
OPENING = 1_000_000
CITIES = [f"city-{n}" for n in range(12)]
CAPACITY = 40  # Of each city: later travellers are refused.
REGISTERS = [f"r{n}" for n in range(5)]
MODES = ("saga", "tcc", "2pc")
WORDS = {"saga": ("action", "compensate"), "tcc": ("try", "confirm", "cancel"), "2pc": ("prepare", "commit", "rollback")}
STANDS = {"bank-a": "debited", "bank-b": "credited", "flights": "booked", "hotels": "booked", "register": "appended"}
DEADLINE_SECONDS, SIGNAL_SECONDS, LED_SECONDS = 60, 15, 10
ANSWER_SECONDS = 8


def bank_step(mode, step, handler, participant, account, amount, after=None):
    body = {"account": account, "amount": amount}
    made = {"id": step, "participant": participant,
            **{word: {"post": f"/{handler}/{word}", "body": body} for word in WORDS[mode]}}
    return made if after is None else {**made, "after": after}


def transfer(mode, name, sender, receiver):
    return {"name": name, "mode": mode, "deadline": f"{DEADLINE_SECONDS}s", "output": {"moved": "${input.amount}"}, "steps": [
        bank_step(mode, "debit", "debit", sender, "${input.from}", "${input.amount}"),
        bank_step(mode, "credit", "credit", receiver, "${input.to}", "${input.amount}")]}


def desk_step(mode, step, participant):
    if participant == "hotels":
        return {"id": step, "participant": participant, "after": [], **{
            word: {"rpc": word.capitalize(), "body": {"handler": "hold", "input": {"pool": "${input.city}"}}}
            for word in WORDS[mode]}}
    return {"id": step, "participant": participant, "after": [],
            **{word: {"post": f"/hold/{word}", "body": {"pool": "${input.city}"}} for word in WORDS[mode]}}


def travel(mode):
    return {"name": f"travel-{mode}", "mode": mode, "deadline": f"{DEADLINE_SECONDS}s", "output": {"moved": "${input.amount}"}, "steps": [
        desk_step(mode, "flight", "flights"), desk_step(mode, "hotel", "hotels"),
        bank_step(mode, "debit", "debit", "bank-a", "${input.from}", "${input.amount}", ["flight", "hotel"]),
        bank_step(mode, "credit", "credit", "bank-b", "${input.to}", "${input.amount}", ["debit"])]}


def note(step):
    return {"id": step, "participant": "register",
            "action": {"put": "/registers/${input.register}/${key}", "body": {"refuse": "${input.refuse == '%s'}" % step}},
            "compensate": {"delete": "/registers/${input.register}/${key}"}}


def other_note():
    """Appends to another register where the first one refuses, and only then."""
    one = note("first")
    one["alternatives"] = [{"put": "/registers/${input.other}/${key}", "body": {"refuse": False},
                            "compensate": {"delete": "/registers/${input.other}/${key}"}}]
    return one


def each_note(at_a_time):
    """Appends to each register of a list, which may refuse the second of them; undone in the reverse of its order."""
    return {"id": "each", "participant": "register", "forEach": {"items": "${input.registers}", "maxParallel": at_a_time},
            "action": {"put": "/registers/${item}/${key}", "body": {"refuse": "${input.refuse == 'each' && index == 1}"}},
            "compensate": {"delete": "/registers/${item}/${key}"}}


def version_of(step):
    return "${steps.%s.output.version}" % step


def family(mode):
    """A saga whose middle step is a transaction of its own, undone by another one."""
    pay = {"from": "${input.from}", "to": "${input.to}", "amount": "${input.amount}"}
    back = {"from": "${input.to}", "to": "${input.from}", "amount": "${input.amount}"}
    return {"name": f"family-{mode}", "mode": "saga", "deadline": f"{DEADLINE_SECONDS}s",
            "output": {"moved": "${input.amount}", "first": version_of("first"), "last": version_of("last")}, "steps": [
        note("first"),
        {"id": "pay", "action": {"transaction": {"definition": f"transfer-{mode}", "input": pay}},
         "compensate": {"transaction": {"definition": f"back-{mode}", "input": back}}},
        note("last")]}


def definitions(urls):
    """`urls`: participant -> address, as the coordinator is to call it."""
    participants = {name: {"http": urls[name], "timeout": "2s"} for name in ("bank-a", "bank-b", "flights", "register")}
    participants["hotels"] = {"grpc": urls["hotels"], "service": "entente.participant.v1.Participant", "timeout": "2s"}
    note_only = {"name": "note", "mode": "saga", "deadline": f"{DEADLINE_SECONDS}s", "steps": [note("first")],
                 "output": {"first": version_of("first")}}
    signal = {"name": "signal", "mode": "saga", "deadline": f"{DEADLINE_SECONDS}s",
              "output": {"first": version_of("first"), "last": version_of("last")}, "steps": [
        note("first"), {"id": "go", "wait": {"signal": "go", "timeout": f"{SIGNAL_SECONDS}s"}}, note("last")]}
    either = {**note_only, "name": "either", "steps": [other_note()]}
    each = {"mode": "saga", "deadline": f"{DEADLINE_SECONDS}s", "output": {
        "first": version_of("first"), "each": "${steps.each.output.map(one, one.version)}", "last": version_of("last")}}
    several = [{**each, "name": name, "steps": [note("first"), each_note(at_a_time), note("last")]}
               for name, at_a_time in (("each", 3), ("each-ordered", 1))]
    made = [note_only, either, *several, signal, travel("tcc"), travel("2pc")]
    for mode in MODES:
        made += [transfer(mode, f"transfer-{mode}", "bank-a", "bank-b"), transfer(mode, f"back-{mode}", "bank-b", "bank-a"),
                 family(mode)]
    for one in made:
        used = {step["participant"] for step in one["steps"] if "participant" in step}
        one["participants"] = {name: participants[name] for name in used}
    return made


def order_of(definition, data, **more):
    """An order, with what the judge has to know of it:

    expect   what stands if it commits: [[service, branch, amount, effect, account, city or register], ...]
    output   what it then answers; {"version": BRANCH} is the version that the register gave to that branch
    chain    steps, or branches of a forEach, each of which builds upon those before it, where they are also undone backwards
    seconds  before which no deadline of its own ends it
    """
    kind, _, mode = definition.partition("-")

    def stands(service, branch, amount, place):
        return [service, branch, amount, STANDS[service], place]

    first, last = (stands("register", step, 1, data.get("register")) for step in ("first", "last"))
    either = stands("register", "first", 1, data.get("other" if data.get("refuse") == "first" else "register"))
    paid = [stands("bank-a", "debit", -data.get("amount", 0), data.get("from")),
            stands("bank-b", "credit", data.get("amount", 0), data.get("to"))]
    each = [stands("register", f"each:{n}", 1, register) for n, register in enumerate(data.get("registers", ()))]
    held = [stands("flights", "flight", 1, data.get("city")), stands("hotels", "hotel", 1, data.get("city"))]
    expect = {"transfer": paid, "travel": held + paid, "note": [first], "either": [either], "signal": [first, last],
              "family": [first, *paid, last], "each": [first, *each, last]}[kind]
    output = {step: {"version": step} for service, step, *_ in expect if service == "register" and ":" not in step}
    if kind == "each":
        output["each"] = [{"version": branch} for _, branch, *_ in each]
    if "amount" in data:
        output["moved"] = data["amount"]
    chain = {"transfer": ["debit", "credit"] if mode == "saga" else [], "signal": ["first", "last"],
             "family": ["first", "pay", "last"],
             "each": ["first", *([branch for _, branch, *_ in each] if mode == "ordered" else ["each"]), "last"]}.get(kind, [])
    return {"definition": definition, "input": data, "expect": expect, "output": output, "chain": chain,
            "seconds": SIGNAL_SECONDS if kind == "signal" else DEADLINE_SECONDS, **more}


def draw(dice):
    money = {"from": dice.choice(ACCOUNTS["bank-a"] * 3 + ["nobody"]), "to": dice.choice(ACCOUNTS["bank-b"] * 3 + ["nobody"]),
             "amount": dice.randint(1, 9)}
    note = {"register": dice.choice(REGISTERS), "refuse": dice.choice(["", "", "", "", "first", "last"])}
    kind = dice.choice(["transfer", "transfer", "travel", "note", "either", "each", "signal", "family", "family"])
    mode = dice.choice(MODES)
    if kind == "travel":
        return order_of(f"travel-{dice.choice(('tcc', '2pc'))}", {**money, "city": dice.choice(CITIES)})
    if kind == "either":
        return order_of(kind, {**note, "other": dice.choice(REGISTERS)})
    if kind == "each":
        several = {**note, "registers": [dice.choice(REGISTERS) for _ in range(dice.randint(0, 5))],
                   "refuse": dice.choice(["", "", "", "each", "last"])}
        return order_of(dice.choice(("each", "each-ordered")), several)
    if kind in ("note", "signal"):
        return order_of(kind, note)
    return order_of(f"{kind}-{mode}", money if kind == "transfer" else {**money, **note})


class History:
    """Every operation as it is seen from outside: one JSON line for its invocation, one for what became of it."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()
        self.count = 0

    def write(self, **event):
        with self.lock:
            event["at"] = time.monotonic()
            self.file.write(json.dumps(event) + "\n")

    def invoke(self, op, gid, **more):
        with self.lock:
            self.count += 1
            number = self.count
        self.write(type="invoke", n=number, op=op, gid=gid, **more)
        return number

    def close(self):
        self.file.close()


class Api:
    """One call at a time, each on a connection of its own: of a participant, or of any of the coordinators."""

    def __init__(self, history, ports, seed):
        self.history, self.ports = history, ports
        self.dice = random.Random(seed)

    def ask(self, method, path, body=None, headers=None, seconds=ANSWER_SECONDS, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.dice.choice(self.ports), timeout=seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def do(self, op, gid, method, path, body=None, **more):
        """Writes both lines; returns the status, or None where it is unknown what became of it."""
        number = self.history.invoke(op, gid, **more)
        try:
            status, document = self.ask(method, path, body)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.history.write(type="info", n=number, op=op, gid=gid, error=type(error).__name__)
            return None
        told = {word: document.get(word) for word in ("status", "output", "abort")} if isinstance(document, dict) else {}
        if isinstance(told["status"], int):  # A problem document has its HTTP status there.
            told = {"code": document.get("code")}
        kind = "ok" if status < 300 else "info" if status >= 500 or status in (408, 425, 429) else "fail"
        self.history.write(type=kind, n=number, op=op, gid=gid, http=status, **told)
        return None if kind == "info" else status


class Client(threading.Thread):
    """Submits one order after the other; repeats, cancels, signals, and now and then is gone in the middle."""

    def __init__(self, number, seed, history, ports, urls, stop):
        super().__init__(daemon=True)
        self.number, self.stop, self.urls = number, stop, urls
        self.dice = random.Random(f"{seed}/client/{number}")
        self.api = Api(history, ports, f"{seed}/api/{number}")
        self.died = 0

    def run(self):
        count = 0
        while not self.stop.is_set():
            gid = f"c{self.number}-{count}"
            count += 1
            if not (self.drive(gid) if self.dice.random() < 0.15 else self.order(gid)):
                self.died += 1
            self.stop.wait(0.05)

    def until_known(self, *arguments, **more):
        """Repeats what has no answer; None when the client gives up, and never asks again."""
        while True:
            status = self.api.do(*arguments, **more)
            if status is not None:
                return status
            if self.stop.is_set() or self.dice.random() < 0.1:
                return None
            self.stop.wait(0.2)

    def order(self, gid):
        order = draw(self.dice)
        body = {"gid": gid, "definition": order["definition"], "input": order["input"]}
        if self.dice.random() < 0.5:
            body["wait"] = "1s"
        path = f"/v1/transactions/{gid}"
        status = self.until_known("submit", gid, "POST", "/v1/transactions", body, order=order)
        if status is None or status >= 300:
            return status is not None
        fate = self.dice.random()
        if fate < 0.12:
            self.until_known("cancel", gid, "POST", f"{path}:cancel", {"reason": "changed my mind"})
        elif fate < 0.16:
            other = {**body, "input": {**order["input"], "amount": 77, "register": "r0"}}
            if other["input"] != order["input"]:
                self.until_known("submit-another", gid, "POST", "/v1/transactions", other)
        if order["definition"] == "signal" and self.dice.random() < 0.8:
            for _ in range(self.dice.choice((1, 1, 2))):  # The same one, so it counts once.
                self.until_known("signal", gid, "POST", f"{path}:signal", {"name": "go", "id": "s1"})
        if self.dice.random() < 0.7:
            self.api.do("get", gid, "GET", f"{path}?wait=2s")
        return True

    def drive(self, gid):
        """What the client leads: it enlists, acts or tries by itself but in a 2PC, and commits, or dies on the way."""
        mode = self.dice.choice(MODES)
        amount = self.dice.randint(1, 9)
        money = {"from": self.dice.choice(ACCOUNTS["bank-a"]), "to": self.dice.choice(ACCOUNTS["bank-b"]), "amount": amount}
        led = order_of(f"transfer-{mode}", money, output=None, seconds=LED_SECONDS)
        body = {"mode": mode, "gid": gid, "timeLimit": f"{LED_SECONDS}s"}
        if self.until_known("begin", gid, "POST", "/v1/transactions:begin", body, order=led) not in (200, 201):
            return False
        path = f"/v1/transactions/{gid}"
        tried = True
        for bank, branch, account in (("bank-a", "debit", money["from"]), ("bank-b", "credit", money["to"])):
            order = {"account": account, "amount": amount}
            enlistment = {"id": branch, "participant": {"http": self.urls[bank], "timeout": "2s"},
                          **{word: {"post": f"/{branch}/{word}", "body": order} for word in WORDS[mode] if word not in ("action", "try")}}
            if self.until_known("enlist", gid, "POST", f"{path}/branches", enlistment) not in (200, 201):
                return False
            if mode != "2pc":
                tried = self.act(gid, bank, branch, WORDS[mode][0], order)
            if not tried:
                break
            if self.dice.random() < 0.06:
                return False
        verb = "commit" if tried else "abort"
        return self.until_known(verb, gid, "POST", f"{path}:{verb}", {"wait": "2s"}) is not None

    def act(self, gid, bank, branch, operation, order):
        """False: it was refused, or it is unknown whether it happened."""
        headers = {"Entente-Gid": gid, "Entente-Branch": branch, "Entente-Operation": operation,
                   "Idempotency-Key": f"{gid}:{branch}"}
        try:
            port = int(self.urls[bank].rsplit(":", 1)[1])
            return self.api.ask("POST", f"/{branch}/{operation}", order, headers, port=port)[0] == 200
        except (OSError, ValueError, http.client.HTTPException):
            return False
