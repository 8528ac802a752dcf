"""The tokens of the client's page are those of the studio, for older browsers."""

import re

from flask.testing import FlaskClient

from app.web.assets.tokens import plain_tokens

TOKENS = """@layer tokens, base;

@layer tokens {
  :root {
    --color-text: light-dark(#111, #eee);
    --color-shadow: light-dark(rgb(1 2 3 / 4%), rgb(0 0 0 / 50%));
    --shadow: 0 1px var(--color-shadow);
    --unused: 1px;
  }

  :root[data-theme="dark"] {
    color-scheme: dark;
  }
}
"""


def test_only_what_is_used_is_kept_in_both_themes() -> None:
    light, dark = plain_tokens(TOKENS, ["a { color: var(--color-text); box-shadow: var(--shadow); }"]).split(
        "@media (prefers-color-scheme: dark)"
    )
    assert light.startswith("@layer tokens, base;")
    assert (
        "--color-text: #111; --color-shadow: rgb(1 2 3 / 4%); --shadow: 0 1px var(--color-shadow);" in light
    )
    assert "{ --color-text: #eee; --color-shadow: rgb(0 0 0 / 50%); }" in dark
    assert "--unused" not in light + dark


def test_the_sheet_of_a_client_defines_what_it_uses_without_light_dark(module_client: FlaskClient) -> None:
    sheet = module_client.get("/assets/1/rounds_tokens+base+rounds.css").text
    used = set(re.findall(r"var\((--[\w-]+)\)", sheet))
    assert used <= set(re.findall(r"(--[\w-]+):", sheet))
    assert "--color-heart:#ff6b86" in sheet
    assert "light-dark" not in sheet
