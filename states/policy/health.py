"""`provision.health`: a check of the GPUs before anything is sent or installed."""

from __future__ import annotations

HEALTH_KEY = "setup-health-"
"""The start of the step's key."""
HEALTH_SECONDS = 120.0
"""A driver that hangs is as bad as a driver that refuses."""

CUDA_CHECK = """\
command -v nvidia-smi >/dev/null 2>&1 || { echo 'nvidia-smi is not there'; exit 1; }
nvidia-smi -L || exit 1
for rpd_python in python3 python ''; do command -v "$rpd_python" >/dev/null 2>&1 && break; done
[ -n "$rpd_python" ] || { echo 'nvidia-smi answers; without a python nothing else is asked'; exit 0; }
"$rpd_python" - <<'END'
import ctypes, os, sys
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError:
    print("nvidia-smi answers; the image has no libcuda, so nothing else is asked")
    sys.exit(0)
def must(what, code):
    if code:
        sys.exit("%s failed with CUDA error %d" % (what, code))
must("cuInit", cuda.cuInit(0))
count = ctypes.c_int()
must("cuDeviceGetCount", cuda.cuDeviceGetCount(ctypes.byref(count)))
wanted = int(os.environ.get("RPD_GPU_COUNT", "1"))
if count.value < wanted:
    sys.exit("CUDA sees %d of %d GPUs" % (count.value, wanted))
for number in range(count.value):
    context = ctypes.c_void_p()
    must("a context on GPU %d" % number, cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), number))
    must("its release", cuda.cuDevicePrimaryCtxRelease(number))
print("CUDA takes up work on %d GPUs" % count.value)
END
"""
"""A shell text. The driver must answer, and CUDA must see all GPUs and open a context on each."""
