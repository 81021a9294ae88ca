"""How the pages are built: ``sphinx-build -W -j auto docs docs/_build/html``."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_extensions")]

from example_style import STYLE

import measurelp

project = "measurelp"
author = "The measurelp developers"
copyright = author
version = release = measurelp.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "api_pages",
    "code_host_links",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/*.ipynb", "gallery/*.zip"]
templates_path = ["_templates"]
nitpicky = False
show_warning_types = True

# -- text ---------------------------------------------------------------------------------------

myst_enable_extensions = ["deflist", "dollarmath", "attrs_block"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_show_tb = True
nb_merge_streams = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# -- the public names ---------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
add_module_names = False
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# -- pictures on pages: scripts in figures/ -----------------------------------------------------

plot_formats = [("png", 110)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = STYLE
plot_apply_rcparams = True

# -- the examples -------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "plot_gallery": True,
    "abort_on_example_error": True,
    "min_reported_time": 1,
    "show_memory": False,
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib", "example_style.reset"),
    "capture_repr": ("_repr_html_", "__repr__"),
    "default_thumb_file": None,
    "show_signature": False,
    "thumbnail_size": (560, 230),
}

# -- how the pages look -------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "measurelp"
html_static_path = ["_static"]
html_css_files = ["measurelp.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "navigation_depth": 2,
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "quickstart": [], "concepts": []}
