"""MLflow: registered models, versions, training runs and what serves them (https://mlflow.org/docs/latest/rest-api.html)."""

from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_adapters.mlflow.discovery import discover

__all__ = ["MlflowSource", "discover"]
