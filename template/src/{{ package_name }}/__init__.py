"""The service: settings in `config`, models and sessions in `database`."""
