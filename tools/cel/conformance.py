#!/usr/bin/env python3
"""Runs the conformance tests of CEL (github.com/google/cel-spec, tests/simple/testdata) through
`entente dry-run`: each expression as the output of a definition, compared there with what it should
be. Exit 0: every case that counts passes."""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOKEN = re.compile(r'''\s*(?:\#[^\n]*\n\s*)*(?:
    (?P<string>(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')(?:\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))*)
    |(?P<name>\[[^\]]+\]|[A-Za-z_][\w.]*)|(?P<number>-?(?:inf\b|nan\b|[\d.][\w.+-]*))|(?P<mark>[{}:<>,;\[\]]))''', re.X)
ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.S)
PLAIN = {"n": b"\n", "r": b"\r", "t": b"\t", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v"}


def unescaped(text):
    """The bytes of the string literals of a token, one after the other."""
    def one(match):
        code = match[1]
        if code[0] in "01234567":
            return chr(int(code, 8))
        if code[0] == "x":
            return chr(int(code[1:], 16))
        if code[0] in "uU":
            return chr(int(code[1:], 16)).encode().decode("latin-1")
        return PLAIN.get(code, code.encode()).decode("latin-1")
    out = b""
    for part in re.findall(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', text):
        out += ESCAPE.sub(one, part[1:-1].encode().decode("latin-1")).encode("latin-1")
    return out


class Reader:
    """A text format message as a list of (field, value): str for words and numbers, bytes for strings."""

    def __init__(self, text):
        self.tokens = [(m.lastgroup, m[m.lastgroup]) for m in TOKEN.finditer(text)]
        self.at = 0

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self):
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def message(self, end=None):
        fields = []
        while self.peek() not in (end, None):
            name = self.next()[1]
            if self.peek() == ":":
                self.next()
            if self.peek() == "[":
                self.next()
                while self.peek() != "]":
                    fields.append((name, self.value()))
                    if self.peek() == ",":
                        self.next()
                self.next()
            else:
                fields.append((name, self.value()))
            if self.peek() in (",", ";"):
                self.next()
        if end:
            self.next()
        return fields

    def value(self):
        if self.peek() in ("{", "<"):
            return self.message("}" if self.next()[1] == "{" else ">")
        kind, text = self.next()
        return unescaped(text) if kind == "string" else text


def first(message, name, default=None):
    return next((value for field, value in message if field == name), default)


class NotCounted(Exception):
    """Why a case is left out."""


def text_literal(data):
    return json.dumps(data.decode(), ensure_ascii=False)


def literal(value):
    """An expression for a cel.expr.Value."""
    if not value:
        raise NotCounted("no expected value")
    kind, inner = value[0]
    if kind == "int64_value":
        return f"({inner})" if int(inner) != -2**63 else "(-9223372036854775807 - 1)"
    if kind == "uint64_value":
        return f"{inner}u"
    if kind == "double_value":
        if inner in ("inf", "Infinity", "-inf", "-Infinity", "nan", "NaN"):
            return f'double("{inner}")'
        return f"double({json.dumps(inner)})"
    if kind == "string_value":
        return text_literal(inner)
    if kind == "bytes_value":
        return 'b"' + "".join(f"\\x{byte:02x}" for byte in inner) + '"'
    if kind == "bool_value":
        return inner
    if kind == "null_value":
        return "null"
    if kind == "list_value":
        return "[" + ", ".join(literal(v) for f, v in inner if f == "values") + "]"
    if kind == "map_value":
        return "{" + ", ".join(literal(first(e, "key")) + ": " + literal(first(e, "value"))
                               for f, e in inner if f == "entries") + "}"
    if kind == "type_value":
        raise NotCounted("types as values")
    raise NotCounted("messages of Protobuf")


def definition(expression):
    return json.dumps({"name": "t", "mode": "saga", "steps": [{"id": "w", "wait": {"for": "1ms"}}],
                       "output": {"v": "${" + expression + "}"}})


class Program:
    def __init__(self, path):
        self.path = path

    def evaluate(self, expression):
        """The output as JSON, or None: it is refused, or fails."""
        run = subprocess.run([self.path, "dry-run", "-", "--json"], input=definition(expression), capture_output=True,
                             text=True, check=False)
        if run.returncode < 0:
            sys.exit(f"the program ended by signal {-run.returncode} at: {expression}")
        try:
            return json.loads(run.stdout).get("output", {}).get("v")
        except (ValueError, AttributeError):
            return None


def outcome(program, test):
    """Nothing if it passes, else what came out."""
    expression = first(test, "expr").decode()
    if any(field in ("bindings", "check_only", "unknown", "any_unknowns", "any_eval_errors") for field, _ in test):
        raise NotCounted("variables of its own")
    if any(field in ("typed_result",) for field, _ in test):
        raise NotCounted("a type checker's result")
    if re.search(r"\b(google\.protobuf|cel\.expr|TestAllTypes|NestedTestAllTypes|GlobalEnum|TestRequired)\b", expression):
        raise NotCounted("messages of Protobuf")
    if re.search(r"\b(type|dyn)\s*\(", expression) and "type(" in expression:
        raise NotCounted("types as values")
    if first(test, "eval_error") is not None:
        found = program.evaluate(expression)
        return None if found is None else f"{expression}  is {json.dumps(found)}, should fail"
    expected = literal(first(test, "value", [("bool_value", "true")]))
    if "nan" in expected.lower() and expected.startswith("double"):
        check = f"({expression}) != ({expression})"
    else:
        check = f"({expression}) == {expected}"
    found = program.evaluate(check)
    return None if found is True else f"{expression}  should be {expected}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build")
    parser.add_argument("suite", type=pathlib.Path, help="cel-spec's tests/simple/testdata")
    arguments = parser.parse_args()
    left_out = json.loads((HERE / "left_out.json").read_text())
    program = Program(arguments.build / "entente")
    passed, failures, reasons = 0, [], collections.Counter()
    for path in sorted(arguments.suite.glob("*.textproto")):
        for field, section in Reader(path.read_text()).message():
            for inner, test in section if field == "section" else []:
                if inner != "test":
                    continue
                name = "/".join([path.stem, first(section, "name").decode(), first(test, "name").decode()])
                named = next((why for prefix, why in left_out.items() if name == prefix or
                              (prefix.endswith("/") and name.startswith(prefix))), None)
                try:
                    if named:
                        raise NotCounted(named)
                    wrong = outcome(program, test)
                except NotCounted as reason:
                    reasons[str(reason)] += 1
                    continue
                if wrong is None:
                    passed += 1
                else:
                    failures.append(f"{name}: {wrong}")
    for failure in failures:
        print(failure)
    print(f"{passed} pass, {len(failures)} fail, {sum(reasons.values())} are left out:")
    for reason, count in reasons.most_common():
        print(f"  {count} {reason}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
