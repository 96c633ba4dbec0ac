"""The web server: granian takes connections and reads requests, Django answers them in threads.

`python -m memory_layer.web --host HOST --port PORT`. What a slow or broken client can hold up ends before a thread is
taken: headers and bodies are read by granian and an event loop, and a thread gets whole requests only.
"""
