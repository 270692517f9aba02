"""The words every command and stage share: manifests and parameters as frozen pydantic models, and nothing heavy."""
