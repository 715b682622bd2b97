#!/usr/bin/env python3
"""What a soak says of figures that grow, that only fill up first, and that are too few."""

import pathlib
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "chaos"))

from growth import SERIES, grown, picture  # noqa: E402
from soak import open_count  # noqa: E402

STEADY = {"resident memory": 200 << 20, "descriptors": 90, "store on disk": 300 << 20, "open transactions": 12, "time to accept": 0.004}


def run(count=60, **changed):
    """Samples of a steady run, but for the series that are given as a function of how far it is."""
    functions = {name.replace("_", " "): at for name, at in changed.items()}
    return [(n, {name: functions[name](n / count) if name in functions else value for name, value in STEADY.items()})
            for n in range(count)]


class Metrics:
    """A town whose coordinator answers with these metrics."""

    def __init__(self, text):
        self.coordinator = self.http = self
        self.text = text

    def request(self, *_, **__):
        if self.text is None:
            raise ConnectionResetError
        return 200, self.text.encode()


class Open(unittest.TestCase):
    def test_what_waits_for_an_operator_is_not_counted(self):
        text = "# HELP entente_transactions_open x\nentente_transactions_open 79\nentente_incidents_open 72\n"
        self.assertEqual(7, open_count(Metrics(text)))

    def test_without_an_answer_or_a_figure_nothing_is_known(self):
        self.assertIsNone(open_count(Metrics(None)))
        self.assertIsNone(open_count(Metrics("entente_transactions_open 79\n")))


class Growth(unittest.TestCase):
    def test_what_is_steady_has_not_grown(self):
        self.assertEqual([], grown(run()))

    def test_what_fills_up_first_has_not_grown(self):
        self.assertEqual([], grown(run(resident_memory=lambda part: int((100 + 200 * min(part * 4, 1)) * (1 << 20)))))

    def test_each_series_that_grows_all_the_time_is_found(self):
        for name, value in STEADY.items():
            found = grown(run(**{name.replace(" ", "_"): lambda part, value=value: value * (1 + 200 * part * part)}))
            self.assertEqual(1, len(found), name)
            self.assertTrue(found[0].startswith(f"{name} grew from "), found)

    def test_a_spike_is_no_growth(self):
        self.assertEqual([], grown(run(time_to_accept=lambda part: 9 if 0.9 < part < 0.93 else 0.004)))

    def test_few_samples_say_nothing_and_say_so(self):
        self.assertEqual(len(SERIES), len(grown(run(8))))

    def test_what_was_not_answered_is_left_out(self):
        samples = run()
        samples[5][1]["open transactions"] = None
        self.assertEqual([], grown(samples))
        xml.etree.ElementTree.fromstring(picture(samples, "a <title>"))


if __name__ == "__main__":
    unittest.main()
