"""``python -m coder_assist`` is the command ``coder-assist``."""

from coder_assist.cli import main

if __name__ == "__main__":
    main()
