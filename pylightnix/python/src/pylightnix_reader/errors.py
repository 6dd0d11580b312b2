"""What can go wrong."""


class StoreError(Exception):
    """Something about a store."""


class UnknownVersion(StoreError):
    """A store, or a record in it, has a version that this package does not know."""


class Missing(StoreError, KeyError):
    """Nothing in the store is what was asked for."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would quote it


class Ambiguous(StoreError, KeyError):
    """Several things in the store are what was asked for."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotHere(StoreError, FileNotFoundError):
    """The files of a result are at a remote. The message has the command that fetches them."""


class Damaged(StoreError):
    """A file in the store is not what its hash says."""
