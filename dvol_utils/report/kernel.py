"""A notebook's kernel that ends with the process that started it, at whatever moment that ends.

ipykernel looks for itself only once it has begun, and an end before that it takes for none unless
the first process of the system has taken over: on a desktop another one does.
"""

from __future__ import annotations

import os
import runpy

from dvol_utils.training.processes.parent import end_with_parent

if __name__ == "__main__":
    end_with_parent(int(os.environ["JPY_PARENT_PID"]))
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
