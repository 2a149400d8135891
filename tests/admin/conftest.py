"""The door that the admin tests knock at."""

from admin_world import door

__all__ = ["door"]
