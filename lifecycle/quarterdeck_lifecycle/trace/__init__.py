"""The trace: what ties a commit, its run, image, workload, model and signals, and where each of them is now."""
