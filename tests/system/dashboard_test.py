"""Every panel of docker/metrics/dashboard.json has something to draw: a flock that trains, Debian's
Prometheus that asks it, and a page that stands in for Grafana's, seen in Chromium.

STARLING_PICTURE=FILE keeps the picture."""
import html
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import browser
from flock import ENDLESS, SOURCE, FlockTest, die_with_parent

sys.path.insert(0, str(SOURCE / "docker"))
from testbed_lib import metrics  # noqa: E402

NODES = ("n0", "n1", "n2")
# A classifier has no error against an optimum that is known.
HAS_NOTHING_HERE = {"Relative error"}
COLUMN, ROW = 40, 30  # pixels of Grafana's grid
INK = ("#3d7fe0", "#d9711f", "#2f9e5f", "#c4459c", "#8b6be0", "#a88a00", "#1a9fae")


def box_of(panel):
    at = panel["gridPos"]
    return (at["x"] * COLUMN, at["y"] * ROW,
            (at["x"] + at["w"]) * COLUMN, (at["y"] + at["h"]) * ROW)


def graph(panel, nodes, edges):
    """The nodes in a circle, and a line for each edge."""
    left, top, right, bottom = box_of(panel)
    radius = (bottom - top) / 2 - 45
    turn = 2 * math.pi / len(nodes)
    at = {node["metric"]["id"]: ((left + right) / 2 + radius * math.sin(turn * i),
                                 (top + bottom) / 2 - radius * math.cos(turn * i))
          for i, node in enumerate(nodes)}
    lines = [(*at[edge["metric"]["source"]], *at[edge["metric"]["target"]]) for edge in edges]
    return "".join(
        [f'<line x1="{a:.0f}" y1="{b:.0f}" x2="{c:.0f}" y2="{d:.0f}" stroke="{INK[1]}"/>'
         for a, b, c, d in lines] +
        [f'<text x="{at[node["metric"]["id"]][0]:.0f}" y="{at[node["metric"]["id"]][1]:.0f}" '
         f'fill="{INK[0]}">{node["metric"]["title"]}: {float(node["values"][-1][1]):.4g}</text>'
         for node in nodes])


def drawn(panel, series):
    """The panel as a box: curves in a color for each query, or the newest values in large type."""
    answers = [[one["values"] for one in answer] for answer in series]
    left, top, right, bottom = box_of(panel)
    parts = [f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
             f'fill="#fff" stroke="#ccc"/><text x="{left + 8}" y="{top + 18}">'
             f'{html.escape(panel["title"])}</text>']
    if panel["type"] == "nodeGraph":
        return "".join([*parts, graph(panel, *series)])
    points = [[(float(at), float(value)) for at, value in curve if value != "NaN"]
              for answer in answers for curve in answer]
    colors = [INK[number % len(INK)] for number, answer in enumerate(answers) for _ in answer]
    if panel["type"] in ("stat", "table"):
        for line, (color, curve) in enumerate(zip(colors, points)):
            parts.append(f'<text x="{left + 12 + line % 6 * 75}" y="{top + 50 + line // 6 * 22}" '
                         f'fill="{color}" font-size="22">{curve[-1][1]:.4g}</text>')
        return "".join(parts)
    known = [point for curve in points for point in curve]
    begin, end = min(at for at, _ in known), max(at for at, _ in known)
    low, high = min(value for _, value in known), max(value for _, value in known)
    for color, curve in zip(colors, points):
        path = " ".join(
            f"{left + 10 + (right - left - 20) * (at - begin) / max(end - begin, 1):.1f},"
            f"{bottom - 10 - (bottom - top - 45) * (value - low) / ((high - low) or 1):.1f}"
            for at, value in (curve if len(curve) > 1 else [*curve, (end + 1, curve[0][1])]))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
    return "".join(parts)


