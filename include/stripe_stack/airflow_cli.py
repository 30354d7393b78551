"""Airflow's command line, in an interpreter that seldom searches for garbage.

Each of Airflow's components loads thousands of modules and classes, none of which is ever garbage;
searching them again and again is a fifth of the CPU time of a start.
"""

from __future__ import annotations

import gc
import runpy

if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 100)
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)
