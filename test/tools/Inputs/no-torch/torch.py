"""Found before the real package."""

raise ImportError("no torch here")
