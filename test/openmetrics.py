# SPDX-License-Identifier: MIT
"""Read an OpenMetrics text with the parser of the Prometheus Python client.

usage: openmetrics.py PACKAGE_DIRECTORY FILE; prints "N families". The package's own
__init__ wants modules that reading needs not, so that only its parts are imported.
"""
import sys
import types

package = types.ModuleType("prometheus_client")
package.__path__ = [sys.argv[1]]
sys.modules["prometheus_client"] = package

from prometheus_client.openmetrics import parser  # noqa: E402

with open(sys.argv[2], encoding="utf-8", newline="") as text:
    families = list(parser.text_fd_to_metric_families(text))
print(len(families), "families")
