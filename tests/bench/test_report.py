#!/usr/bin/env python3
"""What tests/bench/run concludes from measurements: medians, ratios, bounds, and that broken items have no time."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]
# pylint: disable=wrong-import-position
import machines  # noqa: E402
import report  # noqa: E402
from items import Bound, Item  # noqa: E402

loader = importlib.machinery.SourceFileLoader("bench_run", os.path.join(HERE, "run"))
bench_run = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
loader.exec_module(bench_run)


def runs(*seconds):
    return [{"wall": 2 * s, "cpu": s, "sum": "x"} for s in seconds]


def result(error=None, **samples):
    item = Item("a", "compute", "integer", work=1000)
    return {"error": error, "samples": samples, "measures": {} if error else report.measures(item, samples, 1e9)}


class Report(unittest.TestCase):
    def test_ratios_are_of_medians(self):
        m = result(native=runs(1, 9, 2), tcg=runs(8, 8, 1), ringer=runs(4, 4, 40))["measures"]
        self.assertAlmostEqual(m["of_native"], 0.5)
        self.assertAlmostEqual(m["times_tcg"], 2)
        self.assertAlmostEqual(m["of_tcg"], 0.5)
        self.assertAlmostEqual(m["cycles"], 2e6)  # 2 s beyond native's, a thousand times, at 1 GHz

    def test_geometric_mean(self):
        self.assertAlmostEqual(report.geomean([1, 4, 16]), 4)

    def judged(self, *results, statistic="min", limit=1.5):
        items = [Item(f"i{n}", "compute", "integer") for n in range(len(results))]
        bound = Bound("b", "times_tcg", statistic, limit, True, "compute")
        return report.judge([bound], items, {f"i{n}": r for n, r in enumerate(results)})[0][1:]

    def test_bounds(self):
        fast, slow = (result(tcg=runs(t), ringer=runs(1)) for t in (4, 1))
        self.assertEqual(self.judged(fast, fast), (4, "i0", True))
        self.assertEqual(self.judged(fast, slow), (1, "i1", False))
        self.assertEqual(self.judged(fast, slow, statistic="geomean")[::2], (2, True))

    def test_a_broken_item_meets_no_bound(self):
        fast, broken = result(tcg=runs(4), ringer=runs(1)), result("died", tcg=runs(4), ringer=runs(0.001))
        self.assertEqual(self.judged(fast, broken), (4, "i0", None))
        self.assertEqual(self.judged(broken), (None, "", None))
        item = Item("i0", "compute", "integer")
        self.assertIn("BROKEN: died", report.text_table([item], {"i0": broken}, "compute"))

    def test_an_engine_that_was_not_run_gives_no_ratio(self):
        self.assertEqual(result(ringer=runs(1))["measures"], {})
        self.assertEqual(result(tcg=runs(1))["measures"], {})


class FakeAgent:
    """A machine that answers at once."""

    def __init__(self, sample):
        self.sample = sample

    def command(self, *_):
        if isinstance(self.sample, Exception):
            raise self.sample
        return self.sample

    def close(self):
        pass


class Broken(unittest.TestCase):
    def results(self, ringer, expect=""):
        item = Item("a", "compute", "integer", run="true", expect=expect)
        run = bench_run.Run([item], None, 2, ("tcg", "ringer"))
        answers = {"tcg": machines.Sample(2, 2, "good", "3 files"), "ringer": ringer}
        run.agent = lambda engine: FakeAgent(answers[engine])
        return run.all_rounds()["a"]

    def test_sound(self):
        self.assertEqual(self.results(machines.Sample(1, 1, "good"))["measures"]["times_tcg"], 2)

    def test_wrong_sum(self):
        r = self.results(machines.Sample(1, 1, "bad"))
        self.assertIn("computes bad", r["error"])
        self.assertEqual(r["measures"], {})

    def test_unexpected_text(self):
        self.assertIsNone(self.results(machines.Sample(1, 1, "bad", "4 files"), r"^\d files$")["error"])
        self.assertIn("says: no files", self.results(machines.Sample(1, 1, "good", "no files"), r"^\d files$")["error"])

    def test_failed_or_silent(self):
        for error in (machines.BrokenItem("status 1"), bench_run.Failure("no answer")):
            r = self.results(error)
            self.assertIn(str(error), r["error"])
            self.assertEqual(r["measures"], {})


if __name__ == "__main__":
    unittest.main()
