# SPDX-License-Identifier: MIT
"""mitmproxy add-on for the tests: a line of JSON for each flow that ended.

What the client says of itself in its headers stands beside what connpin said, as
read back from a flow file's form of the flow. CONNPIN_FLOW_LOG names the file.
"""

import json
import os

from mitmproxy.io import tnetstring

LOG = open(os.environ["CONNPIN_FLOW_LOG"], "a", buffering=1)


def note(flow, **said):
    state = tnetstring.loads(tnetstring.dumps(flow.get_state()))
    LOG.write(json.dumps({"connpin": state["metadata"].get("connpin"), **said}) + "\n")


def response(flow):
    note(
        flow,
        port=flow.client_conn.peername[1],
        pid=int(flow.request.headers.get("x-pid", 0)),
        exe=flow.request.headers.get("x-exe"),
        path=flow.request.path,
    )


def dns_response(flow):
    note(flow, port=flow.client_conn.peername[1], name=flow.request.questions[0].name)
