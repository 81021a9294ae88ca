"""``python -m measurelp.cli`` is the installed command."""

from measurelp.cli import main

if __name__ == "__main__":
    main()
