"""Renders the chart's templates: the part of Go's templates that they keep to, so that they can be looked at
where there is no helm. What it does not know is an error."""

import json
import re

TAG = re.compile(r"(\s*)\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\||[^\s|]+')


class Unknown(Exception):
    pass


def parse(text):
    """A list of strings, ("put", words), ("if", words, then, else) and ("range", words, body)."""
    stack, branch = [("root", None, [], None)], [[]]
    position = 0
    for tag in TAG.finditer(text):
        blank = "" if tag[2] else tag[1]
        branch[-1].append(text[position:tag.start()] + blank)
        position = tag.end()
        if tag[4]:
            position += len(text[position:]) - len(text[position:].lstrip())
        words = WORD.findall(tag[3])
        if words[0] in ("if", "range"):
            stack.append((words[0], words[1:], branch[-1], []))
            branch.append([])
        elif words[0] == "else":
            kind, condition, outer, _ = stack.pop()
            stack.append((kind, condition, outer, branch.pop()))
            branch.append([])
        elif words[0] == "end":
            kind, condition, outer, first = stack.pop()
            body = branch.pop()
            outer.append((kind, condition, first or body, body if first else []))
        else:
            branch[-1].append(("put", words))
    branch[-1].append(text[position:])
    if len(stack) != 1:
        raise Unknown("a block is not closed")
    return branch[-1]


def look_up(path, scope):
    if path.startswith('"'):
        return json.loads(path)
    if not path.startswith("."):
        raise Unknown(path)
    value = scope["."]
    for name in filter(None, path.split(".")):
        if name not in value:
            raise Unknown(path)
        value = value[name]
    return value


FUNCTIONS = {
    "toJson": lambda value: json.dumps(value),
    "eq": lambda a, b: a == b,
    "default": lambda fallback, value: value or fallback,
    "join": lambda between, values: between.join(values),
}


def evaluate(words, scope):
    value = None
    for step in " ".join(words).split(" | ") if "|" in words else [" ".join(words)]:
        name, *arguments = WORD.findall(step)
        arguments = [look_up(one, scope) for one in arguments]
        if name in FUNCTIONS:
            value = FUNCTIONS[name](*arguments, *([value] if value is not None else []))
        elif arguments or value is not None:
            raise Unknown(name)
        else:
            value = look_up(name, scope)
    return value


def render(parts, scope):
    out = []
    for part in parts:
        if isinstance(part, str):
            out.append(part)
        elif part[0] == "put":
            out.append(str(evaluate(part[1], scope)))
        elif part[0] == "if":
            out.append(render(part[2] if evaluate(part[1], scope) else part[3], scope))
        else:
            for item in evaluate(part[1], scope):
                out.append(render(part[2], {".": item}))
    return "".join(out)
