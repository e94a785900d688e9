"""Where the DB_* settings come from, for people."""

from alembic_live.database_url import NAME
from alembic_live.plain_settings import UnsureError, read_sources
from alembic_live.settings import DatabaseSettings


def describe_places(settings: DatabaseSettings) -> str:
    """`DB_HOST, DB_PORT from .env; DB_PASSWORD from /run/secrets`. Values are not shown."""
    given, url = settings.given, settings.database_url
    places = dict.fromkeys(given, "the code")
    url_place = ""
    if url is not None:
        places |= {name: url.origin for name in url.values if url.values[name] == given.get(name)}
    try:
        for place, values in read_sources(settings.env_file()):
            places |= {name: place for name in values if values[name] == given.get(name)}
            url_place = place if NAME in values else url_place
    except (UnsureError, OSError, UnicodeDecodeError):
        return "a file of settings is unusual, so their places are not known"
    by_place: dict[str, list[str]] = {}
    for name, place in places.items():
        by_place.setdefault(place, []).append(name)
    parts = [f"{', '.join(names)} from {place}" for place, names in by_place.items()]
    if url is not None and settings.DATABASE_URL:
        parts.append(f"{NAME} from {url_place or 'the code'}")
    elif url_place:
        parts.append(f"{NAME} in {url_place} is not read: the DB_* settings have the whole address")
    return "; ".join(parts)
