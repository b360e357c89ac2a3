"""OCI registries: repositories and tags, copies, deletes (https://github.com/opencontainers/distribution-spec)."""
