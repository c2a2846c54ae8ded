"""How the manual is built: `make docs`. A warning is an error, a dead link is a warning."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # for docs.ext and the floors in tests/

project = "flask_wsguard"
author = "the authors of flask_wsguard"
project_copyright = author
language = "en-GB"

extensions = ["myst_parser", "sphinx.ext.autodoc", "docs.ext.generated", "docs.ext.links"]
exclude_patterns = ["examples/**", "ext/**", "images/**"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
autodoc_typehints = "signature"
autodoc_mock_imports = ["prometheus_client", "websocket"]  # extras: nothing is called
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "flask_wsguard"
html_static_path = ["static"]
html_css_files = ["manual.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False

# For `make linkcheck`, which needs the network. Addresses that only an example knows:
linkcheck_ignore = [r"https?://localhost\b", r"https?://[a-z.]*example\.(org|com|net)\b"]
linkcheck_anchors_ignore_for_url = [r"https://github\.com/"]  # its anchors are made by scripts
