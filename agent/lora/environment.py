"""On what a build ran: equal fingerprints promise equal bytes."""

from __future__ import annotations

import os
import platform
import sys


def fingerprint() -> str:
    """Versions and processor features that decide the last bits of a build, one line."""
    import peft  # noqa: PLC0415 - takes a second to import
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    parts = {
        "system": f"{sys.platform}-{platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "cpu": _processor(),
        "simd": torch.backends.cpu.get_cpu_capability(),
        "mkl": "yes" if mkl else "no",
        "cbwr": os.environ.get("MKL_CBWR", "default"),
        "threads": "1",
    }
    return " ".join(f"{name}={value.replace(' ', '_')}" for name, value in parts.items())


def _processor() -> str:
    """Model name of the processor: BLAS chooses its kernels by it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the generic name has to do
    return platform.processor() or platform.machine()
