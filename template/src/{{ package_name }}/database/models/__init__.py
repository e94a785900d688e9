"""The models. Every module in this folder is found; none needs to be imported here."""
