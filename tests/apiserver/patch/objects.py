"""Random specs of the kind that ``store`` keeps."""

from hypothesis import strategies as st

WORDS = st.sampled_from("xyz")

PARTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abc")},
        optional={
            "count": st.integers(0, 2),
            "image": WORDS,
            "tags": st.lists(WORDS, min_size=1, max_size=2, unique=True),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda part: part["name"],
)

FREE = st.integers(0, 2) | st.dictionaries(WORDS, WORDS, min_size=1)

SPECS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 2),
        "colour": WORDS,
        "labels": st.dictionaries(WORDS, WORDS, min_size=1, max_size=2),
        "tags": st.lists(WORDS, min_size=1, max_size=3, unique=True),
        "args": st.lists(WORDS, max_size=2),
        "parts": PARTS,
        "selector": st.fixed_dictionaries({"matchLabels": st.dictionaries(WORDS, WORDS, max_size=2)}),
        "nested": st.fixed_dictionaries({"inner": st.fixed_dictionaries({"a": WORDS}, optional={"b": WORDS})}),
        "free": st.dictionaries(WORDS, FREE, min_size=1, max_size=2),
    },
)
