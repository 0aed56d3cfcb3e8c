#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ask a Prometheus.

    query.py URL EXPRESSION             each value, a line each
    query.py URL --dashboard FILE JOB   ask every query of a Grafana dashboard; a line for
                                        each that gives no data, and then exit 1
"""

import json
import math
import sys
import urllib.parse
import urllib.request


def query(url, expression):
    body = urllib.parse.urlencode({"query": expression}).encode()
    with urllib.request.urlopen(f"{url}/api/v1/query", body, timeout=10) as answer:
        return [float(r["value"][1]) for r in json.load(answer)["data"]["result"]]


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def variables(dashboard):
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            yield "variable " + variable["name"], f"count by ({label}) ({metric})"


def main():
    if sys.argv[2] != "--dashboard":
        for value in query(sys.argv[1], sys.argv[2]):
            print(f"{value:.17g}")
        return 0
    dashboard = json.load(open(sys.argv[3]))
    asked = empty = 0
    for title, expression in [*expressions(dashboard), *variables(dashboard)]:
        for name, value in (("$__rate_interval", "10s"), ("$__range", "1m"), ("$instance", ".*"), ("$job", sys.argv[4])):
            expression = expression.replace(name, value)
        assert "$" not in expression, expression
        asked += 1
        values = query(sys.argv[1], expression)
        if not values or all(math.isnan(v) for v in values):
            print(f"no data: {title}: {expression}")
            empty += 1
    print(f"{asked} queries, {empty} without data")
    return 1 if empty or asked < 30 else 0


sys.exit(main())
