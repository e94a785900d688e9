"""The settings."""

from pathlib import Path

from alembic_live import DatabaseSettings
from pydantic_settings import SettingsConfigDict


class Settings(DatabaseSettings):
    """The DB_* settings."""

    model_config = SettingsConfigDict(env_file=Path(__file__).resolve().parents[2] / ".env")


settings = Settings.load()
