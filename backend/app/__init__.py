"""PROMPTer's server."""

import os

# numpy reads this when it is first imported. Its threads, one for each core, wait in a busy loop after the small
# products that speech needs: that doubled the CPU time of a decode, and the cores are the scheduler's to give.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
