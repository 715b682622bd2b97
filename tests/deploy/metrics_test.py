#!/usr/bin/env python3
"""Alert rules, dashboards and documents name metrics that exist, and every alert has its page in the runbook."""

import json
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = re.compile(r"\bentente_[a-z_]+\b")

WRITERS = ("coordinator/api/rest/metrics_text.cpp", "observe/registry.cpp", "coordinator/outlets/trace_exporter.cpp",
           "coordinator/outlets/webhooks.cpp", "coordinator/store_rewriter.cpp")
SOURCE = "".join((ROOT / path).read_text() for path in WRITERS)
WRITTEN = set(re.findall(r'"(entente_[a-z_]+)"', SOURCE))
# What a histogram's samples are called after its name.
SAMPLE = re.compile(r"_(bucket|sum|count)$")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
RULES = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "entente.json").read_text())


def alerts():
    """(name, lines) of each rule."""
    for block in RULES.split("- alert: ")[1:]:
        name, *lines = block.splitlines()
        yield name.strip(), [line.strip() for line in lines]


def metrics_of(expression):
    """The metrics that an expression reads."""
    return {name if name in WRITTEN else SAMPLE.sub("", name) for name in NAME.findall(expression)}


class Metrics(unittest.TestCase):
    def test_the_coordinator_writes_metrics(self):
        self.assertGreater(len(WRITTEN), 30)

    def test_every_metric_is_explained_and_every_explained_one_is_written(self):
        rows = [line for line in OPERATIONS.splitlines() if line.startswith("| `entente_")]
        explained = {name for row in rows for name in NAME.findall(row.split("|")[1])}
        self.assertEqual(WRITTEN, explained)

    def test_documents_name_no_other(self):
        for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
            # A name may be that of a database, a library or a target; a metric is in backquotes.
            named = {name for text in re.findall(r"`([^`\n]*)`", path.read_text()) for name in NAME.findall(text)
                     if re.search(r"_(total|seconds|bytes|open|ready|stalled)$", name)}
            self.assertEqual(set(), named - WRITTEN, path.name)


class Alerts(unittest.TestCase):
    def test_rules_name_metrics_that_are_written(self):
        for name, lines in alerts():
            expressions = [line for line in lines if line.startswith("expr:")]
            self.assertEqual(1, len(expressions), name)
            self.assertEqual(set(), metrics_of(expressions[0]) - WRITTEN, name)

    def test_each_says_how_urgent_it_is_and_where_to_read_on(self):
        for name, lines in alerts():
            self.assertTrue({"severity: page", "severity: ticket"} & set(lines), name)
            self.assertIn(f'runbook: "docs/operations.md#{name.lower()}"', lines)
            self.assertTrue(any(line.startswith("summary:") for line in lines), name)

    def test_the_runbook_has_each_of_them_and_no_other(self):
        sections = re.split(r"^### (Entente\w+)$", OPERATIONS, flags=re.MULTILINE)
        pages = dict(zip(sections[1::2], sections[2::2]))
        self.assertEqual({name for name, _ in alerts()}, set(pages))
        for name, text in pages.items():
            page = text.split("\n#")[0]
            for part in ("**It means**", "**Look**", "**Do**"):
                self.assertIn(part, page, name)

    def test_a_label_that_a_rule_selects_by_exists(self):
        for name, lines in alerts():
            for label in re.findall(r"\{(\w+)=", " ".join(lines)):
                self.assertTrue(label == "job" or f'"{label}"' in SOURCE, f"{name}: {label}")


class Grafana(unittest.TestCase):
    def test_panels_name_metrics_that_are_written(self):
        for panel in DASHBOARD["panels"]:
            for target in panel["targets"]:
                named = metrics_of(target["expr"])
                self.assertTrue(named, panel["title"])
                self.assertEqual(set(), named - WRITTEN, panel["title"])

    def test_panels_do_not_overlap_and_have_ids_of_their_own(self):
        panels = DASHBOARD["panels"]
        self.assertEqual(len(panels), len({panel["id"] for panel in panels}))
        places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
        self.assertEqual(len(places), len(set(places)))


if __name__ == "__main__":
    unittest.main()
