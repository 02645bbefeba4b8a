"""PROMPTer's server."""

import os

# numpy reads this when it is first imported. Its threads, one for each core, wait in a busy loop after the small
# products that speech needs: that doubled the CPU time of a decode, and the cores are the scheduler's to give.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# onnxruntime reads this when it is first used: it would tell its makers, and keep an identifier of the machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
