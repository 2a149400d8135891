"""``python -m proxy`` is ``pointsman``."""

from proxy.cli import main

if __name__ == "__main__":
    main()
