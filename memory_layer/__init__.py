"""How the parts are put together; no rule of the domain lives here."""
