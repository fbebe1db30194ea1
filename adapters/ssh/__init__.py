"""SSH into a pod with paramiko."""

import sys

# paramiko loads `invoke`, and with it asyncio and unittest, for one word of ssh's configuration files, which rpd never
# reads. This takes a third of its time to load. Without `invoke` it works as well.
sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