class Dashboard(FlockTest):
    def start_prometheus(self, flock_port, port):
        folder = self.dir / "prometheus"
        folder.mkdir()
        given = (metrics.FILES / "prometheus.yml").read_text()
        (folder / "prometheus.yml").write_text(
            given.replace("scrape_interval: 5s", "scrape_interval: 1s")
            .replace("scrape_timeout: 4s", "scrape_timeout: 1s"))
        listed = json.loads(metrics.targets({node: "127.0.0.1" for node in NODES}))
        for number, target in enumerate(listed):
            target["targets"] = [f"127.0.0.1:{flock_port + number}"]
        (folder / "nodes.json").write_text(json.dumps(listed))
        with (folder / "log").open("w") as log:
            self.children.append(subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent))
        self.prometheus = f"http://127.0.0.1:{port}/api/v1/query_range?"

    def ask(self, query):
        """Its series over the last minute; none while Prometheus is not ready yet."""
        query = query.replace("$__rate_interval", "10s").replace("$node", ".*")
        now = time.time()
        words = urllib.parse.urlencode({"query": query, "start": now - 60, "end": now, "step": 1})
        try:
            with urllib.request.urlopen(self.prometheus + words, timeout=60) as reply:
                return json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as refused:
            if refused.code == 503:
                return []
            self.fail(f"{query}: {refused.read().decode()}")
        except OSError:
            return []

    def answer(self, query):
        """What it says when it says it of every node, where it speaks of nodes."""
        series = self.ask(query)
        named = {one["metric"].get("node") for one in series} - {None}
        return series if not named or named == set(NODES) else []

    def whole_graph(self, query):
        """The series of a node graph once it has all of them: nodes, or edges that are up."""
        series = self.ask(query)
        ids = {one["metric"]["id"] for one in series}
        if any("source" in one["metric"] for one in series):
            series = [one for one in series if one["metric"]["color"] == "green"]
            self.assertLessEqual({one["metric"][end] for one in series
                                  for end in ("source", "target")}, set(NODES))
            all_of_them = {f"{a} to {b}" for a in NODES for b in NODES if a != b}
        else:
            all_of_them = set(NODES)
        self.assertLessEqual(ids, all_of_them)
        return series if ids == all_of_them else []

    def test_every_panel_has_something_to_draw(self):
        self.assertIsNotNone(shutil.which("prometheus"), "prometheus is not installed")
        http = self.base_port + 8
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 200, "topology.nodes": 3,
                        "gossip.algorithm": "powergossip", "checkpoint.every": 100,
                        "limits.max_send": "2mbit", "metrics.listen": f"127.0.0.1:{http}"})
        for node in NODES:
            self.start_node(node)
        self.start_prometheus(http, self.base_port + 12)

        dashboard = json.loads((metrics.FILES / "dashboard.json").read_text())
        panels = [p for p in dashboard["panels"] if p["title"] not in HAS_NOTHING_HERE]
        self.assertEqual(len(panels), len(dashboard["panels"]) - len(HAS_NOTHING_HERE))
        drawing = ""
        for panel in panels:
            answers, found = [], self.whole_graph if panel["type"] == "nodeGraph" else self.answer
            for target in panel["targets"]:
                series = self.until(lambda: found(target["expr"]),
                                    f"{panel['title']}: {target['expr']}")
                answers.append(series)
                for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
                    self.assertTrue(all(label in one["metric"] for one in series), panel["title"])
            drawing += drawn(panel, answers)

        page = self.dir / "dashboard.html"
        width, height = 24 * COLUMN, max(box_of(panel)[3] for panel in panels)
        page.write_text(f'<meta charset="utf-8"><body style="margin:0"><svg width="{width}" '
                        f'height="{height}" font-family="sans-serif">{drawing}</svg>')
        # The window's frame takes some of the height.
        seen = browser.shown(page, width, height + 200, [box_of(panel) for panel in panels],
                             keep=os.environ.get("STARLING_PICTURE"))
        for panel, colors in zip(panels, seen):
            self.assertGreater(sum(colors.get(ink, 0) for ink in INK), 20, panel["title"])


if __name__ == "__main__":
    unittest.main()
