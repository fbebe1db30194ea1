"""SSH into a pod with paramiko."""

import sys

# paramiko loads `invoke`, and with it asyncio and unittest, for one word of ssh's configuration files, which nobody
# reads here: a third of its time to load. It does without where there is none.
sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
