"""What the adapters of CI systems share: reading their JSON, their pace, their verbs, their logs, and failures."""
