"""`python -m memory_layer.web --host 127.0.0.1 --port 8000`."""

from memory_layer.web.server import main

if __name__ == "__main__":
    main()
