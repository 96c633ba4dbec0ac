"""How the admin writes dates: one way for everybody, which sorts as it reads."""
