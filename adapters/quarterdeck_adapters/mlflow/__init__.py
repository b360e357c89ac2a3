"""MLflow: registered models, versions, training runs and what serves them (https://mlflow.org/docs/latest/rest-api.html)."""
