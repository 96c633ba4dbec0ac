"""The languages of full text: PostgreSQL's own text search configurations, as every version from 16 on has them."""

ENGLISH = "english"
LANGUAGES = tuple(
    """
    simple arabic armenian basque catalan danish dutch english finnish french german greek hindi hungarian indonesian
    irish italian lithuanian nepali norwegian portuguese romanian russian serbian spanish swedish tamil turkish yiddish
    """.split()  # noqa: SIM905 - a list of thirty literals would be harder to read
)
