"""Other memory systems on the same machine, data and embedder in the same run: `make bench-peers`."""

# What the embedder of all calls itself.
MODEL = "local-model"
