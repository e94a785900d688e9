"""The settings, from the environment, `.env` and `/run/secrets`. Add yours to `Settings`."""

from pathlib import Path

from alembic_live import DatabaseSettings
from pydantic_settings import SettingsConfigDict

# For development only: .dockerignore keeps it out of the image.
ENV_FILE = Path(__file__).resolve().parents[2] / ".env"


class Settings(DatabaseSettings):
    """The settings of the service. `DatabaseSettings` has the DB_* settings (see .env.example)."""

    model_config = SettingsConfigDict(env_file=ENV_FILE)


# load() also reads the files in /run/secrets (or SECRETS_DIR). If a value is wrong, it raises a
# ConfigurationError that names the setting.
settings = Settings.load()
