"""The HTTP service: ``create_app`` returns a FastAPI application that suggests codes and looks them up."""

from coder_assist.api.app import create_app

__all__ = ["create_app"]
