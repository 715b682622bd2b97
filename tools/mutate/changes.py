"""The small changes to a C++ file: where they go, and the file with all of them in it, each behind a switch."""
import collections
import pathlib
import re

Mutant = collections.namedtuple("Mutant", "path line what head expression tail changed lines")
"""`path` from the top of the tree, `line` from 0; the statement is `head expression tail` over so many `lines`, and the mutant has
`changed` instead of the expression. Of a call that is left out, the tail is None."""

CONDITION = re.compile(r"^(\s*(?:(?:\} else )?if|while) \()(.*)(\) \{)$")
VALUE = re.compile(r"^(\s*(?:return|const bool \w+ =) )(.*)(;)$")
CALL = re.compile(r"^(\s+)((?!return|throw|delete|using|else|case|static_assert)[A-Za-z_][\w.:>\-\[\]]*\([^;]*\);)$")
BEGINS = re.compile(r"^\s*((\} else )?if|while) \(|^\s*(return|const bool \w+ =)(\s|$)")
OPERATORS = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ", " == ": " != ", " != ": " == ",
             " && ": " || ", " || ": " && "}
# Room that is made beforehand is there for speed alone.
MEANS_NOTHING = re.compile(r"\b(reserve|shrink_to_fit)\(")
LINES_OF_A_STATEMENT = 6  # At most; longer ones are left alone.


def is_in_string(text: str, at: int) -> bool:
    return len(re.findall(r'(?<!\\)"', text[:at])) % 2 == 1


def is_whole(text: str) -> bool:
    return text.count("(") == text.count(")") and text.count('"') % 2 == 0


def changes(text: str, invert: bool):
    """Every small change of an expression, with its description."""
    def found(pattern):
        return (one for one in re.finditer(pattern, text) if not is_in_string(text, one.start()))

    for old, new in OPERATORS.items():
        for one in found(re.escape(old)):
            yield f"{old.strip()} -> {new.strip()}", text[:one.start()] + new + text[one.end():]
    for one in found(r"(?<![\w!])!(?=[\w(])"):
        yield "! dropped", text[:one.start()] + text[one.end():]
    for one in found(r"(?<![\w.])(\d+)(?![\w.])"):
        more = str(int(one[1]) + 1)
        yield f"{one[1]} -> {more}", text[:one.start()] + more + text[one.end():]
    if invert and (" && " in text or " || " in text or not (text.startswith("!") or " == " in text or " != " in text)):
        yield "inverted", f"!({text})"  # Of the others a change above says the same.


def statement(lines: list[str], number: int, pattern):
    """The match of a condition or value that begins at this line, and how many lines it takes."""
    text = lines[number]
    for more in range(LINES_OF_A_STATEMENT):
        if "//" in text:
            return None, 0
        if (found := pattern.match(text)) and is_whole(found[2]):
            return found, more + 1
        if text.endswith((";", "{")) or number + more + 1 >= len(lines):
            return None, 0
        text = f"{text.rstrip()} {lines[number + more + 1].strip()}"
    return None, 0


def begins_a_statement(lines: list[str], number: int) -> bool:
    before = next((line for line in reversed(lines[:number]) if line.strip() and not line.strip().startswith("//")), "")
    return before.split(" //")[0].rstrip().endswith((";", "{", "}", ":"))


def mutants_of(path: str, text: str):
    """Every mutant of a file."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if "constexpr" in line or "static_assert" in line or "ENTENTE_" in line:
            continue
        if BEGINS.match(line):
            for pattern, invert in ((CONDITION, True), (VALUE, False)):
                found, count = statement(lines, number, pattern)
                if found and ";" not in found[2] and not re.search(r"[^=!<>]=[^=]|\bauto\b|\[|\{", found[2]):
                    for what, changed in changes(found[2], invert):
                        yield Mutant(path, number, what, found[1], found[2], found[3], changed, count)
        call = CALL.match(line)
        if call and is_whole(call[2]) and begins_a_statement(lines, number) and not MEANS_NOTHING.search(line):
            yield Mutant(path, number, "left out", call[1], call[2], None, "", 1)


def truth(text: str) -> str:
    return f"static_cast<bool>({text})"


def with_mutants(path: str, text: str, mutants: dict) -> str:
    """The file with these mutants, by their numbers, in it."""
    lines = text.split("\n")
    at: dict[int, list] = {}
    for number, mutant in mutants.items():
        at.setdefault(mutant.line, []).append((number, mutant))
    for line, several in at.items():
        first = several[0][1]
        if first.tail is None:
            lines[line] = f"{first.head}if (!ENTENTE_MUTANT({several[0][0]})) {{ {first.expression} }}"
            continue
        # What is asked for its truth need not be a bool, and of two kinds there is no choosing.
        is_truth = not first.head.lstrip().startswith("return")
        result = truth(first.expression) if is_truth else f"({first.expression})"
        for number, mutant in several:
            changed = truth(mutant.changed) if is_truth or mutant.what == "! dropped" else f"({mutant.changed})"
            result = f"(ENTENTE_MUTANT({number}) ? {changed} : {result})"
        lines[line:line + first.lines] = [f"{first.head}{result}{first.tail}"] + [""] * (first.lines - 1)
    return f'#line 1 "{path}"\n' + "\n".join(lines)


def read(root: pathlib.Path, path: str) -> str:
    return (root / path).read_text()
