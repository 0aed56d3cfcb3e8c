# SPDX-License-Identifier: MIT
"""place.py: "own ADDRESS", "beside ADDRESS" or "other ADDRESS" for each line that ends in one.

connpin_place.py stands beside this file, or in the tree.
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(__file__), "../etc/mitmproxy"))
import connpin_place  # noqa: E402

for line in sys.stdin:
    address = line.split()[-1]
    found = connpin_place.locate((address, 1))
    kind = "other" if found is None else "own" if found is connpin_place.OWN else "beside"
    print(kind, address)
