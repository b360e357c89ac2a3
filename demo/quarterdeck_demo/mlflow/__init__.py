"""An MLflow 3 server over the story."""

from quarterdeck_demo.mlflow.server import MlflowAuth, MlflowServer

__all__ = ["MlflowAuth", "MlflowServer"]
