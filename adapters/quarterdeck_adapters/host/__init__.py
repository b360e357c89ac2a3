"""The machine that the deck runs on, by psutil (https://psutil.readthedocs.io), and its GPUs by NVML."""
