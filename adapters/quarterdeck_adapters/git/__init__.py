"""Git working copies on this machine, by git's own plumbing (https://git-scm.com/docs)."""
